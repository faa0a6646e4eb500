"""Estimates when the disk will be full at the present rate.

A recorder fills the disk between two seals and frees space again, so over less than one such period the fall of free
space says nothing about days. Therefore the lowest free space of whole periods is compared, and the highest too: space
that was taken and freed again is no trend. A fall within one period counts only if it would fill the disk before the
period ends, and is dropped once half of it has been freed again.
"""

from collections import deque
from typing import Final

SHORT_SECS: Final = 300.0
"""A fall within a period is measured over at most this time, and at least a fifth of it."""

SHORTEST_PERIOD_SECS: Final = 600.0

_STEP_SECS: Final = 10.0
_PERIODS: Final = 4


class DiskTrend:
    """Follows free space; the disk counts as full when only `reserve_bytes` are free."""

    def __init__(self, period_secs: float, reserve_bytes: int) -> None:
        self.reconfigure(period_secs, reserve_bytes)
        self._recent: deque[tuple[float, int]] = deque()
        self._lowest: deque[int] = deque(maxlen=_PERIODS)
        self._highest: deque[int] = deque(maxlen=_PERIODS)
        self._period_started: float | None = None
        self._lowest_now = self._highest_now = 0

    def reconfigure(self, period_secs: float, reserve_bytes: int) -> None:
        """Compare periods of this length from now on."""
        self._period_secs = max(period_secs, SHORTEST_PERIOD_SECS)
        self._reserve_bytes = reserve_bytes

    def note(self, at_secs: float, free_bytes: int) -> None:
        """Take in the free space at this monotonic time."""
        self._note_recent(at_secs, free_bytes)
        if self._period_started is None:
            self._begin_period(at_secs, free_bytes)
        elif at_secs - self._period_started >= self._period_secs:
            self._lowest.append(self._lowest_now)
            self._highest.append(self._highest_now)
            self._begin_period(at_secs, free_bytes)
        self._lowest_now = min(self._lowest_now, free_bytes)
        self._highest_now = max(self._highest_now, free_bytes)

    def _note_recent(self, at_secs: float, free_bytes: int) -> None:
        if self._recent:
            lowest = min(free for _, free in self._recent)
            if free_bytes - lowest > (self._recent[0][1] - lowest) / 2:
                self._recent.clear()
        if not self._recent or at_secs - self._recent[-1][0] >= _STEP_SECS:
            self._recent.append((at_secs, free_bytes))
        while at_secs - self._recent[0][0] > SHORT_SECS:
            self._recent.popleft()

    def _begin_period(self, at_secs: float, free_bytes: int) -> None:
        self._period_started = at_secs
        self._lowest_now = self._highest_now = free_bytes

    def full_in_secs(self, at_secs: float, free_bytes: int) -> float | None:
        """Seconds until the disk is full; 0 if it is full; None if it is not known to be filling."""
        left_bytes = free_bytes - self._reserve_bytes
        if left_bytes <= 0:
            return 0.0
        found = [
            secs
            for secs in (self._within_period(at_secs, free_bytes, left_bytes), self._over_periods(left_bytes))
            if secs
        ]
        return min(found, default=None)

    def _within_period(self, at_secs: float, free_bytes: int, left_bytes: int) -> float | None:
        started, free_then = self._recent[0] if self._recent else (at_secs, free_bytes)
        took_secs, fallen_bytes = at_secs - started, free_then - free_bytes
        if took_secs < SHORT_SECS / 5 or fallen_bytes <= 0:
            return None
        secs = left_bytes * took_secs / fallen_bytes
        return secs if secs < self._period_secs else None

    def _over_periods(self, left_bytes: int) -> float | None:
        periods = len(self._lowest)
        if periods <= 1:
            return None
        by_lowest = (self._lowest[0] - self._lowest[-1]) / (periods - 1)
        # The present period takes part with its highest value, which is known as soon as space is freed.
        by_highest = (self._highest[0] - self._highest_now) / periods
        fallen_bytes = min(by_lowest, by_highest)
        return left_bytes * self._period_secs / fallen_bytes if fallen_bytes > 0 else None
