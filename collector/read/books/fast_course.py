"""Follows a book through parts of its rows, as `book_course.Course` does row by row. Needs NumPy."""

from bisect import bisect_left
from typing import Any, NamedTuple

import numpy as np

from collector.read.books.book import Level, Side
from collector.read.books.coded_side import CodedSide
from collector.read.books.column_parts import BookPart
from collector.read.books.course import reach
from collector.read.books.fates import NO_BOOK, REPLACED, WITH_ID, Behind, Rows
from collector.read.books.forms import Form
from collector.read.books.side_loop import Tops
from collector.read.ledger.gaps import LedgerRow


class Moments(NamedTuple):
    """The book at some moments."""

    at_us: Any
    exists: Any
    ids: Any
    """The last update's id; null where `numbered` is not."""
    numbered: Any
    passed: Any
    """How many times gaps were passed before."""
    lost_by: dict[int, list[LedgerRow]]
    """The gaps since which there is no book, by the place of the moment, where it has none."""
    bids: Tops
    asks: Tops


class FastCourse:
    """The book after each part: `begin` takes one, `moments` asks for some of its time, `end` leaves it behind."""

    def __init__(self, form: Form, depth: int | None) -> None:
        self._form = form
        self._depth = depth
        self._sides = CodedSide(-1, form, depth), CodedSide(1, form, depth)
        self.lost_by: list[LedgerRow] = []
        """The gaps since which there is no book."""
        self.updated_us = 0
        self._passed_before = 0
        self._losses: list[tuple[int, list[LedgerRow]]] = []
        self._last_whole: list[list[Level]] = [[], []]
        self._state = NO_BOOK, 0
        self._forget_part()

    @property
    def exists(self) -> bool:
        """Whether there is a book behind the last part."""
        return self._state[0] != NO_BOOK

    @property
    def last_id(self) -> int | None:
        """The id of its last update; None while there is no book, and where the exchange sends no ids."""
        return self._state[1] if self._state[0] == WITH_ID else None

    def begin(self, part: BookPart) -> Behind:
        """Take the next rows; what each of them does, and how the book is known behind it."""
        count = len(part.at_us)
        behind_gap = np.zeros(count, bool)
        behind_gap[list(part.marks)] = True
        rows = Rows(part.snapshots, part.unread, behind_gap, part.numbered, part.begins, part.ids)
        behind = Behind(np.zeros(count, np.int8), np.zeros(count + 1, np.int8), np.zeros(count + 1, np.int64))
        behind.known[0], behind.ids[0] = self._state
        self._form.fates(rows, behind)
        self._at_us, self._known, self._ids = part.at_us, behind.known, behind.ids
        self._passed = self._passed_before + np.concatenate([[0], np.cumsum(behind_gap)])
        self._note_losses(part, behind.fates)
        for side, levels in zip(self._sides, part.sides, strict=True):
            side.begin(levels, behind.fates)
        return behind

    def moments(self, at_us: Any, levels: int) -> Moments:
        """The book at moments that rise, and lie behind those asked for before, with its best levels."""
        bounds = np.searchsorted(self._at_us, at_us, "right").astype(np.int64)
        known = self._known[bounds]
        missing = np.flatnonzero(known == NO_BOOK).tolist()
        lost_by = {place: self._lost_by(int(bounds[place])) for place in missing}
        bids, asks = (side.fill(bounds, levels) for side in self._sides)
        return Moments(
            at_us, known != NO_BOOK, self._ids[bounds], known == WITH_ID, self._passed[bounds], lost_by, bids, asks
        )

    def end(self) -> None:
        """Apply the rest of the rows, and forget them."""
        for side in self._sides:
            side.end()
        self.lost_by = self._lost_by(len(self._at_us))
        self._state = int(self._known[-1]), int(self._ids[-1])
        self.updated_us, self._passed_before = int(self._at_us[-1]), int(self._passed[-1])
        self._forget_part()

    def levels(self) -> tuple[list[Level], list[Level]]:
        """All levels of the book between parts, best first."""
        bids, asks = (list(zip(*side.levels(), strict=True)) for side in self._sides)
        return bids, asks

    def reach(self) -> tuple[float, float]:
        """The prices of the last whole book that are farthest from the middle."""
        bids, asks = Side(-1), Side(1)
        for side, levels in zip((bids, asks), self._last_whole, strict=True):
            for price, size in levels:
                side.set(price, size)
            if self._depth:
                side.cut(self._depth)
        return reach(bids.top(len(bids)), asks.top(len(asks)))

    def _note_losses(self, part: BookPart, fates: Any) -> None:
        whole = np.flatnonzero(fates == REPLACED).tolist()
        losses = {row: gaps for row, gaps in part.marks.items() if not part.snapshots[row]}
        self._losses = sorted([*((row, []) for row in whole), *losses.items()], key=lambda loss: loss[0])
        if whole:
            self._last_whole = [levels.of_row(whole[-1]) for levels in part.sides]

    def _lost_by(self, bound: int) -> list[LedgerRow]:
        """The gaps since which there is no book before a row of the part."""
        place = bisect_left(self._losses, bound, key=lambda loss: loss[0])
        return self._losses[place - 1][1] if place else self.lost_by

    def _forget_part(self) -> None:
        self._losses = []
        self._at_us = np.empty(0, np.int64)
        self._known, self._ids = np.array([self._state[0]], np.int8), np.array([self._state[1]], np.int64)
        self._passed = np.array([self._passed_before])
