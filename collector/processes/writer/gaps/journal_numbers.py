"""Detects missing journal files by their numbers.

Every file gets the number after the highest present, and its head names its incarnation's file before it: two incarnations
that append side by side take turns with the numbers.
"""

from typing import Final

import msgspec

_INCARNATIONS_KEPT: Final = 16


class JournalNumbers(msgspec.Struct, array_like=True):
    """How far the files of a feed were read, by number; committed with the rows."""

    newest: int = 0
    """The newest number read of those that the present incarnation of ingest goes on from."""
    highest: int = 0
    """The highest number ever read, of any incarnation. A number may be used again if positions were lost."""
    newest_of: dict[str, int] = {}
    """The newest number read of each incarnation, for those read last."""
    headless: int = 0
    """The number of the file without a whole head passed last."""
    told: int = 0
    """Up to which number files that are missing, or whose head is damaged, have their row."""

    def follow(
        self,
        number: int,
        *,
        same_writer: bool,
        incarnation: str = "",
        previous: int | None = None,
        others: frozenset[int] = frozenset(),
    ) -> int | None:
        """Note that the file with that number is read. Returns the first number missing before it, if any.

        `previous` is what its head says; `others` are the numbers of files that are present or were read.

        One incarnation always writes whole heads, so a file without one (see `pass_headless`) between two of its files
        counts as missing. Between two incarnations it is a file that was only begun.
        """
        known = self.newest_of.get(incarnation, self.newest if same_writer else self.highest)
        self.newest, highest, self.highest = number, self.highest, max(self.highest, number)
        if previous is None:
            return known + 1 if 0 < known < number - 1 else None
        if self.newest_of.get(incarnation) == number:
            return None
        self._note(incarnation, number)
        if previous == 0:
            return self._first_missing(highest, number, others)
        own_others = others - {self.headless}
        if previous <= max(known, self.told) or previous in own_others:
            return None
        return self._first_missing(known, number, own_others)

    def _first_missing(self, before: int, number: int, others: frozenset[int]) -> int | None:
        if number <= self.told:  # numbers began anew
            self.told = 0
        missing = next((other for other in range(before + 1, number) if other not in others), None) if before else None
        if missing is not None:
            self.told = number - 1
        return missing

    def _note(self, incarnation: str, number: int) -> None:
        self.newest_of.pop(incarnation, None)
        kept = [*self.newest_of.items()][-_INCARNATIONS_KEPT + 1 :]
        self.newest_of = {**dict(kept), incarnation: number}

    def pass_headless(self, number: int) -> None:
        """Note a file without a whole head: it was only begun, or it was truncated."""
        self.headless, self.highest = number, max(self.highest, number)

    def pass_damaged(self, number: int) -> None:
        """Note that a file whose head is damaged has a row."""
        self.newest, self.told = number, max(self.told, number)
