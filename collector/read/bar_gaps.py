"""Marks bars that a gap reaches into, and says of those without trades that nobody knows."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from itertools import groupby, islice
from typing import Final, NamedTuple

import pyarrow as pa

from collector.domain.names import END_US
from collector.read.clock_skew import ClockSkew
from collector.read.ledger.gaps import LedgerRow
from collector.read.marking import COLUMNS
from collector.read.window import Window

_ROWS: Final = 16_384
"""Bars put into a table at a time."""


class Reach(NamedTuple):
    """The bars that a gap reaches into: from the start of the first to that of the one behind the last."""

    first_us: int
    until_us: int
    gap_id: str


def reaches_of(
    gaps: Iterable[LedgerRow], skew: ClockSkew, made: pa.Table, length_us: int, window: Window, now_us: int
) -> list[Reach]:
    """Which bars each gap reaches into, by the first of them.

    Bars are of the exchange's time and gaps of the recorder's, so a gap reaches as much farther as the clocks differ around
    it. One that lasts reaches up to the end, or to now, if that is earlier. An end that is left open is that of the bars.
    """
    starts = _starts(made)
    bars_end_us = starts[-1] + length_us if starts else 0
    end_us = bars_end_us if window.until_us == END_US else min(window.until_us, now_us)
    found = []
    for gap in (row.gap for row in gaps):
        sides = skew.around(gap)
        first_us = max(gap.started_at + min(0, *sides), window.since_us)
        until_us = max(end_us if gap.ended_at is None else gap.ended_at + max(0, *sides), first_us + 1)
        until_us = min(until_us, window.until_us)
        found.append(Reach(first_us - first_us % length_us, until_us + -until_us % length_us, gap.gap_id))
    return sorted(found, key=lambda reach: reach.first_us)


def with_gaps(made: pa.Table, reaches: Sequence[Reach], length_us: int) -> Iterator[pa.Table]:
    """Bars, which are in order, with one more column, `gap_id`: the gaps that reach into each, with spaces between, or null.

    A bar without trades that a gap reaches into has a row of nulls: nobody knows whether there were any.
    """
    own = _starts(made)
    whole = (start for start, _ in groupby(merge(own, _reached(reaches, length_us))))
    marked = _marked(whole, reaches)
    passed = 0
    while part := list(islice(marked, _ROWS)):
        places: list[int | None] = []
        for start, _ in part:
            is_own = passed < len(own) and own[passed] == start
            places.append(passed if is_own else None)
            passed += is_own
        starts = pa.array([start for start, _ in part], pa.int64()).cast(made.schema.field("start").type)
        table = made.take(pa.array(places, pa.int64())).set_column(0, "start", starts)
        yield table.append_column(COLUMNS["mark"], pa.array([mark for _, mark in part], pa.string()))


def _reached(reaches: Iterable[Reach], length_us: int) -> Iterator[int]:
    """The starts of all bars that a gap reaches into, each once."""
    until_us = 0
    for reach in reaches:
        yield from range(max(reach.first_us, until_us), reach.until_us, length_us)
        until_us = max(reach.until_us, until_us)


def _marked(starts: Iterable[int], reaches: Iterable[Reach]) -> Iterator[tuple[int, str | None]]:
    """Each bar with the gaps that reach into it."""
    waiting, here = deque(reaches), list[Reach]()
    for start in starts:
        while waiting and waiting[0].first_us <= start:
            here.append(waiting.popleft())
        if here:
            here = [reach for reach in here if reach.until_us > start]
        yield start, " ".join(reach.gap_id for reach in here) or None


def _starts(made: pa.Table) -> list[int]:
    found: list[int] = made["start"].cast(pa.int64()).to_pylist()
    return found
