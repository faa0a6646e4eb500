"""Where each line of a stream stands in its ids, and which messages another line saved.

A line has skipped a message if it brought a later one before it. What one line skipped and another one brought is saved:
it is counted once for each line that skipped it, also across the end of that line's connection. Which messages a line
skipped follows from its own ids, so only ids that prove continuity show it, and nothing is counted that is missing on all
lines, that repair fetched, or that the same line brought after all, out of order.

A line's place is unknown until its first message, and while two of its connections overlap (a renewal, a trial): one of
them may be ahead, so what the line skipped meanwhile is not counted.
"""

from collections.abc import Callable, Container, Iterable

import msgspec

CountFrom = Callable[[int], int]
"""How many of the stream's newest messages have this id or one above it."""


class LinePlace(msgspec.Struct, array_like=True):
    """How far one line has come; committed with the rows."""

    reached: int | None = None
    """The highest id it has brought; None while that is unknown."""
    floor: int = 0
    """The highest id it had brought when its present connection opened."""
    regained: int = 0
    """Messages counted as skipped that the line brought after all: so many of the next ones are not counted."""
    passed: int | None = None
    """How many messages of all lines have no id above `reached`: noted when its connection ended, until it brings more."""
    is_shared: bool = False
    """Whether two connections carry the line now."""

    def begin(self, merged: int, count_from: CountFrom, *, alone: bool) -> None:
        """Note that one of the line's connections has opened or ended."""
        self.is_shared = not alone
        if not alone:
            self.reached = self.passed = None
        elif self.reached is not None:
            self.floor = self.reached
            if self.passed is None:
                self.passed = merged - count_from(self.reached + 1)

    def bring(self, first_id: int, last_id: int, merged: int, count_from: CountFrom) -> int:
        """Note that the line brought the ids up to `last_id`, which are above its place. Returns what it has skipped."""
        reached, passed, skipped = self.reached, self.passed, 0
        if reached is None:
            self.floor = last_id
        elif first_id > reached + 1:
            passed = merged - count_from(reached + 1) if passed is None else passed
            skipped = merged - count_from(first_id) - passed
        self.reached, self.passed = last_id, None
        return self._counted(skipped) if skipped > 0 else 0

    def miss(self, message_id: int) -> int:
        """Note that another line brought this message late. Returns 1 if this line has skipped it, else 0."""
        if self.reached is None or message_id > self.reached:
            return 0
        if self.passed is not None:
            self.passed += 1
        return self._counted(1) if message_id > self.floor else 0

    def bring_older(self, message_id: int, *, is_new: bool) -> None:
        """Note that the line brought a message below its place."""
        if is_new and self.passed is not None:
            self.passed += 1
        elif not is_new and message_id > self.floor:
            self.regained += 1

    def _counted(self, skipped: int) -> int:
        regained = min(self.regained, skipped)
        self.regained -= regained
        return skipped - regained


class LinePlaces(msgspec.Struct, array_like=True):
    """The places of all lines of one stream; empty unless several lines have stood at once."""

    places: dict[int, LinePlace] = {}
    merged: int = 0
    """How many messages all lines together have brought since there are places."""

    def begin_line(self, line: int, standing: Iterable[int], count_from: CountFrom, *, alone: bool) -> None:
        """Note that a connection of `line` has opened or ended, and which lines have one now."""
        for number in standing:
            if number not in self.places:
                self.places[number] = LinePlace()
        place = self.places.get(line)
        if place is not None:
            place.begin(self.merged, count_from, alone=alone)

    def forget(self, line: int) -> None:
        """Note that the line was let go on purpose: what comes without it is not skipped by it."""
        if line in self.places:
            self.places[line] = LinePlace()

    def note(
        self, line: int, first_id: int, last_id: int, newest_id: int, count_from: CountFrom, *, is_new: bool
    ) -> int:
        """Note that a line brought a message; `newest_id` is the highest of all lines, this message included.

        Returns how many messages that turned out to be saved.
        """
        saved = 0
        if is_new:
            self.merged += 1
            if last_id < newest_id:
                saved = sum(place.miss(last_id) for number, place in self.places.items() if number != line)
        place = self.places.get(line)
        if place is None or place.is_shared:
            return saved
        if place.reached is None or last_id > place.reached:
            return saved + place.bring(first_id, last_id, self.merged, count_from)
        place.bring_older(last_id, is_new=is_new)
        return saved

    def note_next(self, line: int, newest_id: int, count: int, last_id: int) -> bool:
        """Note that a line brought the `count` messages that follow `newest_id`, if it has skipped none before them.

        If not, nothing changes.
        """
        place = self.places.get(line)
        if place is not None and not place.is_shared:
            if place.reached != newest_id:
                return False
            place.reached, place.passed = last_id, None
        self.merged += count
        return True

    def without(self, lines: Container[int]) -> "LinePlaces":
        """The places of the other lines."""
        kept = {number: place for number, place in self.places.items() if number not in lines}
        return LinePlaces(kept, self.merged) if kept else LinePlaces()

    def restarted(self) -> "LinePlaces":
        """The places in a new series: each line is there from its first message on."""
        return LinePlaces({number: LinePlace(is_shared=place.is_shared) for number, place in self.places.items()})
