"""Counts how often each process was restarted lately. No I/O, no clock."""

from collections import defaultdict, deque
from collections.abc import Iterable
from typing import Final

from collector.monitoring.view import ChildState

WINDOW_SECS: Final = 300.0
"""A restart counts for this long."""


class RecentRestarts:
    """Remembers when each process was restarted, as far back as WINDOW_SECS."""

    def __init__(self) -> None:
        self._times: defaultdict[str, deque[float]] = defaultdict(deque)
        self._seen: defaultdict[str, int] = defaultdict(int)

    def update(self, children: Iterable[ChildState], uptime_secs: float) -> dict[str, int]:
        """Take in the children's restart counts; returns the restarts of each within WINDOW_SECS."""
        return {child.name: self._update(child, uptime_secs) for child in children}

    def _update(self, child: ChildState, uptime_secs: float) -> int:
        times = self._times[child.name]
        times.extend([uptime_secs] * (child.restarts - self._seen[child.name]))
        self._seen[child.name] = child.restarts
        while times and uptime_secs - times[0] > WINDOW_SECS:
            times.popleft()
        return len(times)
