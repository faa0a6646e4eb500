"""The best levels of a book, whenever they change."""

from collections.abc import Iterator
from typing import Final

import pyarrow as pa

from collector.exports.book_walk import BookWalk, Opening, Rows

_ROWS: Final = 4_096
"""Tops of a book at a time."""

Top = list[float | None]
"""Prices and sizes of the best asks, then of the best bids; null where a side has fewer."""


def tops(walk: BookWalk, levels: int) -> Iterator[tuple[pa.Array, pa.Array, list[Top]]]:
    """A top for each change of the best `levels`, and one at the beginning of each day, with the exchange's time and the local one.

    The walk is watched.
    """
    times: list[tuple[int, int]] = []
    found: list[Top] = []
    last: Top = []
    for part in walk.parts():
        top = _top(walk, levels)
        if isinstance(part, Rows) and top == last:
            continue
        last = top
        times.append(_times(part))
        found.append(top)
        if len(found) == _ROWS:
            yield *_columns_of(times), found
            times, found = [], []
    if found:
        yield *_columns_of(times), found


def _top(walk: BookWalk, levels: int) -> Top:
    found: Top = []
    for side in (walk.course.book.asks, walk.course.book.bids):
        best = side.top(levels)
        found += [value for level in best for value in level]
        found += [None] * (2 * (levels - len(best)))
    return found


def _times(part: Opening | Rows) -> tuple[int, int]:
    if isinstance(part, Opening):
        return part.local_us if part.exchange_us is None else part.exchange_us, part.local_us
    return part.exchange_us[0].as_py(), part.local_us[0].as_py()


def _columns_of(times: list[tuple[int, int]]) -> tuple[pa.Array, pa.Array]:
    exchange, local = zip(*times, strict=True)
    return pa.array(exchange, pa.int64()), pa.array(local, pa.int64())
