"""Answers questions about books: at a moment, at regular moments, and step by step."""

import heapq
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from operator import attrgetter
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from collector.domain.records import BookRow, StreamKey, TradeRow
from collector.exchanges import registry
from collector.read.books.columns import columns_of, values_of
from collector.read.books.course import (
    COLUMNS,
    AskRows,
    Followed,
    begin_us,
    depth_of,
    gaps_of,
    steps,
    view,
    why_unknown,
)
from collector.read.books.depth import Sampling, depth_schema, depth_tables, followed
from collector.read.books.view import BookView, moment
from collector.read.errors import GapError
from collector.read.frame import Frame
from collector.read.ledger.gaps import LedgerRow
from collector.read.ledger.unrepaired import reaches
from collector.read.marking import Mode
from collector.read.question import require_count
from collector.read.window import TIME_COLUMNS, Window, row_times

TRADE_COLUMNS: Final = (*TIME_COLUMNS, *TradeRow._fields)


class Event(NamedTuple):
    """What happened to a book, or beside it."""

    at_us: int
    """When it was received, or an event before it in the order of ids, if that came later; µs since the epoch."""
    kind: str
    """`book` (the whole book as of the start), `snapshot`, `delta`, `trade`, or `gap` (of what its `gap.stream_type` says)."""
    row: BookRow | TradeRow | LedgerRow


_event: Final[Callable[[tuple[int, str, BookRow]], Event]] = partial(tuple.__new__, Event)


class BookQuestions:
    """Books of one stream, in one mode for gaps. Methods raise GapError, and as reading does."""

    def __init__(
        self,
        stream: StreamKey,
        mode: Mode,
        ask: AskRows,
        bookless: Callable[[int], list[LedgerRow]],
        ends: Callable[[Window], Window],
    ) -> None:
        """`bookless` returns the rows of the ledger that say of a time that there was no book to apply updates to.

        `ends` puts the ends of the rows in place of those that a window leaves open.
        """
        self._stream = stream
        self._mode = mode
        self._ask = ask
        self._bookless = bookless
        self._ends = ends

    def at(self, at_us: int, depth: int | None) -> BookView:
        """The book at a moment."""
        if depth is not None:
            require_count("depth", depth)
        frame, gaps = self._rows(Window(at_us, at_us + 1))
        book = followed(frame.batches(), frame.gaps, depth_of(self._stream))
        why = why_unknown(book, gaps, at_us)
        self._require_known(at_us, why, exists=book.exists)
        if why or not book.exists:
            return BookView(moment(at_us))
        verified = registry.proves_whole(self._stream.exchange, self._stream.data_type)
        return view(book, at_us, depth, verified=verified)

    def depth(self, when: Window, levels: int, every_us: int) -> Frame:
        """The best levels at each multiple of `every_us` in the window."""
        require_count("levels", levels)
        frame, _ = self._rows(when)
        gaps = [row for row in frame.gaps if reaches(row, when)]
        schema = depth_schema(self._mode)

        def tables() -> Iterator[pa.Table]:
            self._refuse(gaps)
            frame, course_gaps = self._rows(when)
            sampling = Sampling(self._ends(when), levels, every_us, course_gaps, schema, self._require_known)
            yield from depth_tables(frame, depth_of(self._stream), sampling)

        return Frame(f"depth of {frame.name}", schema, tables, frame.files, gaps)

    def events(self, when: Window, trades: Frame | None) -> Iterator[Event]:
        """The book as of the start, if it is known, and all that happened to it before the end; trades before updates."""
        frame, gaps = self._rows(when)
        self._refuse([row for row in frame.gaps if reaches(row, when)])
        own = self._book_events(frame, gaps, when.since_us)
        # Of events of the same time, merging takes those of the first first.
        return own if trades is None else heapq.merge(_trade_events(trades), own, key=attrgetter("at_us"))

    def _rows(self, when: Window) -> tuple[Frame, list[LedgerRow]]:
        """The rows from which books in the window follow, and the gaps that are in their way."""
        mode = "ignore" if self._mode == "ignore" else "mark"
        frame = self._ask(begin_us(self._ask, when.since_us), when.until_us, COLUMNS, mode)
        return frame, [] if self._mode == "ignore" else frame.gaps

    def _book_events(self, frame: Frame, gaps: list[LedgerRow], start_us: int) -> Iterator[Event]:
        batches, rest = frame.batches(), list[pa.RecordBatch]()
        book = followed(_before(start_us, batches, rest), frame.gaps, depth_of(self._stream))
        why = why_unknown(book, gaps, start_us)
        self._require_known(start_us, why, exists=book.exists)
        if book.exists and not why:
            yield Event(start_us, "book", _whole(book))
        for at_us, row, passed in steps(chain(rest, batches), frame.gaps):
            for gap in passed:
                yield Event(at_us, "gap", gap)
            yield _event((at_us, "snapshot" if row.is_snapshot else "delta", row))

    def _require_known(self, at_us: int, why: list[LedgerRow], *, exists: bool) -> None:
        if self._mode == "raise":
            self._refuse(why or ([] if exists else self._bookless(at_us)))

    def _refuse(self, gaps: list[LedgerRow]) -> None:
        if gaps and self._mode == "raise":
            raise GapError(" ".join(self._stream), gaps)


def _before(start_us: int, batches: Iterator[pa.RecordBatch], rest: list[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The rows up to the first that came at the start, or later; what is left of its batch goes into `rest`."""
    for batch in batches:
        times = row_times(pa.Table.from_batches([batch]), "received")
        count = pc.index(pc.greater_equal(times, start_us), True).as_py()
        if count < 0:
            yield batch
            continue
        yield batch.slice(0, count)
        rest.append(batch.slice(count))
        return


def _trade_events(trades: Frame) -> Iterator[Event]:
    known = {row.gap.gap_id: row for row in trades.gaps}
    at_us = 0
    for batch in trades.batches():
        table = pa.Table.from_batches([batch])
        rows = zip(*columns_of(table, TradeRow._fields), strict=True)
        for time_us, row, passed in zip(
            values_of(row_times(table, "received")), rows, gaps_of(table, known), strict=False
        ):
            at_us = max(at_us, time_us)
            for gap in passed:
                yield Event(at_us, "gap", gap)
            yield Event(at_us, "trade", TradeRow(*row))


def _whole(book: Followed) -> BookRow:
    """The book as a row that replaces any other."""
    columns = (
        part for levels in book.levels() for part in (tuple(one[0] for one in levels), tuple(one[1] for one in levels))
    )
    return BookRow(None, book.last_id, None, True, *columns)
