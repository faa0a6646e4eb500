"""Compares a rebuilt book with the best prices and sizes that the exchange sent for the same update."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from collector.domain.records import BookTickerRow
from collector.read.books.archive_rows import KeyedRow
from collector.read.books.best_prices import Best, BestPrices, best_prices

KEPT_STRETCHES = 100
"""Stretches beyond this number are only counted."""

FOLLOWED_ROWS = 1_024
"""Rows of a book followed at a time."""


class Stretch(NamedTuple):
    """A stretch without a book."""

    why: str
    first_id: int
    """The delta at which it begins."""
    from_us: int
    until_us: int | None
    """When the snapshot that ends it was received; None if none did."""


class Difference(NamedTuple):
    """A ticker that differs from the book; numbers are bid price, bid size, ask price, ask size."""

    update_id: int
    series: int
    received_us: int
    told: tuple[float | None, ...]
    rebuilt: tuple[float, ...]


@dataclass
class BookReport:
    """The result for one symbol."""

    deltas: int = 0
    snapshots: int = 0
    tickers: int = 0
    equal: int = 0
    different: int = 0
    no_book: int = 0
    """Tickers with a delta at their update, but without a book."""
    no_counterpart: int = 0
    """Tickers at whose update no delta ends."""
    stretches: int = 0
    first_stretches: list[Stretch] = field(default_factory=list)
    first_difference: Difference | None = None

    @property
    def compared(self) -> int:
        """Tickers that were compared with a book."""
        return self.equal + self.different


def check(
    deltas: Iterable[KeyedRow], tickers: Iterable[KeyedRow], new_book: Callable[[], BestPrices] = best_prices
) -> BookReport:
    """Rebuild the book update by update and compare it with the tickers; both must be ordered by series and id."""
    report = BookReport()
    tickers_by_update = _Tickers(report, tickers)
    for _, of_series in groupby(deltas, key=lambda delta: delta.key[0]):
        stretches, book = _Stretches(report), new_book()
        for updates in _some(of_series):
            _follow(report, stretches, book, updates, tickers_by_update)
    tickers_by_update.skip_rest()
    return report


def _some(deltas: Iterable[KeyedRow]) -> Iterator[list[list[KeyedRow]]]:
    """The rows of each update, some updates at a time."""
    held: list[list[KeyedRow]] = []
    count = 0
    for _, at_update in groupby(deltas, key=attrgetter("key")):
        held.append(list(at_update))
        count += len(held[-1])
        if count >= FOLLOWED_ROWS:
            yield held
            held, count = [], 0
    if held:
        yield held


def _follow(
    report: BookReport, stretches: "_Stretches", book: BestPrices, updates: list[list[KeyedRow]], tickers: "_Tickers"
) -> None:
    judged: dict[int, list[KeyedRow]] = {}
    deltas: list[KeyedRow] = []
    for of_update in updates:
        deltas += of_update
        told = list(tickers.at(of_update[0].key))
        if told and all(delta.row.is_snapshot for delta in of_update):
            report.no_counterpart += len(told)
        elif told:
            judged[len(deltas) - 1] = told
    behind = book.follow([delta.row for delta in deltas], list(judged))
    for delta, is_broken, exists in zip(deltas, behind.broken, behind.exists, strict=True):
        stretches.note(delta, is_broken=is_broken, exists=exists)
    for told, best in zip(judged.values(), behind.bests, strict=True):
        _judge(report, best, told)


def _judge(report: BookReport, best: Best | None, tickers: list[KeyedRow]) -> None:
    for ticker in tickers:
        if best is None:
            report.no_book += 1
        else:
            _compare(report, best, ticker)


class _Tickers:
    """Yields the tickers of each update; those skipped have no counterpart."""

    def __init__(self, report: BookReport, tickers: Iterable[KeyedRow]) -> None:
        self._report = report
        self._tickers = iter(tickers)
        self._next = self._take()

    def at(self, key: tuple[int, int]) -> Iterator[KeyedRow]:
        """The tickers of this update."""
        while self._next is not None and self._next.key <= key:
            if self._next.key == key:
                yield self._next
            else:
                self._report.no_counterpart += 1
            self._next = self._take()

    def skip_rest(self) -> None:
        """Count the remaining tickers as without a counterpart."""
        while self._next is not None:
            self._report.no_counterpart += 1
            self._next = self._take()

    def _take(self) -> KeyedRow | None:
        ticker = next(self._tickers, None)
        self._report.tickers += ticker is not None
        return ticker


class _Stretches:
    """Records the stretches in which a series has no book."""

    def __init__(self, report: BookReport) -> None:
        self._report = report
        self._without_book = False

    def note(self, delta: KeyedRow, *, is_broken: bool, exists: bool) -> None:
        """Record what applying a row did to the book."""
        if delta.row.is_snapshot:
            self._report.snapshots += 1
        else:
            self._report.deltas += 1
        if exists:
            self._end(delta.received_us)
        elif not self._without_book:
            self._begin(
                delta,
                "updates are missing, or a number in one cannot be read" if is_broken else "no snapshot yet",
            )

    def _begin(self, delta: KeyedRow, why: str) -> None:
        self._without_book = True
        self._report.stretches += 1
        if self._report.stretches <= KEPT_STRETCHES:
            self._report.first_stretches.append(Stretch(why, delta.key[1], delta.received_us, None))

    def _end(self, received_us: int) -> None:
        if self._without_book and self._report.stretches <= KEPT_STRETCHES:
            self._report.first_stretches[-1] = self._report.first_stretches[-1]._replace(until_us=received_us)
        self._without_book = False


def _compare(report: BookReport, best: Best, ticker: KeyedRow) -> None:
    row: BookTickerRow = ticker.row
    bid, ask = best
    rebuilt, told = (*bid, *ask), (row.bid_price, row.bid_size, row.ask_price, row.ask_size)
    if rebuilt == told:
        report.equal += 1
        return
    report.different += 1
    if report.first_difference is None:
        series, update_id = ticker.key
        report.first_difference = Difference(update_id, series, ticker.received_us, told, rebuilt)
