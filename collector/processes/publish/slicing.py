"""Where a journal is cut into slices: at the ends of records. Pure."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple


class Range(NamedTuple):
    """Bytes of one file that become one slice."""

    start: int
    end: int
    newest_ns: int
    """Receive time of its newest record; 0 if it has none."""


class Border(NamedTuple):
    """Where a record ends, and when it was received."""

    end: int
    received_ns: int


class Cutter:
    """Collects the records of a file that follow each other, and cuts slices off them; holds borders, never bytes."""

    def __init__(self, slice_bytes: int, start: int) -> None:
        """`start`: where the first slice begins."""
        self._slice_bytes = slice_bytes
        self.start = start
        """Where the next slice begins."""
        self._borders: list[Border] = []

    def add(self, borders: Sequence[Border]) -> None:
        """Add the ends of further records."""
        self._borders += borders

    def full(self) -> Iterator[Range]:
        """Take the slices that are as long as they may be: of whole records, or a single longer one."""
        while self._borders and self._borders[-1].end - self.start >= self._slice_bytes:
            count = bisect_right(self._borders, self.start + self._slice_bytes, key=lambda border: border.end)
            yield self._taken(max(1, count))

    def rest(self) -> Iterator[Range]:
        """Take what is left."""
        if self._borders:
            yield self._taken(len(self._borders))

    def _taken(self, count: int) -> Range:
        last = self._borders[count - 1]
        cut = Range(self.start, last.end, last.received_ns)
        del self._borders[:count]
        self.start = last.end
        return cut
