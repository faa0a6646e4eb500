"""Shows gaps among rows: a column that names the gap before a row, or one that numbers the pieces between gaps."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, Literal, NamedTuple, cast

import pyarrow as pa
import pyarrow.compute as pc

from collector.domain.names import gap_id
from collector.domain.records import StreamKey
from collector.read.errors import QuestionError
from collector.read.gap_places import PlacedByTime
from collector.read.id_order import ids_of
from collector.read.ledger.gaps import LedgerRow
from collector.read.window import row_times

Mode = Literal["raise", "mark", "split", "ignore"]

MODES: Final = ("raise", "mark", "split", "ignore")

COLUMNS: Final[dict[str, pa.Field]] = {
    "mark": pa.field("gap_id", pa.string()),
    "split": pa.field("piece", pa.int32()),
}
"""The column that a mode adds."""


def mode_of(text: str) -> Mode:
    """Raise QuestionError unless it is one of MODES."""
    if text not in MODES:
        raise QuestionError(f"gaps = {text!r}: must be one of {', '.join(map(repr, MODES))}")
    return cast(Mode, text)


class _Gap(NamedTuple):
    row: LedgerRow
    by_time: PlacedByTime
    series: int | None = None
    """The series that it is in, once rows of that were met."""


class Marker:
    """Adds the column of a mode to the rows of a stream, which come in order."""

    def __init__(self, mode: Mode, stream: StreamKey, id_columns: Sequence[str]) -> None:
        self._mode = mode
        self._stream = stream
        self._ids = id_columns
        self._waiting: list[_Gap] = []
        self._piece = 0

    def add(self, gaps: Iterable[LedgerRow]) -> None:
        """Look for these gaps, too."""
        self._waiting += [_Gap(row, PlacedByTime(row.gap)) for row in gaps]

    def marked(self, table: pa.Table) -> pa.Table:
        """The rows with the column; without one if the mode has none."""
        if self._mode not in COLUMNS:
            return table
        marks = self._marks(table) if table.num_rows else {}
        if self._mode == "mark" and not marks:
            values = pa.nulls(table.num_rows, pa.string())
        elif self._mode == "mark":
            values = pa.array((marks.get(index) for index in range(table.num_rows)), pa.string(), size=table.num_rows)
        else:
            values = self._numbered(sorted(marks), table.num_rows)
        return table.append_column(COLUMNS[self._mode], values)

    def _marks(self, table: pa.Table) -> dict[int, str]:
        """The gaps before rows of the table, by the rows' indexes: their ids, with spaces between."""
        if not self._waiting:
            return {}
        columns = _Columns(table, self._ids)
        found: dict[int, list[str]] = {}
        waiting = []
        for gap in self._waiting:
            placed = gap if gap.series is not None else gap._replace(series=self._series(gap.row, columns))
            indexes = columns.places(placed)
            # A row that was received before the gap may still come: only ids tell that there is none.
            if not (indexes and columns.has_ids_of(placed)):
                waiting.append(placed)
            for index in indexes:
                found.setdefault(index, []).append(gap.row.gap.gap_id)
        self._waiting = waiting
        return {index: " ".join(ids) for index, ids in found.items()}

    def _numbered(self, begins: list[int], rows: int) -> pa.Array:
        edges = [0, *begins, rows]
        numbers: list[int] = []
        for number, (start, end) in enumerate(pairwise(edges)):
            numbers += [self._piece + number] * (end - start)
        self._piece += len(begins)
        return pa.array(numbers, pa.int32())

    def _series(self, row: LedgerRow, columns: "_Columns") -> int | None:
        """The gap's series, which its id is made of."""
        gap = row.gap
        for series in columns.all_series():
            if gap_id(self._stream, series, gap.kind, gap.expected_id, gap.started_at) == gap.gap_id:
                return series
        return None


class _Columns:
    """The columns of a table that gaps are placed by."""

    def __init__(self, table: pa.Table, id_columns: Sequence[str]) -> None:
        self._times = row_times(table, "received").combine_chunks()
        span = pc.min_max(self._times).as_py()
        self._span = span["min"], span["max"]
        self._series = table["series"]
        self._ids = ids_of(table, id_columns) if id_columns else None

    def all_series(self) -> list[int]:
        return sorted(series for series in pc.unique(self._series).to_pylist() if series is not None)

    def has_ids_of(self, gap: _Gap) -> bool:
        """Whether ids tell where the gap is."""
        ledger = gap.row.gap
        is_numbered = ledger.kind == "sequence" and (ledger.actual_id or "").isdecimal() and ledger.ended_at is not None
        return self._ids is not None and is_numbered and gap.series is not None

    def places(self, gap: _Gap) -> list[int]:
        """The indexes of the rows before which a gap may lie."""
        if self.has_ids_of(gap):
            index = self._first_behind(gap.series, int(gap.row.gap.actual_id or 0))
            return [] if index < 0 else [index]
        return [] if gap.by_time.is_far(*self._span) else gap.by_time.among(self._times)

    def _first_behind(self, series: int | None, next_id: int) -> int:
        """The index of the first row of the series from an id on; -1 if there is none yet."""
        own = pc.and_(pc.equal(self._series, series), pc.greater_equal(self._ids, next_id))
        index: int = pc.index(pc.or_(pc.greater(self._series, series), own), True).as_py()
        return index
