"""Which segment comes next in a backlog: the oldest first, with every fourth turn for the newest."""

from collections.abc import Sequence
from typing import Final, TypeVar

T = TypeVar("T")

NEWEST_EVERY: Final = 4
"""Every Nth turn goes to the newest segment."""

AHEAD: Final = 4
"""Sets that may wait for upload while the store is there; the segment sealed last may be one more."""


def newest_goes_next(turn: int) -> bool:
    """Whether this turn, counted from 0, goes to the newest segment; all others go to the oldest."""
    return turn % NEWEST_EVERY == NEWEST_EVERY - 1


def next_to_stage(turn: int, unstaged: Sequence[T], ahead: int, *, newest_is_unstaged: bool) -> T | None:
    """Which of the segments without a set is staged next while `ahead` sets wait for upload; None if enough do.

    `unstaged` is sorted from the oldest to the newest.
    """
    if not unstaged:
        return None
    if ahead < AHEAD:
        return unstaged[-1] if newest_goes_next(turn) else unstaged[0]
    return unstaged[-1] if ahead == AHEAD and newest_is_unstaged else None
