"""What an exchange's own times say about this machine's clock.

A message is received after it was sent. The smallest difference of the last minutes is the time of the way plus what
the clock is off: below zero the clock is slow for certain; far above zero it is fast, or the exchange was late with
every single message.
"""

from typing import Final

WINDOW_SECS: Final = 60.0
"""Evidence is kept for at least this long, at most twice."""

FEWEST: Final = 10
"""Fewer messages prove nothing: one may be an old one sent again."""


class OffsetWindow:
    """The smallest difference, receive time minus exchange time, of the last one to two windows."""

    def __init__(self) -> None:
        self._began_secs: float | None = None
        self._now: tuple[int | None, int] = (None, 0)
        self._before: tuple[int | None, int] = (None, 0)

    def note(self, at_secs: float, smallest_us: int, messages: int) -> None:
        """So many messages came, and this was their smallest difference."""
        self._turn(at_secs)
        smallest, count = self._now
        self._now = (smallest_us if smallest is None else min(smallest, smallest_us), count + messages)

    def smallest_us(self, at_secs: float) -> int | None:
        """The smallest difference; None where there is too little evidence."""
        self._turn(at_secs)
        known = [smallest for smallest, _ in (self._now, self._before) if smallest is not None]
        return min(known) if self._now[1] + self._before[1] >= FEWEST else None

    def _turn(self, at_secs: float) -> None:
        if self._began_secs is None:
            self._began_secs = at_secs
        passed = at_secs - self._began_secs
        if passed >= WINDOW_SECS:
            self._before = self._now if passed < 2 * WINDOW_SECS else (None, 0)
            self._now, self._began_secs = (None, 0), at_secs
