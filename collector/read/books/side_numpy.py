"""One side of a book over coded prices with NumPy alone: all rows between two samples at once. See `side_loop`."""

from typing import Any

import numpy as np

from collector.read.books import fates as plain
from collector.read.books.fates import CHANGED, LOST, REPLACED, Behind, Rows
from collector.read.books.side_loop import CodedLevels, CodedRows, Tops


def fates(rows: Rows, behind: Behind) -> None:
    """Do what `fates.fates` does, over lists, whose items are quicker to get at than an array's."""
    found = Behind(*(column.tolist() for column in behind))
    plain.fates(Rows(*(column.tolist() for column in rows)), found)
    for column, values in zip(behind, found, strict=True):
        column[:] = values


def fill(rows: CodedRows, first_row: int, bounds: Any, side: CodedLevels, depth: int, width: int, tops: Tops) -> int:
    """Do what `side_loop.fill` does, but for a depth: levels that fall out of a book do so row by row."""
    if depth:
        raise ValueError("NumPy alone keeps no book of a depth")
    held = side.held
    codes, sizes, edges, cleared = _changes(rows, first_row, bounds)
    least = _least(codes, edges)
    best = filled = 0
    found = np.empty(0, np.int64)
    for sample, is_cleared in enumerate(cleared.tolist()):
        begin, end = edges[sample], edges[sample + 1]
        if is_cleared:
            held[:] = 0
        if begin < end:
            # Of levels with the same code the last remains.
            held[codes[begin:end]] = sizes[begin:end]
            best = min(best, least[sample])
        if not sample or begin < end or is_cleared:
            found = _first(held, best, width)
            best = int(found[0]) if len(found) else 0
        start, filled = filled, filled + len(found)
        tops.prices[start:filled], tops.sizes[start:filled] = side.prices[found], held[found]
        tops.counts[sample] = len(found)
    return filled


def _changes(rows: CodedRows, first_row: int, bounds: Any) -> tuple[Any, Any, list[int], Any]:
    """The levels that are set, where those of each sample begin and end, and before which samples the side was cleared."""
    end_row = int(bounds[-1])
    numbers, fates = np.arange(first_row, end_row), rows.fates[first_row:end_row]
    samples = np.searchsorted(bounds, numbers, "right")
    cleared_at = np.full(len(bounds), -1)
    clears = (fates == REPLACED) | (fates == LOST)
    np.maximum.at(cleared_at, samples[clears], numbers[clears])
    counts = ((fates == CHANGED) | (fates == REPLACED)) & (numbers >= cleared_at[samples])
    starts = rows.starts[first_row : end_row + 1]
    lengths, levels = np.diff(starts), slice(int(starts[0]), int(starts[-1]))
    chosen = np.repeat(counts, lengths)
    ends = np.concatenate([[0], np.cumsum(lengths * counts)])[bounds - first_row]
    return rows.codes[levels][chosen], rows.sizes[levels][chosen], [0, *ends.tolist()], cleared_at >= 0


def _least(codes: Any, edges: list[int]) -> list[int]:
    """The best code of each sample's levels; 0 where it has none."""
    has_levels = np.diff(edges) > 0
    least = np.zeros(len(has_levels), np.int64)
    least[has_levels] = np.minimum.reduceat(codes, np.array(edges[:-1])[has_levels]) if len(codes) else 0
    found: list[int] = least.tolist()
    return found


def _first(held: Any, best: int, count: int) -> Any:
    """The first codes with a size, at most `count`; none is before `best`."""
    width = 4 * count
    while True:
        found = np.flatnonzero(held[best : best + width])
        if len(found) >= count or best + width >= len(held):
            return found[:count] + best
        width *= 4
