"""What was recorded of each stream in the last seven days, in cells of five minutes. No I/O, no clock.

A row counts in the cell of its receive time, however much later the writer reads it.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

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
from collector.reports import StreamNumbers

CELL_SECS: Final = 300
CELLS: Final = 7 * 24 * 12
"""Seven days: two kilobytes a stream."""

NEWEST_GAPS: Final = 200
"""Gaps kept for the page, of all streams together."""

GAPS_OF_A_STREAM: Final = 32
"""Gaps of one stream for which a repair still changes its cells."""

_CELL_US: Final = CELL_SECS * 1_000_000
_MAX_SETBACK_CELLS: Final = 12
"""After a clock was set back by more than this the cells would be mislabelled: they are forgotten."""

_NO_LOSS: Final = frozenset({"reset", "out_of_order", "duplicate_conflict", "book_unknown"})
"""Kinds of gap in which nothing is missing."""


class CoveredGap(NamedTuple):
    """A row of the gap ledger with its exchange and symbol."""

    exchange: str
    symbol: str
    gap: Gap


class Strips(NamedTuple):
    """Every stream's cells at one moment, oldest first. Immutable."""

    ended_us: int = 0
    """End of the last cell."""
    cells: Mapping[StreamKey, bytes] = {}
    gaps: Sequence[CoveredGap] = ()
    """The newest gaps, the latest row of each, oldest first."""
    known_cells: int = 0
    """How many of the newest cells reach back to the first in which anything is known of any stream."""


class GapSpan(NamedTuple):
    """What a gap means for the cells it overlaps."""

    gap_id: str
    started_us: int
    ended_us: int | None
    lost: bool


class SavedCoverage(msgspec.Struct):
    """What `run/coverage.json` holds; the names of the fields are its format."""

    cell_secs: int
    first: int
    """Number of the first cell since the epoch."""
    streams: list[StreamKey]
    cells: bytes
    """The cells of all streams, concatenated in the order of `streams`."""
    holes: list[tuple[int, GapSpan]]
    """Each gap with the index of its stream in `streams`."""
    newest: list[CoveredGap]


class _StreamCoverage:
    __slots__ = ("cells", "durable_us", "gaps", "newest_cell")

    def __init__(self) -> None:
        self.cells = bytes(CELLS)
        self.gaps: dict[str, GapSpan] = {}
        self.durable_us: int | None = None
        self.newest_cell: int | None = None
        """The cell of the newest row since this recorder started."""


class Coverage:
    """The cells of the configured streams, and of all others that have rows."""

    def __init__(self, configured: Iterable[StreamKey]) -> None:
        self._first = 0
        self._first_known: int | None = None
        """The oldest cell in which anything is known, or was before it left the window."""
        self._streams = {key: _StreamCoverage() for key in configured}
        self._newest: dict[str, CoveredGap] = {}
        self._last_report: frozenset[tuple[str, int]] = frozenset()
        self.gaps_seen = 0
        """Rows of the gap ledger taken in."""

    def update(
        self,
        now_us: int,
        streams: Iterable[StreamNumbers],
        gap_rows: Sequence[tuple[str, str, Gap]],
        silent: Collection[StreamKey],
    ) -> None:
        """Take in the writer's newest report and which streams are silent."""
        self._roll(now_us)
        self._note_rows(streams)
        self._note_gaps(gap_rows, now_us)
        now_cell = now_us // _CELL_US
        for key in silent:
            self._paint(self._stream(key), now_cell, now_cell, SILENT)

    def strips(self) -> Strips:
        """The present state."""
        cells = {key: stream.cells for key, stream in self._streams.items()}
        end = self._first + CELLS
        known_cells = 0 if self._first_known is None else min(CELLS, end - self._first_known)
        return Strips(end * _CELL_US, cells, tuple(self._newest.values()), known_cells)

    def saved(self) -> SavedCoverage:
        """The state from which the next recorder in this data directory goes on."""
        cells = b"".join(stream.cells for stream in self._streams.values())
        gaps = [(index, gap) for index, stream in enumerate(self._streams.values()) for gap in stream.gaps.values()]
        return SavedCoverage(CELL_SECS, self._first, list(self._streams), cells, gaps, list(self._newest.values()))

    def restore(self, saved: SavedCoverage) -> None:
        """Go on from what an earlier recorder saved. Raises ValueError, with nothing restored, if it contradicts itself.

        It may hold fewer cells than this version keeps: those before its first are unknown.
        """
        width, rest = divmod(len(saved.cells), len(saved.streams) or 1)
        indexes = {index for index, _ in saved.holes}
        if saved.cell_secs != CELL_SECS or rest or width > CELLS or not indexes <= {*range(len(saved.streams))}:
            raise ValueError("not the cells of its streams")
        self._first = saved.first + width - CELLS
        for index, key in enumerate(saved.streams):
            self._stream(key).cells = saved.cells[index * width : (index + 1) * width].rjust(CELLS, b"\0")
        for index, gap in saved.holes:
            self._stream(saved.streams[index]).gaps[gap.gap_id] = gap
        self._newest = {row.gap.gap_id: row for row in saved.newest}
        longest = max((len(stream.cells.lstrip(b"\0")) for stream in self._streams.values()), default=0)
        self._first_known = self._first + CELLS - longest if longest else None

    def _stream(self, key: StreamKey) -> _StreamCoverage:
        return self._streams.setdefault(key, _StreamCoverage())

    def _roll(self, now_us: int) -> None:
        first = now_us // _CELL_US - CELLS + 1
        shift = first - self._first
        if shift < -_MAX_SETBACK_CELLS or shift >= CELLS:
            for stream in self._streams.values():
                stream.cells, stream.newest_cell = bytes(CELLS), None
            self._first_known = None
        elif shift > 0:
            for stream in self._streams.values():
                stream.cells = stream.cells[shift:] + bytes(shift)
        if shift < -_MAX_SETBACK_CELLS or shift > 0:
            self._first = first
            self._extend_open_gaps(now_us)

    def _extend_open_gaps(self, now_us: int) -> None:
        """Paint gaps that are still open into the new cells, and forget those that ended before the first cell."""
        for stream in self._streams.values():
            for gap in list(stream.gaps.values()):
                if gap.ended_us is None:
                    self._paint_gap(stream, gap, now_us)
                elif gap.ended_us < self._first * _CELL_US:
                    del stream.gaps[gap.gap_id]

    def _note_rows(self, numbers: Iterable[StreamNumbers]) -> None:
        for each in numbers:
            received_us, durable_us = each.last_received_us, each.last_durable_us
            if durable_us is None or received_us is None:
                continue
            stream = self._streams.get(each[:3])  # type: ignore[call-overload]  # a tuple equal to its key
            if stream is None:
                if each.symbol == UNKNOWN:
                    continue
                stream = self._stream(StreamKey(*each[:3]))
            if durable_us != stream.durable_us:
                stream.durable_us = durable_us
                # The newest message may not be durable yet, but no durable one was received after its commit.
                self._note_row(stream, min(received_us, durable_us) // _CELL_US)

    def _note_row(self, stream: _StreamCoverage, cell: int) -> None:
        """Paint from the cell of the row before to this one: the stream went on between them."""
        if cell == stream.newest_cell:
            return
        since = cell if stream.newest_cell is None or stream.newest_cell > cell else stream.newest_cell
        self._paint(stream, since, cell, ROWS)
        stream.newest_cell = cell

    def _note_gaps(self, rows: Sequence[tuple[str, str, Gap]], now_us: int) -> None:
        # The writer repeats each row in several reports, so that a missed report loses none.
        report = [CoveredGap(*row) for row in rows]
        for row in report:
            if (row.gap.gap_id, row.gap.detected_at) not in self._last_report:
                self._note_gap(row, now_us)
        self._last_report = frozenset((row.gap.gap_id, row.gap.detected_at) for row in report)

    def _note_gap(self, row: CoveredGap, now_us: int) -> None:
        self.gaps_seen += 1
        gap = row.gap
        self._newest.pop(gap.gap_id, None)
        self._newest[gap.gap_id] = row
        if len(self._newest) > NEWEST_GAPS:
            del self._newest[next(iter(self._newest))]
        if gap.kind in _NO_LOSS:
            return
        span = GapSpan(gap.gap_id, gap.started_at, gap.ended_at, gap.status != "repaired")
        for stream in list(self._affected_streams(row)):
            self._add_gap(stream, span, now_us)

    def _affected_streams(self, row: CoveredGap) -> Iterator[_StreamCoverage]:
        """The gap's stream; where that is unknown, every stream of its exchange whose ids do not prove continuity.

        A stream whose ids do prove it has gap rows of its own for whatever is missing.
        """
        data_type = row.gap.stream_type
        if UNKNOWN not in {row.symbol, data_type}:
            yield self._stream(StreamKey(row.exchange, row.symbol, data_type))
            return
        for key, stream in self._streams.items():
            if key.exchange == row.exchange and not proves_continuity(key):
                yield stream

    def _add_gap(self, stream: _StreamCoverage, gap: GapSpan, now_us: int) -> None:
        is_new = stream.gaps.pop(gap.gap_id, None) is None
        stream.gaps[gap.gap_id] = gap
        if len(stream.gaps) > GAPS_OF_A_STREAM:
            oldest = stream.gaps.pop(next(iter(stream.gaps)))
            if oldest.lost:
                self._paint(stream, *_cells_of(oldest, now_us), SETTLED)
        if is_new:
            self._paint_gap(stream, gap, now_us)
            return
        stream.cells = without_gaps(stream.cells)
        for each in stream.gaps.values():
            self._paint_gap(stream, each, now_us)

    def _paint_gap(self, stream: _StreamCoverage, gap: GapSpan, now_us: int) -> None:
        self._paint(stream, *_cells_of(gap, now_us), LOST if gap.lost else REPAIRED)

    def _paint(self, stream: _StreamCoverage, first: int, last: int, flag: int) -> None:
        stream.cells = with_flag(stream.cells, first - self._first, last - self._first, flag)
        if last >= self._first:
            oldest = max(first, self._first)
            self._first_known = oldest if self._first_known is None else min(oldest, self._first_known)


def _cells_of(gap: GapSpan, now_us: int) -> tuple[int, int]:
    ended_us = now_us if gap.ended_us is None else gap.ended_us
    return gap.started_us // _CELL_US, ended_us // _CELL_US
