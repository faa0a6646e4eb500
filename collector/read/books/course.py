"""Follows a book through its rows, and knows when it is not known: across a gap, until the next snapshot."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from typing import Final, NamedTuple, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from collector.domain.records import BookRow, StreamKey
from collector.exchanges import registry
from collector.read.books.book import Applied, Book, Level
from collector.read.books.columns import rows_of, values_of
from collector.read.books.view import BookView, moment
from collector.read.frame import Frame
from collector.read.ledger.gaps import LedgerRow
from collector.read.window import TIME_COLUMNS, row_times

COLUMNS: Final = (*TIME_COLUMNS, "series", *BookRow._fields)

_SEARCH_US: Final = (600_000_000, 14_400_000_000, 86_400_000_000, 32 * 86_400_000_000)
"""How far back a whole book is looked for, before all rows are."""

_EARLIER_US: Final = 60_000_000
"""Updates behind a whole book may have been received so long before it, while it was being fetched."""

_STEPS: Final = 512
"""Rows made into steps at a time."""

AskRows = Callable[[int, int, tuple[str, ...], str], Frame]
"""Asks for rows of the book from a time to another, of some columns, with a mode for gaps."""


class Step(NamedTuple):
    """A row of the book, in the order of ids."""

    at_us: int
    """When it was received, or a row before it in that order, if that came later."""
    row: BookRow
    gaps: Sequence[LedgerRow]
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


def steps(
    batches: Iterable[pa.RecordBatch], gaps_of_rows: Iterable[LedgerRow]
) -> Iterator[tuple[int, BookRow, Sequence[LedgerRow]]]:
    """What steps are made of: the rows of batches with COLUMNS, whose gaps are marked or ignored."""
    known = {row.gap.gap_id: row for row in gaps_of_rows}
    latest_us = 0
    for table in _small(batches):
        times = values_of(pc.cumulative_max(row_times(table, "received"), start=latest_us))
        latest_us = times[-1]
        yield from zip(times, rows_of(table), gaps_of(table, known), strict=False)


def gaps_of(table: pa.Table, known: dict[str, LedgerRow]) -> Iterator[Sequence[LedgerRow]]:
    """The gaps before each row of a table; without end if there are none."""
    if "gap_id" not in table.column_names or table["gap_id"].null_count == table.num_rows:
        return repeat(())
    marks = table["gap_id"].to_pylist()
    return ([known[name] for name in mark.split() if name in known] if mark else [] for mark in marks)


def _small(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """The rows, so few at a time that their numbers stay in the processor's cache."""
    for batch in batches:
        for start in range(0, batch.num_rows, _STEPS):
            yield pa.Table.from_batches([batch.slice(start, _STEPS)])


class Followed(Protocol):
    """Where a book stands."""

    lost_by: list[LedgerRow]
    """The gaps since which there is no book."""
    updated_us: int
    """When its last row was received."""

    @property
    def exists(self) -> bool:
        """Whether there is a book."""

    @property
    def last_id(self) -> int | None:
        """The id of its last update; None while there is no book, and where the exchange sends no ids."""

    def levels(self) -> tuple[list[Level], list[Level]]:
        """All its bids and asks, best first."""

    def reach(self) -> tuple[float, float]:
        """The prices of the last whole book that are farthest from the middle."""


class Course:
    """The book after each step."""

    def __init__(self, depth: int | None) -> None:
        """`depth` is as of `Book`."""
        self.book = Book(depth)
        self.lost_by: list[LedgerRow] = []
        """The gaps since which there is no book."""
        self.passed = 0
        """How many times gaps were passed."""
        self.updated_us = 0
        self._reach = (0.0, 0.0)

    @property
    def exists(self) -> bool:
        """Whether there is a book."""
        return self.book.exists

    @property
    def last_id(self) -> int | None:
        """The id of its last update; None while there is no book, and where the exchange sends no ids."""
        return self.book.last_id

    def take(self, step: Step) -> Applied:
        """Apply a row; what it did to the book."""
        self.passed += bool(step.gaps)
        if step.gaps and not step.row.is_snapshot:
            self.book.lose()
            self.lost_by = [*step.gaps]
        applied = self.book.apply(step.row)
        if applied is Applied.REPLACED:
            self.lost_by = []
            self._reach = reach(*self.levels())
        self.updated_us = step.at_us
        return applied

    def levels(self) -> tuple[list[Level], list[Level]]:
        """All its bids and asks, best first."""
        return self.book.bids.top(len(self.book.bids)), self.book.asks.top(len(self.book.asks))

    def reach(self) -> tuple[float, float]:
        """The prices of the last whole book that are farthest from the middle."""
        return self._reach


def reach(bids: list[Level], asks: list[Level]) -> tuple[float, float]:
    """The prices of a book that are farthest from the middle."""
    return (bids[-1][0] if bids else float("inf")), (asks[-1][0] if asks else float("-inf"))


def why_unknown(book: Followed, gaps: list[LedgerRow], at_us: int) -> list[LedgerRow]:
    """The gaps for which a book is not known at a time behind its last row; none if it is, or never was."""
    around = [row for row in gaps if row.gap.started_at <= at_us < _end(row)]
    return around or ([] if book.exists else book.lost_by)


def view(book: Followed, at_us: int, depth: int | None, *, verified: bool) -> BookView:
    """The book, which is known, at a time behind its last row, with its best `depth` levels a side."""
    bids, asks = book.levels()
    edges = book.reach()
    known = sum(price >= edges[0] for price, _ in bids), sum(price <= edges[1] for price, _ in asks)
    return BookView(moment(at_us), moment(book.updated_us), book.last_id, bids[:depth], asks[:depth], verified, known)


def depth_of(stream: StreamKey) -> int | None:
    """The levels that the exchange keeps up to date, if it does not say which fall out of them."""
    if stream.exchange not in registry.data_types():
        return None
    check = registry.adapter(stream.exchange).checks.get(stream.data_type)
    return None if check is None else check.depth


def _end(row: LedgerRow) -> float:
    return float("inf") if row.gap.ended_at is None else row.gap.ended_at
