"""What a journal file that a relay wrote holds of each edge."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from collector.storage.journal.format import JournalHeader, Record, RecordKind, frames_of
from collector.storage.journal.journal_file import Chunk
from collector.storage.journal.position import Position
from collector.storage.journal.relayed import RelayedHead
from collector.storage.journal.relayed_chunks import RelayedChunks


def chunks_of(path: Path, header: JournalHeader, records: Iterable[Record]) -> Iterator[Chunk]:
    """The records of a file, those of an edge with the head of the edge's file."""
    relayed = RelayedChunks(lambda _number: path)
    for record in records:
        place = Position(header.file_id, header.identity.feed, header.number, record.end, ended=False)
        yield from relayed.apart(Chunk(header, [record], None, place))


def frames_in(chunk: Chunk) -> int:
    """The number of frames in it."""
    return sum(len(frames_of(record)) for record in chunk.records if record.kind is RecordKind.FRAMES)


def told_of(chunk: Chunk, head: RelayedHead) -> dict[str, Any]:
    """A slice in a few words, ready for JSON."""
    marks = [name for name in ("late", "lost", "ended") if getattr(head, name)]
    return {
        "edge": head.edge,
        "file": head.number,
        "bytes": [head.start, head.end],
        "records": len(chunk.records),
        "frames": frames_in(chunk),
        **dict.fromkeys(marks, True),
        **({"damage": chunk.damage.reason} if chunk.damage else {}),
    }
