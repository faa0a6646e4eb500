"""An order book in integers: prices in ticks, sizes in steps. It records the changes since the last report."""

from bisect import bisect_left, insort
from typing import NamedTuple

Level = tuple[int, int]
"""A price in ticks and its size in steps."""


class Side:
    """One side of a book; level 0 is the best."""

    def __init__(self, sign: int) -> None:
        """Start empty; `sign` is -1 for bids (highest first) and 1 for asks (lowest first)."""
        self.sign = sign
        self._sizes: dict[int, int] = {}
        self._order: list[int] = []
        self._changed: dict[int, None] = {}

    def __len__(self) -> int:
        return len(self._order)

    def set(self, price: int, size: int) -> None:
        """Make `size` the absolute size at `price`; 0 removes the level, if there is one."""
        self._changed[price] = None
        key = self.sign * price
        if size == 0:
            if self._sizes.pop(price, None) is not None:
                del self._order[bisect_left(self._order, key)]
            return
        if price not in self._sizes:
            insort(self._order, key)
        self._sizes[price] = size

    def level(self, index: int) -> Level:
        """The level at `index` from the best; -1 is the worst."""
        price = self.sign * self._order[index]
        return price, self._sizes[price]

    def top(self, count: int) -> list[Level]:
        """Up to `count` levels, best first."""
        return [(self.sign * key, self._sizes[self.sign * key]) for key in self._order[:count]]

    def take_changes(self) -> list[Level]:
        """Every level changed since the last call with its size now (0: removed), best first."""
        prices = sorted(self._changed, key=lambda price: self.sign * price)
        self._changed = {}
        return [(price, self._sizes.get(price, 0)) for price in prices]


class Changes(NamedTuple):
    """What happened to a book over the update ids `first_id` to `last_id`."""

    first_id: int
    last_id: int
    bids: list[Level]
    asks: list[Level]


class Book:
    """Two sides under one rising update id."""

    def __init__(self, update_id: int) -> None:
        """Start empty at `update_id`."""
        self.bids = Side(-1)
        self.asks = Side(1)
        self.update_id = update_id
        self._reported_id = update_id

    def set(self, side: Side, price: int, size: int) -> None:
        """Change one level, under the next update id."""
        self.update_id += 1
        side.set(price, size)

    def skip(self, ids: int) -> None:
        """Use up update ids without a change, as orders that are placed and removed at once do."""
        self.update_id += ids

    def best(self) -> tuple[Level, Level]:
        """The best bid and the best ask."""
        return self.bids.level(0), self.asks.level(0)

    def take_changes(self) -> Changes | None:
        """What changed since the last call, or None if no update id was used."""
        if self.update_id == self._reported_id:
            return None
        first_id, self._reported_id = self._reported_id + 1, self.update_id
        return Changes(first_id, self.update_id, self.bids.take_changes(), self.asks.take_changes())
