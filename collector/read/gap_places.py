"""Tells between which rows a gap may lie, table by table."""

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from collector.domain.records import INT64_MAX, Gap

_TIMES_OF_THE_MISSING: Final = frozenset({"budget", "pruned", "undecodable"})
"""Kinds whose times are those of the missing messages; those of the others are times of rows before and behind."""


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


def _shifted(values: pa.Array, *, first: bool) -> pa.Array:
    """The value of the row before each."""
    return pa.concat_arrays([pa.array([first]), values.slice(0, len(values) - 1)])
