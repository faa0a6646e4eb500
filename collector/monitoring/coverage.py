"""What the last seven days hold of each stream, in cells of five minutes. No I/O, no clock.

Rows count in the cell in which they were received, also when the writer reads them much later.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from collector.domain.records import UNKNOWN, Gap, StreamKey
from collector.monitoring.coverage_cells import (
    LOST,
    REPAIRED,
    ROWS,
    SETTLED,
    SILENT,
    proves_continuity,
    with_flag,
    without_gaps,
)
from collector.stats_files import StreamNumbers

CELL_SECS: Final = 300
CELLS: Final = 7 * 24 * 12
"""Seven days: two kilobytes a stream."""

NEWEST_GAPS: Final = 200
"""Gaps that are shown, of all streams."""

GAPS_OF_A_STREAM: Final = 32
"""Gaps of one stream whose repair still changes its cells."""

_CELL_US: Final = CELL_SECS * 1_000_000
_BACK_CELLS: Final = 12
"""A clock set back by more than this makes what is known of no use."""

_NO_LOSS: Final = frozenset({"reset", "out_of_order", "duplicate_conflict"})
"""Kinds of gap in which nothing is missing."""


class LedgerRow(NamedTuple):
    """A row of the gap ledger and where it belongs."""

    exchange: str
    symbol: str
    gap: Gap


class Strips(NamedTuple):
    """Every stream's cells at one moment, oldest first. It never changes."""

    ended_us: int = 0
    """Where the last cell ends."""
    cells: Mapping[StreamKey, bytes] = {}
    gaps: Sequence[LedgerRow] = ()
    """The newest, each as it stands, oldest first."""
    known_cells: int = 0
    """How many of the newest cells reach back to the first in which anything is known of any stream."""


class Hole(NamedTuple):
    """What a gap means for the cells it overlaps."""

    gap_id: str
    started_us: int
    ended_us: int | None
    lost: bool


class Kept(msgspec.Struct):
    """What outlives the recorder."""

    cell_secs: int
    first: int
    """The first cell, counted from the epoch."""
    streams: list[StreamKey]
    cells: bytes
    """Of all streams, one behind the other."""
    holes: list[tuple[int, Hole]]
    """Each with the place of its stream in `streams`."""
    newest: list[LedgerRow]


class _Known:
    __slots__ = ("cell", "cells", "durable_us", "holes")

    def __init__(self) -> None:
        self.cells = bytes(CELLS)
        self.holes: dict[str, Hole] = {}
        self.durable_us: int | None = None
        self.cell: int | None = None
        """The one of the newest row since this recorder started."""


class Coverage:
    """Remembers the cells of the configured streams, and of all that have rows."""

    def __init__(self, configured: Iterable[StreamKey]) -> None:
        self._first = 0
        self._first_known: int | None = None
        """The oldest cell in which anything is known, or was before it left the window."""
        self._known = {key: _Known() for key in configured}
        self._newest: dict[str, LedgerRow] = {}
        self._told: frozenset[tuple[str, int]] = frozenset()
        self.gaps_seen = 0
        """Rows of the ledger taken in."""

    def look(
        self,
        now_us: int,
        streams: Iterable[StreamNumbers],
        gap_rows: Sequence[Sequence[Any]],
        silent: Collection[StreamKey],
    ) -> None:
        """Take in the writer's newest report, and who should have spoken."""
        self._roll(now_us)
        self._note_rows(streams)
        self._note_gaps(gap_rows, now_us)
        now_cell = now_us // _CELL_US
        for key in silent:
            self._paint(self._of(key), now_cell, now_cell, SILENT)

    def strips(self) -> Strips:
        """What is known now."""
        cells = {key: known.cells for key, known in self._known.items()}
        end = self._first + CELLS
        known_cells = 0 if self._first_known is None else min(CELLS, end - self._first_known)
        return Strips(end * _CELL_US, cells, tuple(self._newest.values()), known_cells)

    def kept(self) -> Kept:
        """What the next recorder in this data directory is to know."""
        streams = list(self._known)
        cells = b"".join(known.cells for known in self._known.values())
        holes = [(place, hole) for place, known in enumerate(self._known.values()) for hole in known.holes.values()]
        return Kept(CELL_SECS, self._first, streams, cells, holes, list(self._newest.values()))

    def restore(self, kept: Kept) -> None:
        """Go on from what an earlier recorder kept. Raises ValueError, and takes over nothing, if it makes no sense."""
        cells = kept.cells
        places = {place for place, _ in kept.holes}
        width, rest = divmod(len(cells), len(kept.streams) or 1)
        if kept.cell_secs != CELL_SECS or rest or width > CELLS or not places <= {*range(len(kept.streams))}:
            raise ValueError("not the cells of its streams")
        # A file may hold fewer cells than this version keeps: those before its first are unknown.
        self._first = kept.first + width - CELLS
        for place, key in enumerate(kept.streams):
            self._of(key).cells = cells[place * width : (place + 1) * width].rjust(CELLS, b"\0")
        longest = max((len(known.cells.lstrip(b"\0")) for known in self._known.values()), default=0)
        self._first_known = self._first + CELLS - longest if longest else None
        for place, hole in kept.holes:
            self._of(kept.streams[place]).holes[hole.gap_id] = hole
        self._newest = {row.gap.gap_id: row for row in kept.newest}

    def _of(self, key: StreamKey) -> _Known:
        return self._known.setdefault(key, _Known())

    def _roll(self, now_us: int) -> None:
        first = now_us // _CELL_US - CELLS + 1
        by = first - self._first
        if by < -_BACK_CELLS or by >= CELLS:
            for known in self._known.values():
                known.cells, known.cell = bytes(CELLS), None
            self._first_known = None
        elif by > 0:
            for known in self._known.values():
                known.cells = known.cells[by:] + bytes(by)
        if by < -_BACK_CELLS or by > 0:
            self._first = first
            self._paint_lasting(now_us)

    def _paint_lasting(self, now_us: int) -> None:
        """What is not over reaches into the new cells; what ended before the first is forgotten."""
        for known in self._known.values():
            for hole in list(known.holes.values()):
                if hole.ended_us is None:
                    self._paint_hole(known, hole, now_us)
                elif hole.ended_us < self._first * _CELL_US:
                    del known.holes[hole.gap_id]

    def _note_rows(self, streams: Iterable[StreamNumbers]) -> None:
        for stream in streams:
            received_us, durable_us = stream.last_received_us, stream.last_durable_us
            if durable_us is None or received_us is None:
                continue
            known = self._known.get(stream[:3])  # type: ignore[call-overload]  # a tuple as good as its key
            if known is None:
                if stream.symbol == UNKNOWN:
                    continue
                known = self._of(StreamKey(*stream[:3]))
            if durable_us != known.durable_us:
                known.durable_us = durable_us
                # The newest message received may not be durable yet, but none that is came later than its commit.
                self._note_row(known, min(received_us, durable_us) // _CELL_US)

    def _note_row(self, known: _Known, cell: int) -> None:
        if cell == known.cell:
            return
        since = cell if known.cell is None or known.cell > cell else known.cell
        self._paint(known, since, cell, ROWS)
        known.cell = cell

    def _note_gaps(self, rows: Sequence[Sequence[Any]], now_us: int) -> None:
        # A row is told in several reports.
        new = [LedgerRow(exchange, symbol, Gap(*gap)) for exchange, symbol, gap in rows]
        told = frozenset((row.gap.gap_id, row.gap.detected_at) for row in new)
        for row in new:
            if (row.gap.gap_id, row.gap.detected_at) not in self._told:
                self._note_gap(row, now_us)
        self._told = told

    def _note_gap(self, row: LedgerRow, now_us: int) -> None:
        self.gaps_seen += 1
        gap = row.gap
        self._newest.pop(gap.gap_id, None)
        self._newest[gap.gap_id] = row
        if len(self._newest) > NEWEST_GAPS:
            del self._newest[next(iter(self._newest))]
        if gap.kind in _NO_LOSS:
            return
        hole = Hole(gap.gap_id, gap.started_at, gap.ended_at, gap.status != "repaired")
        for known in list(self._concerned(row)):
            self._keep(known, hole, now_us)

    def _concerned(self, row: LedgerRow) -> Iterator[_Known]:
        """A gap that does not know its stream may be any of its exchange; one whose ids prove continuity has rows of its own."""
        data_type = row.gap.stream_type
        if UNKNOWN not in {row.symbol, data_type}:
            yield self._of(StreamKey(row.exchange, row.symbol, data_type))
            return
        for key, known in self._known.items():
            if key.exchange == row.exchange and not proves_continuity(key):
                yield known

    def _keep(self, known: _Known, hole: Hole, now_us: int) -> None:
        before = known.holes.pop(hole.gap_id, None)
        known.holes[hole.gap_id] = hole
        if len(known.holes) > GAPS_OF_A_STREAM:
            oldest = known.holes.pop(next(iter(known.holes)))
            if oldest.lost:
                self._paint(known, *_span(oldest, now_us), SETTLED)
        if before is None:
            self._paint_hole(known, hole, now_us)
            return
        known.cells = without_gaps(known.cells)
        for each in known.holes.values():
            self._paint_hole(known, each, now_us)

    def _paint_hole(self, known: _Known, hole: Hole, now_us: int) -> None:
        self._paint(known, *_span(hole, now_us), LOST if hole.lost else REPAIRED)

    def _paint(self, known: _Known, first: int, last: int, flag: int) -> None:
        known.cells = with_flag(known.cells, first - self._first, last - self._first, flag)
        if last >= self._first:
            oldest = max(first, self._first)
            self._first_known = oldest if self._first_known is None else min(oldest, self._first_known)


def _span(hole: Hole, now_us: int) -> tuple[int, int]:
    ended_us = now_us if hole.ended_us is None else hole.ended_us
    return hole.started_us // _CELL_US, ended_us // _CELL_US
