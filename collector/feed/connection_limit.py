"""How many connection attempts an exchange allows one IP address: a file counts those of this recorder, over all its feeds."""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from collector.feed.shared_budget import BanState, SharedBudget


class _AttemptLog(BanState):
    """The content of the file."""

    attempts: list[float] = msgspec.field(default_factory=list)
    """Times of the attempts within the window, in seconds since the epoch."""


class ConnectionBudget(SharedBudget[_AttemptLog]):
    """At most `attempts` connection attempts in any `window_secs`, over all processes that share the file.

    Times in the future, left by a wall clock that was set back, do not count.
    """

    def __init__(self, path: Path, attempts: int, window_secs: float, now_ns: Callable[[], int]) -> None:
        super().__init__(path, _AttemptLog, now_ns)
        self._attempts = attempts
        self._window_secs = window_secs

    def take(self) -> float:
        """0.0 if an attempt may be made now, which then counts; else the seconds to wait before the next call."""
        return self._wait_secs(self._take)

    def _take(self, log: _AttemptLog, now: float) -> float:
        log.attempts = [at for at in log.attempts if now - self._window_secs < at <= now]
        wait = max(
            wait_secs(log.attempts, now, self._attempts, self._window_secs),
            log.ban_left_secs(now),
        )
        if wait == 0:
            log.attempts.append(now)
        return wait


def wait_secs(attempts: Sequence[float], now: float, allowed: int, window_secs: float) -> float:
    """Seconds until one more attempt makes at most `allowed` in any `window_secs`; `attempts` are those in the window."""
    if len(attempts) < allowed:
        return 0.0
    return max(0.0, sorted(attempts)[-allowed] + window_secs - now)
