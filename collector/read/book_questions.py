"""Answers questions about books: at a moment, at regular moments, and step by step."""

import heapq
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import pyarrow as pa

from collector.domain.records import BookRow, StreamKey, TradeRow
from collector.read.book import Level
from collector.read.book_course import COLUMNS, AskRows, Course, Step, begin_us, steps
from collector.read.book_view import BookView
from collector.read.errors import GapError
from collector.read.frame import Frame
from collector.read.gaps import LedgerRow
from collector.read.marking import COLUMNS as COLUMNS_OF_MODES
from collector.read.marking import Mode
from collector.read.unrepaired import reaches
from collector.read.window import TIME_COLUMNS, Window, row_times

_LEVELS: Final = pa.list_(pa.float64())

DEPTH_SCHEMA: Final = pa.schema(
    {
        "at": pa.timestamp("us", tz="UTC"),
        "last_id": pa.int64(),
        "bid_prices": _LEVELS,
        "bid_sizes": _LEVELS,
        "ask_prices": _LEVELS,
        "ask_sizes": _LEVELS,
    }
)

TRADE_COLUMNS: Final = (*TIME_COLUMNS, *TradeRow._fields)

_SAMPLES: Final = 1_024
"""Samples put into columns at a time."""

_TRADE_FIRST: Final = 0
_BOOK_SECOND: Final = 1


class Event(NamedTuple):
    """What happened to a book, or beside it."""

    at_us: int
    """When it was received, or an event before it in the order of ids, if that came later; µs since the epoch."""
    kind: str
    """`book` (the whole book as of the start), `snapshot`, `delta`, `trade`, or `gap` (behind which there is no book)."""
    row: BookRow | TradeRow | LedgerRow


class BookQuestions:
    """Books of one stream, in one mode for gaps. Methods raise GapError, and as reading does."""

    def __init__(self, stream: StreamKey, mode: Mode, ask: AskRows, bookless: Callable[[int], list[LedgerRow]]) -> None:
        """`bookless` returns the rows of the ledger that say of a time that there was no book to apply updates to."""
        self._stream = stream
        self._mode = mode
        self._ask = ask
        self._bookless = bookless

    def at(self, at_us: int, depth: int | None) -> BookView:
        """The book at a moment."""
        course, frame = self._begin(Window(at_us, at_us + 1))
        for step in steps(frame):
            course.take(step)
        self._require_known(course, at_us)
        return course.view(at_us, depth)

    def depth(self, when: Window, levels: int, every_us: int) -> Frame:
        """The best levels at each multiple of `every_us` in the window."""
        _, frame = self._begin(when)
        gaps = [row for row in frame.gaps if reaches(row, when)]
        added = [COLUMNS_OF_MODES[self._mode]] if self._mode in COLUMNS_OF_MODES else []
        schema = pa.schema([*DEPTH_SCHEMA, *added])

        def tables() -> Iterator[pa.Table]:
            self._refuse(gaps)
            course, frame = self._begin(when)
            rows: list[dict[str, object]] = []
            for row in self._samples(course, frame, when, levels, every_us):
                rows.append(row)
                if len(rows) == _SAMPLES:
                    yield pa.Table.from_pylist(rows, schema)
                    rows.clear()
            yield pa.Table.from_pylist(rows, schema)

        return Frame(f"depth of {frame.name}", schema, tables, frame.files, gaps)

    def events(self, when: Window, trades: Frame | None) -> Iterator[Event]:
        """The book as of the start, if it is known, and all that happened to it before the end; trades before updates."""
        course, frame = self._begin(when)
        self._refuse([row for row in frame.gaps if reaches(row, when)])
        own = ((event.at_us, _BOOK_SECOND, event) for event in self._book_events(course, frame, when))
        others = ((event.at_us, _TRADE_FIRST, event) for event in _trade_events(trades)) if trades else iter(())
        merged = heapq.merge(own, others, key=lambda one: one[:2])
        return (event for _, _, event in merged)

    def _begin(self, when: Window) -> tuple[Course, Frame]:
        mode = "ignore" if self._mode == "ignore" else "mark"
        frame = self._ask(begin_us(self._ask, when.since_us), when.until_us, COLUMNS, mode)
        return Course(self._stream, [] if self._mode == "ignore" else frame.gaps), frame

    def _samples(
        self, course: Course, frame: Frame, when: Window, levels: int, every_us: int
    ) -> Iterator[dict[str, object]]:
        at_us = -(-when.since_us // every_us) * every_us
        for step in steps(frame):
            for moment_us in range(at_us, min(step.at_us, when.until_us), every_us):
                yield self._sample(course, moment_us, levels)
                at_us = moment_us + every_us
            course.take(step)
        for moment_us in range(at_us, when.until_us, every_us):
            yield self._sample(course, moment_us, levels)

    def _sample(self, course: Course, at_us: int, levels: int) -> dict[str, object]:
        self._require_known(course, at_us)
        view = course.view(at_us, levels)
        bids, asks = _columns(view.bids), _columns(view.asks)
        found = {"at": at_us, "last_id": view.last_id, "bid_prices": bids[0], "bid_sizes": bids[1]}
        marks = " ".join(row.gap.gap_id for row in course.why_unknown(at_us)) or None
        return {**found, "ask_prices": asks[0], "ask_sizes": asks[1], "gap_id": marks, "piece": course.passed}

    def _book_events(self, course: Course, frame: Frame, when: Window) -> Iterator[Event]:
        rest = steps(frame)
        first = next((step for step in rest if not _taken_before(course, step, when.since_us)), None)
        self._require_known(course, when.since_us)
        if course.book.exists and not course.why_unknown(when.since_us):
            yield Event(when.since_us, "book", _whole(course))
        if first is not None:
            yield from _step_events(first)
        for step in rest:
            yield from _step_events(step)

    def _require_known(self, course: Course, at_us: int) -> None:
        why = course.why_unknown(at_us)
        self._refuse(why or ([] if course.book.exists else self._bookless(at_us)))

    def _refuse(self, gaps: list[LedgerRow]) -> None:
        if gaps and self._mode == "raise":
            raise GapError(" ".join(self._stream), gaps)


def _taken_before(course: Course, step: Step, start_us: int) -> bool:
    """Apply a step if it comes before the start; whether it does."""
    is_before = step.at_us < start_us
    if is_before:
        course.take(step)
    return is_before


def _step_events(step: Step) -> Iterator[Event]:
    yield from (Event(step.at_us, "gap", row) for row in step.gaps)
    yield Event(step.at_us, "snapshot" if step.row.is_snapshot else "delta", step.row)


def _trade_events(trades: Frame) -> Iterator[Event]:
    at_us = 0
    for batch in trades.batches():
        table = pa.Table.from_batches([batch])
        rows = zip(*(table[name].to_pylist() for name in TradeRow._fields), strict=True)
        for time_us, row in zip(row_times(table, "received").to_pylist(), rows, strict=True):
            at_us = max(at_us, time_us)
            yield Event(at_us, "trade", TradeRow(*row))


def _whole(course: Course) -> BookRow:
    """The book as a row that replaces any other."""
    book = course.book
    bids, asks = _columns(book.bids.top(len(book.bids))), _columns(book.asks.top(len(book.asks)))
    return BookRow(None, book.last_id, None, True, *map(tuple, (*bids, *asks)))  # type: ignore[arg-type]


def _columns(levels: list[Level] | None) -> tuple[list[float] | None, list[float] | None]:
    """Prices and sizes; None for a book that is not known."""
    return (None, None) if levels is None else ([price for price, _ in levels], [size for _, size in levels])
