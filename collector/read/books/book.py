"""Rebuilds an order book from its archived rows.

Apply rows ordered by series and id, snapshots included. A snapshot replaces the book. Deltas after it whose `last_id` is
not above the snapshot's are dropped, because the snapshot contains them. Each other delta must continue exactly where the
book ends (the first one may begin earlier); otherwise the book is broken until the next snapshot. A delta begins after
`previous_id` if the exchange sends that, otherwise at `first_id`.

Where the exchange numbers nothing, ids are null: rows are applied in the order of the file, and nothing shows whether one is
missing. An exchange that sends only the best levels and does not say which fall out of them needs a book of that depth.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable
from enum import Enum

from collector.domain.records import BookRow

Level = tuple[float, float]
"""A price and its size."""

NO_LEVEL: Level = (0.0, 0.0)
"""The best level of an empty side."""


class Applied(Enum):
    """What a row did to the book."""

    REPLACED = "replaced"
    """A snapshot replaced the book."""
    CHANGED = "changed"
    """A delta changed the book, which is now at its `last_id`."""
    STALE = "stale"
    """The book already contains the row."""
    BROKEN = "broken"
    """Updates before the row are missing, or a number in it is null: there is no book now."""
    NO_BOOK = "no book"
    """There was no snapshot yet, or none since the book broke."""


class Side:
    """One side of a book."""

    def __init__(self, sign: int) -> None:
        """Start empty; `sign` is -1 for bids (the highest is best) and 1 for asks."""
        self._sign = sign
        self._sizes: dict[float, float] = {}
        self._order: list[float] = []

    def set(self, price: float, size: float) -> None:
        """Make `size` the size at `price`; 0 removes the level, if there is one."""
        key = self._sign * price
        if size:
            if key not in self._sizes:
                insort(self._order, key)
            self._sizes[key] = size
        elif self._sizes.pop(key, None) is not None:
            del self._order[bisect_left(self._order, key)]

    def cut(self, count: int) -> None:
        """Keep only the best `count` levels."""
        for key in self._order[count:]:
            del self._sizes[key]
        del self._order[count:]

    def __len__(self) -> int:
        """Number of levels."""
        return len(self._order)

    def top(self, count: int) -> list[Level]:
        """Up to `count` levels, best first."""
        return [(self._sign * key, self._sizes[key]) for key in self._order[:count]]


class Book:
    """An order book; empty before the first snapshot, and after a break until the next one."""

    def __init__(self, depth: int | None = None) -> None:
        """Start without a book. With `depth`, only the best levels are kept after each row."""
        self._depth = depth
        self.exists = False
        """Whether there is a book now."""
        self.last_id: int | None = None
        """The id of the last update applied; None while there is no book, and where the exchange sends no ids."""
        self._clear()

    def apply(self, row: BookRow) -> Applied:
        """Apply the next row; the module's docstring has the rules."""
        if row.is_snapshot:
            return self._replace(row)
        if not self.exists:
            return Applied.NO_BOOK
        if self.last_id is not None:
            if row.last_id is None or row.last_id <= self.last_id:
                return Applied.STALE
            if begin(row) > self.last_id + 1:
                return self._break()
        if not self._set(row):
            return self._break()
        self.last_id = row.last_id
        return Applied.CHANGED

    def lose(self) -> None:
        """Forget the book, because something before the next row is missing: there is none until a snapshot."""
        self._break()

    def best(self) -> tuple[Level, Level]:
        """The best bid and the best ask; NO_LEVEL if the side is empty."""
        (bid, *_), (ask, *_) = self.bids.top(1) or [NO_LEVEL], self.asks.top(1) or [NO_LEVEL]
        return bid, ask

    def _replace(self, row: BookRow) -> Applied:
        if self.last_id is not None and row.last_id is not None and row.last_id < self.last_id:
            return Applied.STALE
        self._clear()
        if not self._set(row):
            return self._break()
        self.exists, self.last_id = True, row.last_id
        return Applied.REPLACED

    def _set(self, row: BookRow) -> bool:
        is_read = _set(self.bids, row.bid_prices, row.bid_sizes) and _set(self.asks, row.ask_prices, row.ask_sizes)
        if self._depth is not None:
            self.bids.cut(self._depth)
            self.asks.cut(self._depth)
        return is_read

    def _break(self) -> Applied:
        self._clear()
        self.exists, self.last_id = False, None
        return Applied.BROKEN

    def _clear(self) -> None:
        self.bids, self.asks = Side(-1), Side(1)


def begin(row: BookRow) -> int:
    """The first id that a delta covers."""
    if row.previous_id is not None:
        return row.previous_id + 1
    return 0 if row.first_id is None else row.first_id


def _set(side: Side, prices: Iterable[float | None], sizes: Iterable[float | None]) -> bool:
    """Set the levels; False if a price or size is null, because it was not a decimal."""
    for price, size in zip(prices, sizes, strict=True):
        if price is None or size is None:
            return False
        side.set(price, size)
    return True
