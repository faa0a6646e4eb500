"""Shows gaps among rows: a column that names the gap before a row, or one that numbers the pieces between gaps."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, Literal, NamedTuple, cast

import pyarrow as pa
import pyarrow.compute as pc

from collector.domain.names import gap_id
from collector.domain.records import StreamKey
from collector.read.errors import QuestionError
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
    series: int | None
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
        """Look for these gaps, too. Behind one that lasts there is no row to mark."""
        self._waiting += [_Gap(row, None) for row in gaps if row.gap.ended_at is not None]

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
            index = columns.first_behind(placed)
            if index < 0:
                waiting.append(placed)
            else:
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
        self._times = row_times(table, "received")
        self._series = table["series"]
        self._ids = ids_of(table, id_columns) if id_columns else None

    def all_series(self) -> list[int]:
        return sorted(series for series in pc.unique(self._series).to_pylist() if series is not None)

    def first_behind(self, gap: _Gap) -> int:
        """The index of the first row behind a gap, by ids where these tell; -1 if there is none yet."""
        ledger = gap.row.gap
        is_numbered = ledger.kind == "sequence" and (ledger.actual_id or "").isdecimal()
        if self._ids is not None and is_numbered and gap.series is not None:
            behind = pc.or_(
                pc.greater(self._series, gap.series),
                pc.and_(pc.equal(self._series, gap.series), pc.greater_equal(self._ids, int(ledger.actual_id or 0))),
            )
        else:
            behind = pc.greater_equal(self._times, ledger.ended_at)
        index: int = pc.index(behind, True).as_py()
        return index
