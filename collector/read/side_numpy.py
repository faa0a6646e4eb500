"""One side of a book over coded prices with NumPy alone: all rows between two samples at once. See `side_loop`."""

from typing import Any

import numpy as np

from collector.read import fates as plain
from collector.read.fates import CHANGED, LOST, REPLACED, Behind, Rows
from collector.read.side_loop import CodedLevels, CodedRows, Tops


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
    (samples, places, values), cleared = _changes(rows, first_row, bounds, len(held))
    edges = np.searchsorted(samples, np.arange(len(bounds) + 1)).tolist()
    best = filled = 0
    found = np.empty(0, np.int64)
    for sample, is_cleared in enumerate(cleared.tolist()):
        begin, end = edges[sample], edges[sample + 1]
        if is_cleared:
            held[:] = 0
        if begin < end:
            held[places[begin:end]] = values[begin:end]
            best = min(best, int(places[begin]))
        if not sample or begin < end or is_cleared:
            found = _first(held, best, width)
            best = int(found[0]) if len(found) else 0
        start, filled = filled, filled + len(found)
        tops.prices[start:filled], tops.sizes[start:filled] = side.prices[found], held[found]
        tops.counts[sample] = len(found)
    return filled


def _changes(rows: CodedRows, first_row: int, bounds: Any, end_code: int) -> tuple[tuple[Any, Any, Any], Any]:
    """The last size of each code before each sample, by sample and code; and before which samples the side was cleared."""
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
    keys = (np.repeat(samples, lengths) * end_code + rows.codes[levels])[chosen]
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    is_last = np.append(keys[1:] != keys[:-1], np.ones(min(1, len(keys)), bool))
    where, places = np.divmod(keys[is_last], max(1, end_code))
    return (where, places, rows.sizes[levels][chosen][order][is_last]), cleared_at >= 0


def _first(held: Any, best: int, count: int) -> Any:
    """The first codes with a size, at most `count`; none is before `best`."""
    width = 4 * count
    while True:
        found = np.flatnonzero(held[best : best + width])
        if len(found) >= count or best + width >= len(held):
            return found[:count] + best
        width *= 4
