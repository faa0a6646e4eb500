"""Walks through the rows of a book in the order of ids, and says which of them belong to it."""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import pyarrow as pa

from collector.domain.errors import DamagedError
from collector.domain.names import DAY_US
from collector.domain.records import BookRow
from collector.exports.asked import Asked
from collector.exports.times import apart, last_said, received, said
from collector.read.books.book import Applied
from collector.read.books.course import COLUMNS, Course, begin_us, depth_of, why_unknown
from collector.read.books.course import Step as Taken
from collector.read.errors import GapError
from collector.read.frame import Frame
from collector.read.ledger.gaps import LedgerRow
from collector.read.ledger.unrepaired import reaches

_IDS: Final = BookRow._fields[:4]
_LEVELS: Final = BookRow._fields[4:]
_OF_THE_BOOK: Final = (Applied.REPLACED, Applied.CHANGED)


class Opening(NamedTuple):
    """The whole book at a moment, best levels first; none while it is not known."""

    local_us: int
    exchange_us: int | None
    bids: list[tuple[float, float]]
    asks: list[tuple[float, float]]


class Rows(NamedTuple):
    """Rows that changed or replaced the book, one after another, and their times."""

    table: pa.Table
    local_us: pa.Array
    """When each was received, or one before it, if that came later; no two have the same."""
    exchange_us: pa.Array


class BookWalk:
    """One pass over the book of a symbol. Between openings only ids are looked at, which is some fifty times faster."""

    def __init__(self, asked: Asked, *, is_watched: bool = False, tells_losses: bool = False) -> None:
        """If `is_watched`, `course` is the book after each part, and each part has one row.

        If `tells_losses`, an opening without levels says from when on the book is not known.
        """
        self._asked = asked
        self._is_watched = is_watched
        self._tells_losses = tells_losses
        self._moments = deque([asked.when.since_us, *_midnights(asked)])
        self._levels_from = begin_us(self._ask, self._moments[0])
        self._frame = self._ask(self._levels_from, asked.when.until_us, COLUMNS, "mark")
        self._known = {row.gap.gap_id: row for row in self._frame.gaps}
        self.gaps = [row for row in self._frame.gaps if reaches(row, asked.when)]
        """The gaps in the stretch, and those before it for which there is no book at its beginning."""
        self.course = Course(depth_of(asked.stream(asked.book_type)))
        self.moved = 0
        """Rows that came within a microsecond of the one before, and were moved behind it."""
        self._has_levels = False
        """Whether all levels were applied since the last whole book."""
        self._at_us = 0
        self._local_us = 0
        self._exchange_us: int | None = None

    def parts(self) -> Iterator[Opening | Rows]:
        """The book at the beginning and at each midnight (UTC), where it is known, and the rows between.

        Raises GapError if gaps are refused and there is one, or the book is not known because of one; and as reading does.
        """
        self._refuse(self.gaps)
        for batch in self._frame.batches():
            if batch.num_rows:
                yield from self._of_batch(pa.Table.from_batches([batch]))

    def _of_batch(self, table: pa.Table) -> Iterator[Opening | Rows]:
        at = received(table, self._at_us)
        exchange = said(table, self._exchange_us, at)
        times = at.to_pylist()
        begin = 0
        while begin < len(times):
            while self._moments and times[begin] >= self._moments[0]:
                yield from self._opening(self._moments.popleft(), exchange[begin - 1].as_py() if begin else None)
            end = bisect_left(times, self._moments[0], begin) if self._moments else len(times)
            yield from self._between(*(column.slice(begin, end - begin) for column in (table, at, exchange)))
            begin = end
        self._at_us, self._exchange_us = times[-1], last_said(table, self._exchange_us)

    def _between(self, table: pa.Table, at: pa.Array, exchange: pa.Array) -> Iterator[Opening | Rows]:
        """The rows of a table with no opening within it."""
        kept: list[int] = []
        is_full = self._is_watched or at[-1].as_py() >= self._levels_from
        for index, step in enumerate(self._steps(table, at.to_pylist(), is_full=is_full)):
            existed = self.course.exists
            applied = self.course.take(step)
            if self._tells_losses and existed and not self.course.exists and step.at_us >= self._asked.when.since_us:
                yield from self._rows(table, at, exchange, kept)
                kept = []
                yield self._loss(step, exchange[index].as_py())
            self._has_levels = is_full and (self._has_levels or applied is Applied.REPLACED)
            if applied in _OF_THE_BOOK and step.at_us >= self._asked.when.since_us:
                kept.append(index)
                if self._is_watched:
                    yield from self._rows(table, at, exchange, kept)
                    kept = []
        yield from self._rows(table, at, exchange, kept)

    def _steps(self, table: pa.Table, at: list[int], *, is_full: bool) -> Iterator[Taken]:
        columns = [table[name].to_pylist() for name in (BookRow._fields if is_full else _IDS)]
        if not is_full:
            columns += [_nulls(table, name) for name in _LEVELS]
        for at_us, mark, *row in zip(at, table["gap_id"].to_pylist(), *columns, strict=True):
            yield Taken(at_us, BookRow(*row), self._named(mark, at_us) if mark else [])

    def _named(self, mark: str, at_us: int) -> list[LedgerRow]:
        """The gaps of a mark. Messages that cannot be read, of a segment that waits for the archiver, are in no ledger yet."""
        names = mark.split()
        found = [self._known[name] for name in names if name in self._known]
        if len(found) < len(names) and self._asked.gaps == "raise" and at_us >= self._asked.when.since_us:
            raise DamagedError(f"{self._frame.name}: messages that were not archived yet cannot be read")
        return found

    def _opening(self, at_us: int, exchange_us: int | None) -> Iterator[Opening]:
        why = why_unknown(self.course, self._frame.gaps, at_us)
        self.gaps += [row for row in why if row not in self.gaps]
        self._refuse(why)
        book = self.course.book
        if book.exists and self._has_levels and not why:
            self._local_us = max(at_us, self._local_us + 1)
            said_us = self._exchange_us if exchange_us is None else exchange_us
            yield Opening(self._local_us, said_us, book.bids.top(len(book.bids)), book.asks.top(len(book.asks)))
        self._levels_from = begin_us(self._ask, self._moments[0]) if self._moments else self._asked.when.until_us

    def _loss(self, step: Taken, exchange_us: int) -> Opening:
        """From the beginning of the gap on, if a row behind it was not received before."""
        begin_us = min((row.gap.started_at for row in step.gaps), default=step.at_us)
        self._local_us = max(begin_us, self._asked.when.since_us, self._local_us + 1)
        return Opening(self._local_us, exchange_us, [], [])

    def _rows(self, table: pa.Table, at: pa.Array, exchange: pa.Array, kept: list[int]) -> Iterator[Rows]:
        if kept:
            times = at.take(pa.array(kept))
            local = apart(times, self._local_us)
            self.moved += sum(
                1 for before, after in zip(times.to_pylist(), local.to_pylist(), strict=True) if before != after
            )
            self._local_us = local[-1].as_py()
            yield Rows(table.take(kept), local, exchange.take(pa.array(kept)))

    def _ask(self, since_us: int, until_us: int, columns: Iterable[str], mode: str) -> Frame:
        asked = self._asked
        return asked.archive.rows(
            asked.book_type, asked.symbol, since_us, until_us,
            exchange=asked.exchange, columns=list(columns), gaps=mode, host=asked.host,
        )  # fmt: skip

    def _refuse(self, gaps: list[LedgerRow]) -> None:
        if gaps and self._asked.gaps == "raise":
            raise GapError(self._frame.name, gaps)


def _midnights(asked: Asked) -> range:
    return range(-(-(asked.when.since_us + 1) // DAY_US) * DAY_US, asked.when.until_us, DAY_US)


def _nulls(table: pa.Table, name: str) -> list[tuple[None, ...]]:
    """No levels for each row; one that is null if some of the row's are, because then there is no book."""
    column = table[name]
    if not any(chunk.flatten().null_count for chunk in column.chunks):
        return [()] * table.num_rows
    return [(None,) * (None in levels) for levels in column.to_pylist()]
