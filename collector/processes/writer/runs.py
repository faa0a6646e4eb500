"""Runs: consecutive records of a journal whose frames can be decoded and judged together."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from collector.domain.errors import DamagedError
from collector.domain.records import BACKFILLED_LINE
from collector.storage.journal.format import Record, RecordFrames, RecordKind, split_frames


class Bounds(NamedTuple):
    """What ends a run: the record that reaches one of these is its last."""

    frames: int
    size_bytes: int
    since_us: int
    """Receive times from this one to before `until_us` do not end it."""
    until_us: int


@dataclass(slots=True)
class Run:
    """Records of text frames from sockets, whose receive times never fall."""

    records: list[Record] = field(default_factory=list)
    frames: list[bytes] = field(default_factory=list)
    begins: list[int] = field(default_factory=list)
    """Index of each record's first frame."""
    _split: list[RecordFrames] = field(default_factory=list)

    def add(self, record: Record, split: RecordFrames) -> None:
        """Add the next record."""
        self.begins.append(len(self.frames))
        self.records.append(record)
        self.frames += split.data
        self._split.append(split)

    def place_of(self, record: int) -> tuple[int, int, list[int]]:
        """Index of a record's first frame, that behind its last one, and where each one's bytes begin in the journal file."""
        split, begin = self._split[record], self.begins[record]
        return begin, begin + len(split.data), split.starts

    def counts(self) -> list[int]:
        """The number of frames in each record."""
        return [len(split.data) for split in self._split]


def run_from(records: Sequence[Record], start: int, bounds: Bounds, *, by_connection: bool = False) -> Run:
    """The run that begins with the record at `start`; empty if that one has to be processed by itself.

    `by_connection`: all its records are of one connection.
    """
    run, size_bytes, received_ns, connection = Run(), 0, 0, records[start].connection
    for record in islice(records, start, None):
        split = _split(record)
        is_other = by_connection and record.connection != connection
        if split is None or record.received_ns < received_ns or is_other:
            break
        run.add(record, split)
        size_bytes += len(record.payload)
        received_ns = record.received_ns
        is_full = len(run.frames) >= bounds.frames or size_bytes >= bounds.size_bytes
        if is_full or not bounds.since_us <= received_ns // 1_000 < bounds.until_us:
            break
    return run


def _split(record: Record) -> RecordFrames | None:
    """The frames of a record; None if they are not whole text frames from a socket."""
    if record.kind is not RecordKind.FRAMES or record.line == BACKFILLED_LINE:
        return None
    try:
        split = split_frames(record)
    except DamagedError:  # it is split again where it becomes an undecoded row
        return None
    return None if split.binary else split
