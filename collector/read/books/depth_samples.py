"""Samples of a book's best levels as tables, from parts of its rows. Needs NumPy."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa

from collector.read.books.column_parts import BookPart
from collector.read.books.depth import Sampling
from collector.read.books.fast_course import FastCourse, Moments
from collector.read.books.side_loop import Tops
from collector.read.ledger.gaps import LedgerRow

_NUMBERS: Final = 400_000
"""About as many prices are put into a table at most."""

_MOST_SAMPLES: Final = 4_096


def samples(course: FastCourse, parts: Iterable[BookPart], sampling: Sampling) -> Iterator[Moments]:
    """The book at each moment, at some of them at a time."""
    when, levels, every_us = sampling.when, sampling.levels, sampling.every_us
    most = max(1, min(_MOST_SAMPLES, _NUMBERS // levels))
    next_us = -(-when.since_us // every_us) * every_us
    for part in parts:
        course.begin(part)
        for moments in _until(next_us, min(int(part.at_us[-1]), when.until_us), every_us, most):
            yield course.moments(moments, levels)
            next_us = int(moments[-1]) + every_us
        course.end()
    for moments in _until(next_us, when.until_us, every_us, most):
        yield course.moments(moments, levels)


def table_of(moments: Moments, sampling: Sampling) -> pa.Table:
    """The samples as a table: null where the book is not known. Raises GapError where `require_known` does."""
    schema, why = sampling.schema, why_unknown(moments, sampling.gaps)
    unknown = ~moments.exists
    unknown[list(why)] = True
    for place in np.flatnonzero(unknown).tolist():
        exists = bool(moments.exists[place])
        sampling.require_known(int(moments.at_us[place]), why.get(place, []), exists=exists)
    columns = {
        "at": pa.array(moments.at_us).cast(schema.field("at").type),
        "last_id": pa.array(moments.ids, mask=unknown | ~moments.numbered),
        "gap_id": _names(why, len(unknown)),
        "piece": pa.array(moments.passed.astype(np.int32)),
    }
    for side, tops in (("bid", moments.bids), ("ask", moments.asks)):
        columns[f"{side}_prices"], columns[f"{side}_sizes"] = _lists(tops, unknown)
    return pa.Table.from_arrays([columns[name] for name in schema.names], schema=schema)


def why_unknown(moments: Moments, gaps: list[LedgerRow]) -> dict[int, list[LedgerRow]]:
    """The gaps for which the book is not known, by the place of the moment: those around it, else those before."""
    found = {place: list(lost_by) for place, lost_by in moments.lost_by.items() if lost_by}
    around: dict[int, list[LedgerRow]] = {}
    for row in gaps:
        end = np.inf if row.gap.ended_at is None else row.gap.ended_at
        for place in np.flatnonzero((moments.at_us >= row.gap.started_at) & (moments.at_us < end)).tolist():
            around.setdefault(place, []).append(row)
    return {**found, **around}


def _until(next_us: int, end_us: int, every_us: int, most: int) -> Iterator[Any]:
    """The moments from one up to an end, at most so many at a time."""
    while next_us < end_us:
        moments = np.arange(next_us, min(end_us, next_us + most * every_us), every_us)
        yield moments
        next_us = int(moments[-1]) + every_us


def _names(why: dict[int, list[LedgerRow]], count: int) -> pa.Array:
    if not why:
        return pa.nulls(count, pa.string())
    names = (" ".join(row.gap.gap_id for row in why[place]) if place in why else None for place in range(count))
    return pa.array(names, pa.string(), size=count)


def _lists(tops: Tops, unknown: Any) -> tuple[pa.Array, pa.Array]:
    """Lists of prices and of sizes, null where the book is not known."""
    numbers: tuple[Any, Any] = tops.prices, tops.sizes
    if unknown.any():
        is_known = np.repeat(~unknown, tops.counts)
        numbers = tops.prices[is_known], tops.sizes[is_known]
    counts = np.where(unknown, 0, tops.counts)
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32))
    prices, sizes = (pa.ListArray.from_arrays(offsets, pa.array(values), mask=pa.array(unknown)) for values in numbers)
    return prices, sizes
