"""One side of a book over coded prices, row by row: numba compiles `fill` as it stands.

A price is its rank among all prices of a part of the rows, the best first, so that a side is an array of sizes.
"""

from typing import Any, NamedTuple

from collector.read.books.fates import CHANGED, IGNORED, LOST


class CodedRows(NamedTuple):
    """One side of rows: the levels of row r are `starts[r]` to `starts[r + 1]` of `codes` and `sizes`."""

    fates: Any
    starts: Any
    codes: Any
    sizes: Any


class Tops(NamedTuple):
    """The best levels at some moments, those of one behind those of the one before, and how many each has."""

    prices: Any
    sizes: Any
    counts: Any


class CodedLevels(NamedTuple):
    """The side: of each code its price, and its size, which is 0 if there is no such level."""

    prices: Any
    held: Any


def fill(rows: CodedRows, first_row: int, bounds: Any, side: CodedLevels, depth: int, width: int, tops: Tops) -> int:  # noqa: C901, PLR0912 -- compiled as one
    """Apply rows from `first_row` on, which changes the side; before the row of each of `bounds`, which rise, fill in the best levels.

    `depth` is how many levels are kept after each row, 0 for all; `width` how many are filled in. Returns how many were, in all.
    """
    held = side.held
    end, filled = len(held), 0
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
        begin, code = filled, best
        while filled < begin + width and code <= worst:
            if held[code] != 0:
                tops.prices[filled], tops.sizes[filled] = side.prices[code], held[code]
                filled += 1
            code += 1
        tops.counts[sample] = filled - begin
    return filled
