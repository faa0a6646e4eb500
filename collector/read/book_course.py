"""Follows a book through its rows, and knows when it is not known: across a gap, until the next snapshot."""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import pyarrow as pa

from collector.domain.records import BookRow, StreamKey
from collector.exchanges import registry
from collector.read.book import Applied, Book
from collector.read.book_view import BookView, moment
from collector.read.frame import Frame
from collector.read.gaps import LedgerRow
from collector.read.window import TIME_COLUMNS, row_times

COLUMNS: Final = (*TIME_COLUMNS, "series", *BookRow._fields)

_SEARCH_US: Final = (600_000_000, 14_400_000_000, 86_400_000_000, 32 * 86_400_000_000)
"""How far back a whole book is looked for, before all rows are."""

_EARLIER_US: Final = 60_000_000
"""Updates behind a whole book may have been received so long before it, while it was being fetched."""

AskRows = Callable[[int, int, tuple[str, ...], str], Frame]
"""Asks for rows of the book from a time to another, of some columns, with a mode for gaps."""


class Step(NamedTuple):
    """A row of the book, in the order of ids."""

    at_us: int
    """When it was received, or a row before it in that order, if that came later."""
    row: BookRow
    gaps: list[LedgerRow]
    """The gaps between it and the row before it."""


def begin_us(ask: AskRows, at_us: int) -> int:
    """The time from which rows have to be read to know the book at `at_us`: that of the last whole one before it."""
    for span in (*_SEARCH_US, at_us):
        since = max(0, at_us - span)
        found = None
        for batch in ask(since, at_us + 1, (*TIME_COLUMNS, "is_snapshot"), "ignore").batches():
            table = pa.Table.from_batches([batch])
            whole = table.filter(table["is_snapshot"])
            if whole.num_rows:
                found = row_times(whole, "received")[-1].as_py()
        if found is not None:
            return max(0, int(found) - _EARLIER_US)
    return at_us


def steps(frame: Frame) -> Iterator[Step]:
    """The rows of a frame with COLUMNS, whose gaps are marked or ignored."""
    known = {row.gap.gap_id: row for row in frame.gaps}
    at_us = 0
    for batch in frame.batches():
        table = pa.Table.from_batches([batch])
        times = row_times(table, "received").to_pylist()
        marks = table["gap_id"].to_pylist() if "gap_id" in table.column_names else [None] * len(times)
        rows = zip(*(table[name].to_pylist() for name in BookRow._fields), strict=True)
        for time_us, mark, row in zip(times, marks, rows, strict=True):
            at_us = max(at_us, time_us)
            yield Step(at_us, BookRow(*row), [known[name] for name in (mark or "").split() if name in known])


class Course:
    """The book after each step."""

    def __init__(self, stream: StreamKey, gaps: list[LedgerRow]) -> None:
        """`gaps` are those in the way, or none if they are to be ignored."""
        self.book = Book(_depth(stream))
        self.lost_by: list[LedgerRow] = []
        """The gaps since which there is no book."""
        self.passed = 0
        """How many times gaps were passed."""
        self._verified = registry.proves_whole(stream.exchange, stream.data_type)
        self._gaps = gaps
        self._updated_us = 0
        self._reach = (0.0, 0.0)

    def take(self, step: Step) -> None:
        """Apply a row."""
        self.passed += bool(step.gaps)
        if step.gaps and not step.row.is_snapshot:
            self.book.lose()
            self.lost_by = step.gaps
        applied = self.book.apply(step.row)
        if applied is Applied.REPLACED:
            self.lost_by = []
            (bids, asks) = self.book.bids.top(len(self.book.bids)), self.book.asks.top(len(self.book.asks))
            self._reach = (bids[-1][0] if bids else float("inf")), (asks[-1][0] if asks else float("-inf"))
        self._updated_us = step.at_us

    def why_unknown(self, at_us: int) -> list[LedgerRow]:
        """The gaps for which the book is not known at a time behind the last step; none if it is, or never was."""
        around = [row for row in self._gaps if row.gap.started_at <= at_us < _end(row)]
        return around or ([] if self.book.exists else self.lost_by)

    def view(self, at_us: int, depth: int | None) -> BookView:
        """The book at a time behind the last step, with its best `depth` levels a side."""
        if not self.book.exists or self.why_unknown(at_us):
            return BookView(moment(at_us))
        bids, asks = self.book.bids.top(len(self.book.bids)), self.book.asks.top(len(self.book.asks))
        known = sum(price >= self._reach[0] for price, _ in bids), sum(price <= self._reach[1] for price, _ in asks)
        updated = moment(self._updated_us)
        return BookView(moment(at_us), updated, self.book.last_id, bids[:depth], asks[:depth], self._verified, known)


def _depth(stream: StreamKey) -> int | None:
    """The levels that the exchange keeps up to date, if it does not say which fall out of them."""
    if stream.exchange not in registry.data_types():
        return None
    check = registry.adapter(stream.exchange).checks.get(stream.data_type)
    return None if check is None else check.depth


def _end(row: LedgerRow) -> float:
    return float("inf") if row.gap.ended_at is None else row.gap.ended_at
