"""An order book of decimals as the exchange wrote them, because checksums are made of that text."""

from bisect import bisect_left, insort
from collections.abc import Iterable
from itertools import islice

TextLevel = tuple[str, str]
"""A price and its size as the exchange wrote them."""


class TextSide:
    """One side of a book."""

    def __init__(self, sign: int) -> None:
        """Start empty; `sign` is -1 for bids (the highest is best) and 1 for asks."""
        self._sign = sign
        self._levels: dict[float, TextLevel] = {}
        self._order: list[float] = []

    def apply(self, changes: Iterable[TextLevel], depth: int) -> None:
        """Set levels in the order given, where a size of zero removes one; then keep the best `depth`.

        Raises ValueError for a price or size that is no number.
        """
        for price, size in changes:
            key = self._sign * float(price)
            if float(size):
                if key not in self._levels:
                    insort(self._order, key)
                self._levels[key] = price, size
            elif self._levels.pop(key, None) is not None:
                del self._order[bisect_left(self._order, key)]
        for key in self._order[depth:]:
            del self._levels[key]
        del self._order[depth:]

    def best(self, count: int) -> list[TextLevel]:
        """Up to `count` levels, best first."""
        return [self._levels[key] for key in islice(self._order, count)]


class TextBook:
    """Both sides of a book."""

    def __init__(self, depth: int) -> None:
        """Start empty; the book keeps the best `depth` levels a side."""
        self.depth = depth
        self.bids, self.asks = TextSide(-1), TextSide(1)

    def apply(self, bids: Iterable[TextLevel], asks: Iterable[TextLevel]) -> None:
        """Apply one message. Raises ValueError, after which the book is worth nothing."""
        self.bids.apply(bids, self.depth)
        self.asks.apply(asks, self.depth)
