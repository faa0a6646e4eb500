"""What an exchange's own times say about this machine's clock.

A message is received after it was sent. The smallest difference of the last minutes is the time of the way plus what
the clock is off: below zero the clock is slow for certain; far above zero it is fast, or the exchange was late with
every single message. The very smallest are left out: a few messages may say a time that is not true.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

WINDOW_SECS: Final = 60.0
"""Evidence is kept for at least this long, at most twice."""

FEWEST: Final = 10
"""Fewer messages prove nothing: one may be an old one sent again."""

ODD: Final = 2
"""So many messages of a window may say any time, and rule nothing."""


class ClockOffsetWindow:
    """The smallest difference, receive time minus exchange time, of the last one to two windows, but for the odd ones."""

    def __init__(self) -> None:
        self._began_secs: float | None = None
        self._now = _Evidence()
        self._before = _Evidence()

    def note(self, at_secs: float, ascending_us: Sequence[int]) -> None:
        """Messages came, with these differences."""
        self._turn(at_secs)
        self._now = self._now.with_more(ascending_us, len(ascending_us))

    def smallest_us(self, at_secs: float) -> int | None:
        """The smallest difference; None where there is too little evidence."""
        self._turn(at_secs)
        both = self._now.with_more(self._before.smallest_us, self._before.messages)
        return both.smallest_us[-1] if both.messages >= FEWEST else None

    def messages(self, at_secs: float) -> int:
        """How many messages there are as evidence."""
        self._turn(at_secs)
        return self._now.messages + self._before.messages

    def _turn(self, at_secs: float) -> None:
        if self._began_secs is None:
            self._began_secs = at_secs
        passed = at_secs - self._began_secs
        if passed >= WINDOW_SECS:
            self._before = self._now if passed < 2 * WINDOW_SECS else _Evidence()
            self._now, self._began_secs = _Evidence(), at_secs


class _Evidence(NamedTuple):
    smallest_us: Sequence[int] = ()
    """Ascending: those that may be odd, and the next one."""
    messages: int = 0

    def with_more(self, ascending_us: Sequence[int], messages: int) -> "_Evidence":
        smallest_us = sorted([*self.smallest_us, *ascending_us[: ODD + 1]])[: ODD + 1]
        return _Evidence(smallest_us, self.messages + messages)
