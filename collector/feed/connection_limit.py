"""The connection attempts an exchange allows one address, shared by every feed of the host through a small file."""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from collector.feed.shared_budget import BanState, SharedBudget


class _AttemptLog(BanState):
    """What the file holds."""

    attempts: list[float] = msgspec.field(default_factory=list)


class ConnectionBudget(SharedBudget[_AttemptLog]):
    """At most `attempts` connection attempts in any `window_secs`, over all processes that use the same file.

    Times in the future (the wall clock stepped back) do not count.
    """

    def __init__(self, path: Path, attempts: int, window_secs: float, now_ns: Callable[[], int]) -> None:
        super().__init__(path, _AttemptLog, now_ns)
        self._attempts = attempts
        self._window_secs = window_secs

    def take(self) -> float:
        """0.0 if an attempt may be made now, which is then noted; else the seconds after which to ask again."""
        return self._wait_secs(self._take)

    def _take(self, ledger: _AttemptLog, now: float) -> float:
        ledger.attempts = [at for at in ledger.attempts if now - self._window_secs < at <= now]
        wait = max(
            wait_secs(ledger.attempts, now, self._attempts, self._window_secs),
            ledger.ban_left_secs(now),
        )
        if wait == 0:
            ledger.attempts.append(now)
        return wait


def wait_secs(attempts: Sequence[float], now: float, allowed: int, window_secs: float) -> float:
    """Seconds until a further attempt keeps to `allowed` in any `window_secs`; `attempts` lie within the window."""
    if len(attempts) < allowed:
        return 0.0
    return max(0.0, sorted(attempts)[-allowed] + window_secs - now)
