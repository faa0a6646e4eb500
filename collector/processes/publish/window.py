"""Which slices are under way: go-back-N. Pure.

After a failure nobody knows what the servers stored. So everything from the first slice on that is not confirmed is sent
again, in order: at first one slice, then for each confirmation twice as many at a time, up to half of what was too much; from
there on one more for as many confirmations as there are at a time. So a slow way to the servers is filled, not flooded.
"""

from collections import deque
from collections.abc import Iterator
from typing import Final, Generic, TypeVar

MOST_AT_ONCE: Final = 1 << 16
LEAST_CEILING: Final = 8

T = TypeVar("T")


class Entry(Generic[T]):
    """A slice that is not confirmed, as `size` bytes of memory."""

    def __init__(self, slice_: T, size: int) -> None:
        self.slice = slice_
        self.size = size
        self.is_confirmed = False


class Window(Generic[T]):
    """Slices in order, from the first that is not confirmed."""

    def __init__(self, most_bytes: int) -> None:
        """`most_bytes`: as much of them is kept; one slice may always be."""
        self._most_bytes = most_bytes
        self._entries: deque[Entry[T]] = deque()
        self._under_way = 0
        self._limit = 1
        self._ceiling = MOST_AT_ONCE
        self._credit = 0
        self.turn = 0
        """Counts the failures: a confirmation of an earlier turn says nothing of the order in which things are stored now."""
        self.bytes = 0
        """Size of all slices in it."""

    def __len__(self) -> int:
        return len(self._entries)

    def slices(self) -> Iterator[T]:
        """All slices in it."""
        return (entry.slice for entry in self._entries)

    @property
    def has_room(self) -> bool:
        """Whether another slice may be added."""
        return not self._entries or self.bytes < self._most_bytes

    def add(self, slice_: T, size: int) -> None:
        """Add the next slice."""
        self._entries.append(Entry(slice_, size))
        self.bytes += size

    def next(self) -> Entry[T] | None:
        """Take the next slice to be sent; None if there is none, or enough are under way."""
        if self._under_way == len(self._entries) or self._under_way >= self._limit:
            return None
        self._under_way += 1
        return self._entries[self._under_way - 1]

    def confirm(self, entry: Entry[T], turn: int) -> list[T]:
        """The servers have stored a slice that was sent in that turn; returns the slices that leave the window, in order."""
        if turn != self.turn:
            return []
        entry.is_confirmed = True
        self._widen()
        left: list[T] = []
        while self._entries and self._entries[0].is_confirmed:
            gone = self._entries.popleft()
            self._under_way -= 1
            self.bytes -= gone.size
            left.append(gone.slice)
        return left

    def fail(self, turn: int) -> bool:
        """A slice that was sent in that turn may not be stored: send all again; whether that is news."""
        if turn != self.turn:
            return False
        self.turn += 1
        self._ceiling = max(LEAST_CEILING, self._under_way // 2)
        self._under_way, self._limit, self._credit = 0, 1, 0
        for entry in self._entries:
            entry.is_confirmed = False
        return True

    def clear(self) -> None:
        """Forget all slices, and what becomes of them."""
        self.turn += 1
        self._entries.clear()
        self._under_way, self._limit, self._credit, self.bytes = 0, 1, 0, 0

    def _widen(self) -> None:
        if self._limit < self._ceiling:
            self._limit = min(2 * self._limit, self._ceiling)
            return
        self._credit += 1
        if self._credit >= self._limit:
            self._limit, self._credit = self._limit + 1, 0
