"""How long a stream may be silent before something is wrong: learned from how long it was silent before.

The longest of the last intervals, times a factor. A stream that trades once in ten minutes is not called silent for it;
one that speaks ten times a second is missed soon. An outage is an interval too: once a rhythm is learned, an interval can
at most double the limit, and it is forgotten with the others.
"""

from typing import Final

FACTOR: Final = 4.0
"""How many times its longest interval a stream may take."""

LEARNED_AFTER: Final = 8
"""So many intervals make a rhythm. Until then the limit is the given one, or longer."""

REMEMBERED: Final = 64
"""At least so many intervals are remembered, at most twice as many."""

HIGHEST_SECS: Final = 4 * 3600.0
"""No stream may be silent for longer, whatever it did before."""

_GROWTH: Final = 2.0


class Rhythm:
    """One stream's. `unlearned_secs` is the limit to begin with, `lowest_secs` (no more than that) the tightest."""

    __slots__ = ("_before_secs", "_count", "_longest_secs", "_lowest_secs", "_unlearned_secs", "limit_secs")

    def __init__(self, unlearned_secs: float, lowest_secs: float) -> None:
        self._unlearned_secs = unlearned_secs
        self._lowest_secs = lowest_secs
        self._count = 0
        self._longest_secs = self._before_secs = 0.0
        self.limit_secs = unlearned_secs
        """How long it may be silent."""

    def note(self, interval_secs: float) -> None:
        """It spoke again, so long after the time before."""
        learned = self._count >= LEARNED_AFTER
        bounded_secs = min(interval_secs, _GROWTH * self.limit_secs / FACTOR) if learned else interval_secs
        self._count += 1
        if self._count % REMEMBERED == 0:
            self._before_secs, self._longest_secs = self._longest_secs, 0.0
        self._longest_secs = max(self._longest_secs, bounded_secs)
        lowest_secs = self._lowest_secs if self._count >= LEARNED_AFTER else self._unlearned_secs
        highest_secs = max(HIGHEST_SECS, self._unlearned_secs)
        longest_secs = max(self._longest_secs, self._before_secs)
        self.limit_secs = min(max(FACTOR * longest_secs, lowest_secs), highest_secs)
