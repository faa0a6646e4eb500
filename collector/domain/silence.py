"""How long a stream may be silent before something is wrong: learned from how long it was silent before.

The longest of the last intervals, times a factor. A stream that trades once in ten minutes is not called silent for it;
one that speaks ten times a second is missed soon. An outage is an interval too: once a rhythm is learned, an interval can
at most double the limit, and it is forgotten with the others.
"""

from typing import Final, NamedTuple

import msgspec

FACTOR: Final = 4.0
"""How many times its longest interval a stream may take."""

LEARNED_AFTER: Final = 8
"""So many intervals make a rhythm. Until then the limit is the given one, or longer."""

REMEMBERED: Final = 64
"""At least so many intervals are remembered, at most twice as many."""

HIGHEST_SECS: Final = 4 * 3600.0
"""No stream may be silent for longer, whatever it did before."""

_GROWTH: Final = 2.0


class Bounds(NamedTuple):
    """Between what limits lie: to begin with, at the tightest (no more than that), and at the most."""

    unlearned_secs: float
    lowest_secs: float
    highest_secs: float = HIGHEST_SECS


class LearnedIntervals(msgspec.Struct, array_like=True):
    """What a rhythm remembers."""

    count: int = 0
    longest_secs: float = 0.0
    before_secs: float = 0.0


class SilenceLimit:
    """One stream's; `learned` is kept, and begins it anew elsewhere."""

    __slots__ = ("_bounds", "learned", "limit_secs")

    def __init__(self, bounds: Bounds, learned: LearnedIntervals) -> None:
        self._bounds = bounds
        self.learned = learned
        self.limit_secs = self._limit_secs()
        """How long it may be silent."""

    @property
    def is_learned(self) -> bool:
        """Whether the limit is its own."""
        return self.learned.count >= LEARNED_AFTER

    def note(self, interval_secs: float) -> None:
        """It spoke again, so long after the time before."""
        learned = self.learned
        if learned.count >= LEARNED_AFTER:
            interval_secs = min(interval_secs, _GROWTH * self.limit_secs / FACTOR)
        learned.count += 1
        if learned.count % REMEMBERED == 0:
            learned.before_secs, learned.longest_secs = learned.longest_secs, 0.0
        learned.longest_secs = max(learned.longest_secs, interval_secs)
        self.limit_secs = self._limit_secs()

    def _limit_secs(self) -> float:
        bounds, learned = self._bounds, self.learned
        lowest_secs = bounds.lowest_secs if learned.count >= LEARNED_AFTER else bounds.unlearned_secs
        highest_secs = max(bounds.highest_secs, bounds.unlearned_secs)
        return min(max(FACTOR * max(learned.longest_secs, learned.before_secs), lowest_secs), highest_secs)
