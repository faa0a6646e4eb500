"""Tells between which rows a gap may lie, table by table."""

from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from collector.domain.records import INT64_MAX, Gap
from collector.read.id_order import Key

_TIMES_OF_THE_MISSING: Final = frozenset({"budget", "pruned", "undecodable"})
"""Kinds whose times are those of the missing messages; those of the others are times of rows before and behind."""

BEGINS: Final = ("previous_id", "first_id")
"""Columns that tell with which id a row begins, where it covers several: behind the first, else with the second."""


class PlacedByTime:
    """A gap that no ids place: it may lie before a row unless that and the row before were both received before it began, or
    both after it ended.

    Rows come in the order of ids, so one that was late stands among others that were received long before it.
    """

    def __init__(self, gap: Gap) -> None:
        """Without an end the gap lasts until the last row."""
        ended_at = INT64_MAX if gap.ended_at is None else gap.ended_at
        own = gap.kind in _TIMES_OF_THE_MISSING or ended_at <= gap.started_at
        self._before_us, self._behind_us = gap.started_at - own, min(ended_at + own, INT64_MAX)
        self._was_before, self._was_behind = True, False

    def among(self, times: pa.Array) -> list[int]:
        """The indexes of the rows before which it may lie, by the times of the next rows."""
        before, behind = pc.less_equal(times, self._before_us), pc.greater_equal(times, self._behind_us)
        same = pc.or_(
            pc.and_(before, _shifted(before, first=self._was_before)),
            pc.and_(behind, _shifted(behind, first=self._was_behind)),
        )
        self._was_before, self._was_behind = before[-1].as_py(), behind[-1].as_py()
        found: list[int] = pc.indices_nonzero(pc.invert(same)).to_pylist()
        return found

    def is_far(self, first_us: int, last_us: int) -> bool:
        """Whether it lies before none of the next rows, which were received from `first_us` to `last_us`."""
        return (self._was_before and last_us <= self._before_us) or (self._was_behind and first_us >= self._behind_us)


class IdSteps:
    """What lies between each row and the one before, of a stream whose ids show what is missing."""

    def __init__(self, table: pa.Table, ids: pa.ChunkedArray, before: Key) -> None:
        """`before` is the key of the row before the table's first."""
        ends = pc.fill_null(pc.fill_null_forward(ids), before[1]).combine_chunks()
        begins = []
        if set(BEGINS) <= set(table.column_names):
            begins = [pc.add(table["previous_id"], 1), table["first_id"]]
        self.series = pc.fill_null(table["series"].cast(pa.int64()), 0).combine_chunks()
        self.series_before = _shifted(self.series, first=before[0])
        self.first_missing = pc.add(_shifted(ends, first=before[1]), 1)
        self.last_missing = pc.subtract(pc.coalesce(*begins, pa.chunked_array([ends])).combine_chunks(), 1)
        self.end: Key = self.series[-1].as_py(), ends[-1].as_py()
        """The key of the last row."""


class PlacedById(NamedTuple):
    """Ids of a series of which some are missing, maybe in many places: it lies where ids jump."""

    series: int
    first: int
    last: int

    def among(self, steps: IdSteps) -> list[int]:
        """The indexes of the rows before which some of the ids are missing. Between series, any id may be."""
        if steps.end < (self.series, self.first):
            return []
        is_from = pc.less(steps.series_before, self.series)
        is_to = pc.greater(steps.series, self.series)
        low = pc.if_else(is_from, self.first, steps.first_missing)
        high = pc.if_else(is_to, self.last, steps.last_missing)
        is_in = pc.and_(pc.less_equal(steps.series_before, self.series), pc.greater_equal(steps.series, self.series))
        reaches = pc.and_(pc.less_equal(low, self.last), pc.greater_equal(high, self.first))
        found: list[int] = pc.indices_nonzero(pc.and_(is_in, pc.and_(reaches, pc.less_equal(low, high)))).to_pylist()
        return found

    def is_passed(self, end: Key) -> bool:
        """Whether it lies before no row behind this key."""
        return end >= (self.series, self.last)


def _shifted(values: pa.Array, *, first: int) -> pa.Array:
    """The value of the row before each."""
    return pa.concat_arrays([pa.array([first], values.type), values.slice(0, len(values) - 1)])
