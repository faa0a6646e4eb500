"""How far another host's clock is ahead of one that counts for all, in whole steps. Pure.

A step is coarser than what a message takes on its way, so that times by the other clock still rise after they are corrected.
"""

from typing import Final

STEP_NS: Final = 10_000_000_000

LEAST_NS: Final = 15_000_000_000
"""Less is no more than what one edge may lag behind another: then the clocks count as the same."""


def steps_ahead_ns(difference_ns: int) -> int:
    """The whole steps in a difference of two clocks; below zero if the other one is behind."""
    if -LEAST_NS < difference_ns < LEAST_NS:
        return 0
    return (difference_ns + STEP_NS // 2) // STEP_NS * STEP_NS
