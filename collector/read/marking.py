"""Shows gaps among rows: a column that names the gap before a row, or one that numbers the pieces between gaps."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, Literal, NamedTuple, cast

import pyarrow as pa
import pyarrow.compute as pc

from collector.domain.names import gap_id
from collector.domain.records import INT64_MAX, Gap, IdRule, StreamKey
from collector.exchanges import registry
from collector.read.errors import QuestionError
from collector.read.gap_places import IdSteps, PlacedById, PlacedByTime
from collector.read.id_order import LEAST_ID, ids_of
from collector.read.ledger.gap_summary import has_proving_ids
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


class _Waiting(NamedTuple):
    gap: Gap
    by_time: PlacedByTime
    by_id: PlacedById | None = None
    """Where ids tell it, once rows of its series were met."""


class Marker:
    """Adds the column of a mode to the rows of a stream, which come in order."""

    def __init__(self, mode: Mode, stream: StreamKey, id_columns: Sequence[str]) -> None:
        self._mode = mode
        self._stream = stream
        self._ids = id_columns if id_columns and has_proving_ids(stream) else ()
        self._waiting: list[_Waiting] = []
        self._end = LEAST_ID, LEAST_ID
        self._carried: list[str] = []
        self._piece = 0

    def add(self, gaps: Iterable[LedgerRow]) -> None:
        """Look for these gaps, too."""
        self._waiting += [_Waiting(row.gap, PlacedByTime(row.gap)) for row in gaps]

    def marked(self, table: pa.Table, kept: pa.ChunkedArray | None = None) -> pa.Table:
        """The rows, or those of them that are kept, with the column; without one if the mode has none.

        What is marked at a row left out is marked at the next one that is kept.
        """
        marks = self._marks(table) if self._mode in COLUMNS and table.num_rows else {}
        if kept is not None:
            marks = self._moved(marks, kept)
            table = table.filter(kept)
        if self._mode not in COLUMNS:
            return table
        if self._mode == "mark" and not marks:
            values = pa.nulls(table.num_rows, pa.string())
        elif self._mode == "mark":
            texts = {index: " ".join(dict.fromkeys(ids)) for index, ids in marks.items()}
            values = pa.array((texts.get(index) for index in range(table.num_rows)), pa.string(), size=table.num_rows)
        else:
            values = self._numbered(sorted(marks), table.num_rows)
        return table.append_column(COLUMNS[self._mode], values)

    def _marks(self, table: pa.Table) -> dict[int, list[str]]:
        """The ids of the gaps that are, or may be, before rows of the table, by the rows' indexes."""
        if not self._waiting:
            return {}
        times = row_times(table, "received").combine_chunks()
        span = pc.min_max(times).as_py()
        is_numbered = self._ids and any(one.gap.kind == "sequence" for one in self._waiting)
        steps = IdSteps(table, ids_of(table, self._ids), self._end) if is_numbered else None
        found: dict[int, list[str]] = {}
        waiting = []
        for one in self._waiting:
            placed = one if one.by_id or steps is None else one._replace(by_id=self._by_id(one.gap, steps))
            if steps is not None and placed.by_id is not None:
                indexes = placed.by_id.among(steps)
            else:
                indexes = [] if one.by_time.is_far(span["min"], span["max"]) else one.by_time.among(times)
            for index in indexes:
                found.setdefault(index, []).append(one.gap.gap_id)
            # A row that was received before a gap may still come: only ids tell that there is none.
            if steps is None or placed.by_id is None or not placed.by_id.is_passed(steps.end):
                waiting.append(placed)
        self._waiting = waiting
        self._end = self._end if steps is None else steps.end
        return found

    def _moved(self, marks: dict[int, list[str]], kept: pa.ChunkedArray) -> dict[int, list[str]]:
        """The marks by the indexes of the rows that are kept."""
        if not marks and not self._carried:
            return {}
        places = pc.indices_nonzero(kept).to_pylist()
        found: dict[int, list[str]] = {}
        for index, ids in [(-1, self._carried), *sorted(marks.items())]:
            if ids:
                found.setdefault(bisect_left(places, index), []).extend(ids)
        self._carried = list(dict.fromkeys(found.pop(len(places), [])))
        return found

    def _numbered(self, begins: list[int], rows: int) -> pa.Array:
        edges = [0, *begins, rows]
        numbers: list[int] = []
        for number, (start, end) in enumerate(pairwise(edges)):
            numbers += [self._piece + number] * (end - start)
        self._piece += len(begins)
        return pa.array(numbers, pa.int32())

    def _by_id(self, gap: Gap, steps: IdSteps) -> PlacedById | None:
        """The missing ids of a gap, if ids tell it and rows of its series, which its id is made of, are there.

        A gap that lasts may have grown since its row was written.
        """
        first, behind = gap.expected_id or "", gap.actual_id or ""
        if gap.kind != "sequence" or not (first.isdecimal() and behind.isdecimal()):
            return None
        for series in sorted(pc.unique(steps.series).to_pylist()):
            if gap_id(self._stream, series, gap.kind, gap.expected_id, gap.started_at) == gap.gap_id:
                # Where rows name the one before, a gap's ids are those of the row before it and of the one before its end.
                rule = registry.adapter(self._stream.exchange).id_rules[self._stream.data_type]
                named = rule is IdRule.CHAINED
                last = INT64_MAX if gap.ended_at is None else int(behind) - 1 + named
                return PlacedById(series, int(first) + named, last)
        return None
