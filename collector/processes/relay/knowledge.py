"""What a relay knows of the edges of its feed, and how that grows with each slice that it appends. Pure.

The same rules make it anew from the newest file of the journal: `restore.py`.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Final

from msgspec.structs import replace

from collector.bus.places import EdgePlace, FilePlace
from collector.processes.relay.judging import file_of, in_epoch
from collector.storage.journal.relayed import SLOTS, RelayedHead, Source, SourceFile

KEPT_ENDED: Final = 8
"""So many files that ended are remembered: those that a slice names as ended before it, and any that goes on although its
ingest was taken for dead."""

MOST_ENDED: Final = 256
"""So many are remembered while a lower number was not seen: an ingest that begins beside another may have a file without
records, which comes when many later ones have ended."""

DAY_US: Final = 86_400 * 1_000_000

SLOT_KEPT_US: Final = 7 * DAY_US
"""An edge that was not seen for so long gives its slot up if another one needs it."""


def with_edge(sources: Mapping[str, Source], edge: str, now_us: int) -> dict[str, Source] | None:
    """The sources with one more edge; None if there is no slot for it."""
    taken = {source.slot for source in sources.values()}
    kept = dict(sources)
    if len(taken) >= SLOTS:
        oldest = min(sources.values(), key=lambda source: source.seen_us)
        if now_us - oldest.seen_us < SLOT_KEPT_US:
            return None
        del kept[oldest.edge]
        taken.remove(oldest.slot)
    slot = next(slot for slot in range(SLOTS) if slot not in taken)
    return {**kept, edge: Source(edge, slot, "", (), 0, 0, now_us)}


def with_slice(source: Source, head: RelayedHead, file_head: bytes, at_ns: int) -> Source:
    """What is known once that slice was appended; `file_head` is its file's head, of a slice that begins its file."""
    source = in_epoch(source, head.epoch)
    known = file_of(source, head.file_id)
    told = file_head if known is None else known.head
    file = SourceFile(head.file_id, head.number, head.end, head.ended, told)
    others = [_given_up(other, head) for other in source.files if other.file_id != head.file_id]
    files, done_below = _without_old([*others, file], source.done_below)
    # A clock that is ahead must not make all other edges seem late for longer than it is.
    newest_ns = max(source.newest_ns, min(head.newest_ns, at_ns))
    return replace(
        source,
        files=files,
        done_below=done_below,
        newest_ns=newest_ns,
        seen_us=at_ns // 1_000,
        is_broken=False,
    )


def place_of(source: Source, *, has_hole: bool) -> EdgePlace:
    """What the edge is told; a file that it may have lost counts as ended, so that it is not asked for again and again."""
    files = [FilePlace(file.file_id, file.number, file.offset, file.ended or file.is_gone) for file in source.files]
    return EdgePlace(source.epoch, tuple(files), source.done_below, has_hole)


def others_of(sources: Mapping[str, Source], edge: str) -> Iterable[Source]:
    """Those of all other edges."""
    return (source for source in sources.values() if source.edge != edge)


def _given_up(file: SourceFile, head: RelayedHead) -> SourceFile:
    is_gone = file.is_gone or (head.lost and not file.ended and file.number < head.number)
    return replace(file, is_gone=is_gone) if is_gone != file.is_gone else file


def _without_old(files: Sequence[SourceFile], done_below: int) -> tuple[tuple[SourceFile, ...], int]:
    """The files without the oldest that ended, below which none is unfinished."""
    ordered = sorted(files, key=lambda file: file.number)
    done = list(takewhile(lambda file: file.ended or file.is_gone, ordered))
    first = done_below or ordered[0].number
    in_line = sum(1 for at, file in enumerate(done) if file.number <= first + at)
    forgotten = max(0, min(in_line, len(done) - KEPT_ENDED), len(done) - MOST_ENDED)
    if forgotten:
        done_below = max(done_below, ordered[forgotten - 1].number + 1)
    kept = ordered[forgotten:]
    return tuple(_without_head(file) for file in kept[:-KEPT_ENDED]) + tuple(kept[-KEPT_ENDED:]), done_below


def _without_head(file: SourceFile) -> SourceFile:
    return replace(file, head=b"") if file.ended and file.head else file
