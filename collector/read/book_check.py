"""Holds a rebuilt book against the best prices and sizes that the exchange told at the same update."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from collector.domain.records import BookTickerRow
from collector.read.book import Applied, Book
from collector.read.books import Kept

KEPT_STRETCHES = 100
"""More are only counted."""


class Stretch(NamedTuple):
    """Where there is no book."""

    why: str
    first_id: int
    """The delta at which it begins."""
    from_us: int
    until_us: int | None
    """When the snapshot that ends it was received; None: none did."""


class Difference(NamedTuple):
    """A ticker that the book disagrees with; the numbers are bid price, bid size, ask price, ask size."""

    update_id: int
    series: int
    received_us: int
    told: tuple[float | None, ...]
    rebuilt: tuple[float, ...]


@dataclass
class Report:
    """What came of one symbol."""

    deltas: int = 0
    snapshots: int = 0
    tickers: int = 0
    equal: int = 0
    different: int = 0
    no_book: int = 0
    """Tickers with a delta at their update, but no book."""
    no_counterpart: int = 0
    """Tickers at whose update no delta ends."""
    stretches: int = 0
    first_stretches: list[Stretch] = field(default_factory=list)
    first_difference: Difference | None = None

    @property
    def compared(self) -> int:
        """Tickers that were held against a book."""
        return self.equal + self.different


def check(deltas: Iterable[Kept], tickers: Iterable[Kept]) -> Report:
    """Rebuild the book, update by update, and compare. Both come by series and id."""
    report = Report()
    told = _Tickers(report, tickers)
    for _, of_series in groupby(deltas, key=lambda delta: delta.key[0]):
        stretches, book = _Stretches(report), Book()
        for _, at_update in groupby(of_series, key=attrgetter("key")):
            rows = list(at_update)
            for delta in rows:
                stretches.note(delta, book.apply(delta.row), book)
            _judge(report, book, rows, told.at(rows[0].key))
    told.pass_over_rest()
    return report


def _judge(report: Report, book: Book, rows: list[Kept], tickers: Iterable[Kept]) -> None:
    ends_here = not all(delta.row.is_snapshot for delta in rows)
    for ticker in tickers:
        if not ends_here:
            report.no_counterpart += 1
        elif book.last_id is None:
            report.no_book += 1
        else:
            _compare(report, book, ticker)


class _Tickers:
    """The tickers, taken one update after the other; those passed over have no counterpart."""

    def __init__(self, report: Report, tickers: Iterable[Kept]) -> None:
        self._report = report
        self._tickers = iter(tickers)
        self._next = self._take()

    def at(self, key: tuple[int, int]) -> Iterator[Kept]:
        """Those of this update."""
        while self._next is not None and self._next.key <= key:
            if self._next.key == key:
                yield self._next
            else:
                self._report.no_counterpart += 1
            self._next = self._take()

    def pass_over_rest(self) -> None:
        """Count what is left."""
        while self._next is not None:
            self._report.no_counterpart += 1
            self._next = self._take()

    def _take(self) -> Kept | None:
        ticker = next(self._tickers, None)
        self._report.tickers += ticker is not None
        return ticker


class _Stretches:
    """Notes where a series has no book."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._without_book = False

    def note(self, delta: Kept, applied: Applied, book: Book) -> None:
        """Take in what became of a row."""
        if delta.row.is_snapshot:
            self._report.snapshots += 1
        else:
            self._report.deltas += 1
        if book.last_id is not None:
            self._end(delta.received_us)
        elif not self._without_book:
            self._begin(
                delta,
                "updates are missing, or a number in one cannot be read"
                if applied is Applied.BROKEN
                else "no snapshot yet",
            )

    def _begin(self, delta: Kept, why: str) -> None:
        self._without_book = True
        self._report.stretches += 1
        if self._report.stretches <= KEPT_STRETCHES:
            self._report.first_stretches.append(Stretch(why, delta.key[1], delta.received_us, None))

    def _end(self, received_us: int) -> None:
        if self._without_book and self._report.stretches <= KEPT_STRETCHES:
            self._report.first_stretches[-1] = self._report.first_stretches[-1]._replace(until_us=received_us)
        self._without_book = False


def _compare(report: Report, book: Book, ticker: Kept) -> None:
    row: BookTickerRow = ticker.row
    bid, ask = book.best()
    rebuilt, told = (*bid, *ask), (row.bid_price, row.bid_size, row.ask_price, row.ask_size)
    if rebuilt == told:
        report.equal += 1
        return
    report.different += 1
    if report.first_difference is None:
        series, update_id = ticker.key
        report.first_difference = Difference(update_id, series, ticker.received_us, told, rebuilt)
