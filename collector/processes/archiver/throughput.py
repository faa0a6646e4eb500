"""How fast a backlog goes down: a rate over the last minute, of the time in which there was something to do."""

from collections import deque
from typing import Final

WINDOW_SECS: Final = 60.0


class Throughput:
    """Remembers a total that only rises. Times are monotonic."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, int]] = deque()

    def note(self, at_secs: float, total: int, *, idle: bool) -> None:
        """The total stood so at this time; `idle`: and there is nothing to do, so what passes from here on does not count."""
        if idle:
            self._points.clear()
        self._points.append((at_secs, total))
        while len(self._points) > 2 and at_secs - self._points[1][0] >= WINDOW_SECS:  # noqa: PLR2004 -- a rate needs two
            self._points.popleft()

    def per_sec(self) -> float | None:
        """The rate lately; None while nothing is known of it."""
        if len(self._points) <= 1:
            return None
        (began, before), (ended, after) = self._points[0], self._points[-1]
        return (after - before) / (ended - began) if ended > began and after > before else None
