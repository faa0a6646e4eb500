"""Follows a book in the fastest form that is installed, and samples its best levels."""

from collections.abc import Iterable, Iterator
from itertools import starmap
from typing import Final, NamedTuple, Protocol

import pyarrow as pa

from collector.read.books.book import Level
from collector.read.books.course import Course, Followed, Step, steps, why_unknown
from collector.read.books.forms import Form, fastest, numpy_form
from collector.read.frame import Frame
from collector.read.ledger.gaps import LedgerRow
from collector.read.marking import COLUMNS as COLUMNS_OF_MODES
from collector.read.marking import Mode
from collector.read.window import Window

_LEVELS: Final = pa.list_(pa.float64())

_SCHEMA: Final = pa.schema(
    {
        "at": pa.timestamp("us", tz="UTC"),
        "last_id": pa.int64(),
        "bid_prices": _LEVELS,
        "bid_sizes": _LEVELS,
        "ask_prices": _LEVELS,
        "ask_sizes": _LEVELS,
    }
)

Batches = Iterable[pa.RecordBatch]

_SAMPLES: Final = 1_024
"""Samples put into columns at a time."""


class RequireKnown(Protocol):
    """Told each moment at which a book is not known, and why; refuses it or not."""

    def __call__(self, at_us: int, why: list[LedgerRow], *, exists: bool) -> None:
        """Raise GapError if that is refused."""


class Sampling(NamedTuple):
    """Which samples are to be taken."""

    when: Window
    levels: int
    every_us: int
    gaps: list[LedgerRow]
    """The gaps in the way, none if they are ignored."""
    schema: pa.Schema
    require_known: RequireKnown


def depth_schema(mode: Mode) -> pa.Schema:
    """The columns of samples in a mode for gaps."""
    added = [COLUMNS_OF_MODES[mode]] if mode in COLUMNS_OF_MODES else []
    return pa.schema([*_SCHEMA, *added])


def followed(batches: Batches, gaps: list[LedgerRow], depth: int | None) -> Followed:
    """The book behind rows, whose gaps are marked or ignored; `depth` is as of `Book`."""
    # To compile, or to load what was compiled, costs more than one book does with NumPy.
    form = numpy_form()
    if form is None or (depth and not form.knows_depth):
        return plainly_followed(batches, gaps, depth)
    return fast_followed(form, batches, gaps, depth)


def fast_followed(form: Form, batches: Batches, gaps: list[LedgerRow], depth: int | None) -> Followed:
    """The same over columns."""
    from collector.read.books import column_parts, fast_course  # noqa: PLC0415 -- they need NumPy

    course = fast_course.FastCourse(form, depth)
    for part in column_parts.parts(batches, gaps):
        course.begin(part)
        course.end()
    return course


def plainly_followed(batches: Batches, gaps: list[LedgerRow], depth: int | None) -> Course:
    """The same row by row."""
    course = Course(depth)
    for step in starmap(Step, steps(batches, gaps)):
        course.take(step)
    return course


def depth_tables(frame: Frame, depth: int | None, sampling: Sampling) -> Iterator[pa.Table]:
    """The samples. Raises GapError where `require_known` does."""
    form = fastest(depth)
    return plain_tables(frame, depth, sampling) if form is None else fast_tables(form, frame, depth, sampling)


def fast_tables(form: Form, frame: Frame, depth: int | None, sampling: Sampling) -> Iterator[pa.Table]:
    """The same over columns."""
    from collector.read.books import column_parts, depth_samples, fast_course  # noqa: PLC0415 -- they need NumPy

    course = fast_course.FastCourse(form, depth)
    parts = column_parts.parts(frame.batches(), frame.gaps)
    for moments in depth_samples.samples(course, parts, sampling):
        yield depth_samples.table_of(moments, sampling)


def plain_tables(frame: Frame, depth: int | None, sampling: Sampling) -> Iterator[pa.Table]:
    """The same row by row."""
    rows: list[dict[str, object]] = []
    for row in _samples(frame, depth, sampling):
        rows.append(row)
        if len(rows) == _SAMPLES:
            yield pa.Table.from_pylist(rows, sampling.schema)
            rows.clear()
    yield pa.Table.from_pylist(rows, sampling.schema)


def _samples(frame: Frame, depth: int | None, sampling: Sampling) -> Iterator[dict[str, object]]:
    course = Course(depth)
    when, every_us = sampling.when, sampling.every_us
    at_us = -(-when.since_us // every_us) * every_us
    for step in starmap(Step, steps(frame.batches(), frame.gaps)):
        for moment_us in range(at_us, min(step.at_us, when.until_us), every_us):
            yield _sample(course, moment_us, sampling)
            at_us = moment_us + every_us
        course.take(step)
    for moment_us in range(at_us, when.until_us, every_us):
        yield _sample(course, moment_us, sampling)


def _sample(course: Course, at_us: int, sampling: Sampling) -> dict[str, object]:
    why = why_unknown(course, sampling.gaps, at_us)
    is_known = course.exists and not why
    if not is_known:
        sampling.require_known(at_us, why, exists=course.exists)
    book, levels = course.book, sampling.levels
    bids, asks = (_columns(side.top(levels) if is_known else None) for side in (book.bids, book.asks))
    last_id = course.last_id if is_known else None
    found = {"at": at_us, "last_id": last_id, "bid_prices": bids[0], "bid_sizes": bids[1]}
    marks = " ".join(row.gap.gap_id for row in why) or None
    return {**found, "ask_prices": asks[0], "ask_sizes": asks[1], "gap_id": marks, "piece": course.passed}


def _columns(levels: list[Level] | None) -> tuple[list[float] | None, list[float] | None]:
    """Prices and sizes; None for a book that is not known."""
    return (None, None) if levels is None else ([price for price, _ in levels], [size for _, size in levels])
