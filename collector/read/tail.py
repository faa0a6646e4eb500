"""Reads the newest rows of a stream while a recorder writes it, and goes on from there: each row once, as it is committed.

A segment that was sealed and archived between two looks is read where it is then. Of one that had begun and gone meanwhile
rows come in the order of ids, because an object has no other.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple, Self

import pyarrow as pa

from collector.read.segment_ends import ALL, SegmentEnds


class _Place(NamedTuple):
    """Up to where rows were given: all of earlier segments, and this one's up to the block."""

    segment_id: str
    block: int


class Tail:
    """The newest rows of one stream in a recorder's data directory. Close it when done.

    Methods raise StoreError, DamagedError, UnreadableError; asked again, they go on with the rows that were not given yet.
    """

    def __init__(self, ends: SegmentEnds, remark: Callable[[str], None]) -> None:
        """`remark` is told what a person should know besides the rows."""
        self._ends = ends
        self._remark = remark
        self._place = _Place("", 0)

    @property
    def schema(self) -> pa.Schema:
        """The columns of the rows: those of the data type's files."""
        return self._ends.schema

    def newest(self, rows: int) -> pa.Table:
        """The newest rows, so many if there are; `more` goes on behind them."""
        found: list[pa.Table] = []
        local = self._ends.local()
        for segment_id in reversed(local):
            if segment_id == local[-1]:
                self._ends.keep(segment_id)
            tables, until = self._ends.newest(segment_id, rows - _count(found))
            found = [*tables, *found]
            if segment_id == local[-1]:
                self._place = _Place(segment_id, until)
            if _count(found) >= rows:
                break
        else:
            older, newest = self._ends.archived(rows - _count(found), local)
            found = [*older, *found]
            self._place = self._place if local else _Place(newest, ALL if newest else 0)
        whole = pa.concat_tables(found) if found else self.schema.empty_table()
        return whole.slice(max(0, len(whole) - rows))

    def more(self) -> Iterator[pa.Table]:
        """What was committed since, some thousand rows at a time."""
        opened = self._ends.opened()
        if opened is None:
            return  # a seal is under way, or nothing was recorded yet
        for segment_id in self._unread(opened):
            yield from self._rest_of(segment_id)

    def close(self) -> None:
        """Let go of the segment that is kept within reach."""
        self._ends.close()

    def __enter__(self) -> Self:
        """Close it at the end of a `with` block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def _unread(self, opened: str) -> list[str]:
        """The segments up to the open one of which rows may be unread, oldest first."""
        place, found = self._place, [opened]
        while found[0] != place.segment_id:
            previous = self._ends.previous_of(found[0])
            if not previous or previous < place.segment_id:
                if place.block not in {0, ALL}:
                    # Only one without rows has no successor.
                    self._remark(f"segment {place.segment_id} was set aside: what it held is recorded anew")
                break
            found.insert(0, previous)
        return found

    def _rest_of(self, segment_id: str) -> Iterator[pa.Table]:
        self._ends.keep(segment_id)
        block = self._place.block if segment_id == self._place.segment_id else 0
        while True:
            tables, until = self._ends.after(segment_id, block)
            yield from tables
            self._place = _Place(segment_id, until)
            if until <= block:
                return
            block = until


def _count(tables: list[pa.Table]) -> int:
    return sum(map(len, tables))
