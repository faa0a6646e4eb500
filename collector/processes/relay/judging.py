"""Whether a slice is what comes next of its edge's journal. Pure.

Slices may come in any order, again, or not at all; all that counts is which bytes of which file they bring. So no slice is
taken while something before it is missing, unless the edge says that it no longer has that.
"""

from collections.abc import Iterable
from enum import Enum
from typing import Final, NamedTuple

from msgspec.structs import replace

from collector.bus.slices import EndedFile, SliceHead
from collector.storage.journal.relayed import PastEpoch, Source, SourceFile


class Verdict(Enum):
    """What becomes of a slice."""

    NEXT = "it is taken"
    COPY = "all of it is here"
    HOLE = "something before it is missing"


class Judged(NamedTuple):
    """The verdict; of the next slice also the offset from which on it is wanted, and whether something is lost before it."""

    verdict: Verdict
    start: int = 0
    is_lost: bool = False


_PAST_EPOCHS: Final = 8

ALONE_NS: Final = 60 * 1_000_000_000
"""An earlier journal of an edge is its journal again if it has gone on for longer than this without the present one."""

COPY: Final = Judged(Verdict.COPY)
HOLE: Final = Judged(Verdict.HOLE)


def in_epoch(source: Source, epoch: str) -> Source:
    """What is known of an edge once it is in that epoch: a new one begins with nothing, an earlier one where it was."""
    if epoch == source.epoch:
        return source
    known = next((past for past in source.past if past.epoch == epoch), PastEpoch(epoch, (), 0))
    left = PastEpoch(source.epoch, source.files, source.done_below)
    past = [*(each for each in source.past if each.epoch != epoch), *([left] if source.epoch else [])][-_PAST_EPOCHS:]
    return replace(
        source,
        epoch=epoch,
        files=known.files,
        done_below=known.done_below,
        past=tuple(past),
        is_broken=not source.was_in(epoch) and (source.is_broken or any(not file.ended for file in source.files)),
    )


def judge(source: Source, head: SliceHead) -> Judged:
    """Judge a slice by what is here of its edge's journal."""
    if source.was_in(head.epoch) and not _is_alone_again(source, head):
        return COPY
    source = in_epoch(source, head.epoch)
    is_begun_anew = bool(source.past) and not source.files and not source.done_below
    file = file_of(source, head.file_id)
    if file is None and head.number < source.done_below:
        return COPY
    offset = 0 if file is None else file.offset
    if file is not None and _brings_nothing(file, head):
        return COPY
    is_behind_hole = head.start > offset or _is_missing(source, head)
    if is_behind_hole and (not head.lost or (file is None and head.start > 0)):
        # Without its head a file could not be read: what begins in its middle is asked for from its beginning.
        return HOLE
    is_lost = is_begun_anew or is_behind_hole or any(_given_up(source.files, head)) or _skips_a_file(source, head)
    return Judged(Verdict.NEXT, max(head.start, offset), source.is_broken or (head.lost and is_lost))


def is_of_another_host(source: Source, head: SliceHead) -> bool:
    """Whether a journal that was lost still grows: then two hosts have the edge's name, and publish by turns."""
    return source.was_in(head.epoch) and head.newest_ns > source.newest_ns


def _is_alone_again(source: Source, head: SliceHead) -> bool:
    """Whether an earlier journal has gone on for long without the present one: then that was of another host."""
    return head.newest_ns > source.newest_ns + ALONE_NS


def file_of(source: Source, file_id: str) -> SourceFile | None:
    """What is here of a file; None if nothing is, or it was forgotten."""
    return next((file for file in source.files if file.file_id == file_id), None)


def is_late(head: SliceHead, others: Iterable[Source], bound_ns: int) -> bool:
    """Whether another edge brought records that are newer than all of the slice's by more than `bound_ns`."""
    newest_ns = max((source.newest_ns for source in others), default=0)
    return 0 < head.newest_ns < newest_ns - bound_ns


def _brings_nothing(file: SourceFile, head: SliceHead) -> bool:
    tells_end = head.ended and not file.ended
    return head.end < file.offset or (head.end == file.offset and not tells_end)


def _is_missing(source: Source, head: SliceHead) -> bool:
    """Whether a file that ended before the slice is not here to its end."""
    return any(not _is_done(source, ended) for ended in head.before if ended.file_id != head.file_id)


def _is_done(source: Source, ended: EndedFile) -> bool:
    file = file_of(source, ended.file_id)
    if file is None:
        return ended.number < source.done_below
    return file.is_gone or (file.ended and file.offset >= ended.end)


def _skips_a_file(source: Source, head: SliceHead) -> bool:
    """Whether it begins a file, and nothing is known of one with a lower number."""
    known = {file.number for file in source.files}
    first = max(source.done_below, min(known, default=head.number))
    return head.number not in known and any(number not in known for number in range(first, head.number))


def _given_up(files: Iterable[SourceFile], head: SliceHead) -> Iterable[SourceFile]:
    return (file for file in files if file.number < head.number and not file.ended and not file.is_gone)
