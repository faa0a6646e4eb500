"""The rate at which a count rose: at present, and in each step of the last minutes."""

from collections import deque
from typing import Final

STEP_SECS: Final = 5.0
STEPS: Final = 60
"""Five minutes."""

_NOW_STEPS: Final = 2
"""Steps the present rate is measured over: rows become durable batch by batch, and one step would flicker."""


class RateHistory:
    """The last values of a count that only rises."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, int]] = deque(maxlen=STEPS + 1)

    def note(self, at_secs: float, total: int) -> None:
        """Take in the count at this monotonic time; ignored within STEP_SECS of the last value taken."""
        if not self._points or at_secs - self._points[-1][0] >= STEP_SECS:
            self._points.append((at_secs, total))

    def rates(self) -> list[float]:
        """The rate per second of each step, oldest first."""
        points = list(self._points)
        return [_rate(points[index], points[index + 1]) for index in range(len(points) - 1)]

    def per_sec(self) -> float | None:
        """The present rate per second; None before the first step is over."""
        if len(self._points) <= 1:
            return None
        return _rate(self._points[max(-len(self._points), -1 - _NOW_STEPS)], self._points[-1])


def _rate(before: tuple[float, int], after: tuple[float, int]) -> float:
    return (after[1] - before[1]) / (after[0] - before[0])
