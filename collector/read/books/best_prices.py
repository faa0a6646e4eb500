"""Follows a book through its rows, and tells its best prices behind some of them, in the fastest form that is installed."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from collector.domain.records import BookRow
from collector.read.books.book import NO_LEVEL, Applied, Book, Level
from collector.read.books.forms import Form, fastest

Best = tuple[Level, Level]
"""The best bid and ask; NO_LEVEL of a side that is empty."""


class Behind(NamedTuple):
    """What is known behind rows."""

    broken: Sequence[bool]
    """Of each row, whether there is no book because of it: updates before it are missing, or a number in it is null."""
    exists: Sequence[bool]
    """Of each row, whether there is a book."""
    bests: Sequence[Best | None]
    """Behind those rows that were asked for, in their order; None where there is no book."""


class BestPrices(Protocol):
    """A book that is followed from one call to the next."""

    def follow(self, rows: Sequence[BookRow], asked: Sequence[int]) -> Behind:
        """Apply rows; `asked` are those behind which the best prices are wanted, by number and rising."""


def best_prices() -> BestPrices:
    """A book that has no row yet."""
    form = fastest(None)
    return PlainBestPrices() if form is None else FastBestPrices(form)


class PlainBestPrices:
    """Row by row."""

    def __init__(self) -> None:
        self._book = Book()

    def follow(self, rows: Sequence[BookRow], asked: Sequence[int]) -> Behind:
        """See `BestPrices`."""
        wanted = frozenset(asked)
        broken, exists = [], []
        bests: list[Best | None] = []
        for number, row in enumerate(rows):
            broken.append(self._book.apply(row) is Applied.BROKEN)
            exists.append(self._book.exists)
            if number in wanted:
                bests.append(self._book.best() if self._book.exists else None)
        return Behind(broken, exists, bests)


class FastBestPrices:
    """Over columns."""

    def __init__(self, form: Form) -> None:
        """Needs NumPy, as what this class imports does."""
        from collector.read.books import fast_course  # noqa: PLC0415 -- see above

        self._course = fast_course.FastCourse(form, None)

    def follow(self, rows: Sequence[BookRow], asked: Sequence[int]) -> Behind:
        """See `BestPrices`."""
        from collector.read.books.column_parts import part_of_rows  # noqa: PLC0415 -- see above
        from collector.read.books.fates import LOST, NO_BOOK  # noqa: PLC0415 -- see above

        behind = self._course.begin(part_of_rows(rows))
        broken, exists = (behind.fates == LOST).tolist(), (behind.known[1:] != NO_BOOK).tolist()
        bests = self._bests(asked) if asked else []
        self._course.end()
        return Behind(broken, exists, bests)

    def _bests(self, asked: Sequence[int]) -> list[Best | None]:
        import numpy as np  # noqa: PLC0415 -- see above

        # A row's number stands for its time: the book behind a row is that of this moment.
        moments = self._course.moments(np.array(asked, np.int64), 1)
        bids, asks = (
            iter(zip(tops.prices.tolist(), tops.sizes.tolist(), strict=True)) for tops in (moments.bids, moments.asks)
        )
        sides = zip(moments.exists.tolist(), moments.bids.counts.tolist(), moments.asks.counts.tolist(), strict=True)
        return [
            (next(bids) if has_bid else NO_LEVEL, next(asks) if has_ask else NO_LEVEL) if is_there else None
            for is_there, has_bid, has_ask in sides
        ]
