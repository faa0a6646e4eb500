"""Durations counted in buckets with fixed bounds, for a Prometheus histogram."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Final

BOUNDS_US: Final = (
    1_000, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000, 30_000_000, 60_000_000, 300_000_000,
)  # fmt: skip
"""Upper bound of each bucket, 1 ms to 5 minutes. One more bucket counts everything above."""


class Histogram:
    """Counts that only rise. A negative duration, which a wrong clock can cause, is counted as zero."""

    __slots__ = ("counts", "sum_us")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_US) + 1)
        self.sum_us = 0

    def add(self, value_us: int, times: int = 1) -> None:
        """Count one value `times` times."""
        self.counts[bisect_left(BOUNDS_US, value_us)] += times
        self.sum_us += max(0, value_us) * times

    def add_all(self, ascending_us: list[int]) -> None:
        """Count many values with one search for each bucket, however many there are."""
        before = 0
        for index, bound in enumerate(BOUNDS_US):
            below = bisect_right(ascending_us, bound, before)
            self.counts[index] += below - before
            before = below
        self.counts[-1] += len(ascending_us) - before
        self.sum_us += sum(ascending_us[bisect_left(ascending_us, 0) :])

    def rows(self) -> Iterator[tuple[int, int]]:
        """Index and count of each bucket that is not empty, then -1 and the sum in microseconds."""
        yield from ((index, count) for index, count in enumerate(self.counts) if count)
        yield -1, self.sum_us
