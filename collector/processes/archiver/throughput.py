"""Upload rate over the last minute, of the time in which there was something to upload."""

from collections import deque
from typing import Final

WINDOW_SECS: Final = 60.0


class Throughput:
    """The rate of a total that only rises. Times are monotonic."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, int]] = deque()

    def note(self, at_secs: float, total: int, *, idle: bool) -> None:
        """Note the total at a time. `idle`: there is nothing to do, so the time before this does not count."""
        if idle:
            self._points.clear()
        self._points.append((at_secs, total))
        while len(self._points) > 2 and at_secs - self._points[1][0] >= WINDOW_SECS:  # noqa: PLR2004 -- a rate needs two
            self._points.popleft()

    def per_sec(self) -> float | None:
        """The rate; None while it is unknown."""
        if len(self._points) <= 1:
            return None
        (began, before), (ended, after) = self._points[0], self._points[-1]
        return (after - before) / (ended - began) if ended > began and after > before else None
