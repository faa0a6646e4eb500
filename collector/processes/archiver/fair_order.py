"""Who comes next when much waits: the oldest first, but what came last is never starved."""

from collections.abc import Sequence
from typing import Final, TypeVar

T = TypeVar("T")

NEWEST_EVERY: Final = 4
"""Each so many turns one is the newest's."""

AHEAD: Final = 4
"""Sets made before they can go up, while the store takes them; one more is for the segment sealed last."""


def newest_goes_next(turn: int) -> bool:
    """Whether this turn, counted from 0, is the newest's; all others are the oldest's."""
    return turn % NEWEST_EVERY == NEWEST_EVERY - 1


def next_to_stage(turn: int, unstaged: Sequence[T], ahead: int, *, newest_is_unstaged: bool) -> T | None:
    """Which of the segments without files gets them next, `ahead` having them already; None if it is too early for any.

    `unstaged` is sorted from the oldest to the newest.
    """
    if not unstaged:
        return None
    if ahead < AHEAD:
        return unstaged[-1] if newest_goes_next(turn) else unstaged[0]
    return unstaged[-1] if ahead == AHEAD and newest_is_unstaged else None
