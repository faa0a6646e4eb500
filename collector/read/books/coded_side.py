"""One side of a book over coded prices: a price is its rank among those of a part of the rows and of the book before it.

Memory stays bounded: with each part the prices are coded anew, and those of levels that are gone are forgotten. Needs NumPy.
"""

from typing import Any

import numpy as np

from collector.read.books.column_parts import Levels
from collector.read.books.forms import Form
from collector.read.books.side_loop import CodedLevels, CodedRows, Tops


class CodedSide:
    """One side of a book. `begin` takes rows, `fill` applies some of them, `end` the rest."""

    def __init__(self, sign: int, form: Form, depth: int | None) -> None:
        """Start empty; `sign` is -1 for bids (the highest is best) and 1 for asks. `depth` is as of `Book`."""
        self._sign = sign
        self._form = form
        self._depth = depth or 0
        self._keys = np.empty(0)
        self._held = np.empty(0)
        self._forget_rows()

    def begin(self, levels: Levels, fates: Any) -> None:
        """Take the next rows, and what each of them does."""
        coded = levels.prices.dictionary_encode()
        prices = self._sign * coded.dictionary.to_numpy(zero_copy_only=False)
        keys, places = np.unique(np.concatenate([self._keys, prices]), return_inverse=True)
        held, before = np.zeros(len(keys)), len(self._keys)
        held[places[:before]] = self._held
        self._keys, self._held, self._row = keys, held, 0
        self._rows = CodedRows(fates, levels.starts, places[before:][coded.indices.to_numpy()], levels.sizes)

    def fill(self, bounds: Any, count: int) -> Tops:
        """Apply rows up to the last of `bounds`, and return the best levels before the row of each of them."""
        width = min(count, len(self._keys))
        most = len(bounds) * width
        tops = Tops(np.empty(most), np.empty(most), np.zeros(len(bounds), np.int64))
        side = CodedLevels(self._sign * self._keys, self._held)
        filled = self._form.fill(self._rows, self._row, bounds, side, self._depth, width, tops)
        self._row = int(bounds[-1])
        return Tops(tops.prices[:filled], tops.sizes[:filled], tops.counts)

    def end(self) -> None:
        """Apply the rest of the rows."""
        self.fill(np.array([len(self._rows.fates)]), 0)
        there = np.flatnonzero(self._held)
        self._keys, self._held = self._keys[there], self._held[there]
        self._forget_rows()

    def levels(self) -> tuple[list[float], list[float]]:
        """All prices and sizes between parts, best first."""
        return (self._sign * self._keys).tolist(), self._held.tolist()

    def _forget_rows(self) -> None:
        self._rows = CodedRows(np.empty(0, np.int8), np.zeros(1, np.int64), np.empty(0, np.int64), np.empty(0))
        self._row = 0
