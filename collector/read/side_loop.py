"""One side of a book over coded prices, row by row: numba compiles `fill` as it stands.

A price is its rank among all prices of a part of the rows, the best first, so that a side is an array of sizes.
"""

from typing import Any, NamedTuple

from collector.read.fates import CHANGED, IGNORED, LOST


class CodedRows(NamedTuple):
    """One side of rows: the levels of row r are `starts[r]` to `starts[r + 1]` of `codes` and `sizes`."""

    fates: Any
    starts: Any
    codes: Any
    sizes: Any


class CodedTops(NamedTuple):
    """The best levels at some moments: a row for each, with `counts` levels in it."""

    codes: Any
    sizes: Any
    counts: Any


def fill(rows: CodedRows, first_row: int, bounds: Any, held: Any, depth: int, tops: CodedTops) -> None:  # noqa: C901, PLR0912 -- compiled as one
    """Apply rows from `first_row` on; before the row of each of `bounds`, which rise, fill in the best levels.

    `held` is the side, and is changed. `depth` is how many levels are kept after each row, 0 for all.
    """
    end = len(held)
    best, worst, count = end, -1, 0
    for code in range(end):
        if held[code] != 0:
            best, worst, count = min(best, code), code, count + 1
    row = first_row
    for sample in range(len(bounds)):
        while row < bounds[sample]:
            fate = rows.fates[row]
            if fate not in (IGNORED, CHANGED):
                for code in range(best, worst + 1):
                    held[code] = 0
                best, worst, count = end, -1, 0
            if fate not in (IGNORED, LOST):
                for level in range(rows.starts[row], rows.starts[row + 1]):
                    code, size = rows.codes[level], rows.sizes[level]
                    count += (size != 0) - (held[code] != 0)
                    held[code] = size
                    if size != 0:
                        best, worst = min(best, code), max(worst, code)
                while depth and count > depth:
                    count -= held[worst] != 0
                    held[worst] = 0
                    worst -= 1
            row += 1
        while best < worst and held[best] == 0:
            best += 1
        place, code = 0, best
        while place < tops.codes.shape[1] and code <= worst:
            if held[code] != 0:
                tops.codes[sample, place], tops.sizes[sample, place] = code, held[code]
                place += 1
            code += 1
        tops.counts[sample] = place
