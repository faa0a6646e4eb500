"""How many connection attempts an exchange allows one IP address: a file counts those of this recorder, over all its feeds."""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from collector.feed.connection_queue import Asker, Waiting, ahead_of, still_waiting, with_asker, without
from collector.feed.shared_budget import BanState, SharedBudget


class _AttemptLog(BanState, omit_defaults=True):
    """The content of the file."""

    attempts: list[float] = msgspec.field(default_factory=list)
    """Times of the attempts within the window, in seconds since the epoch."""
    waiting: list[Waiting] = msgspec.field(default_factory=list)
    """Who was told to wait."""


class ConnectionBudget(SharedBudget[_AttemptLog]):
    """At most `attempts` connection attempts in any `window_secs`, over all processes that share the file.

    Of those that wait, the first in the queue get the next ones: see `connection_queue`. Times in the future, left by a
    wall clock that was set back, do not count.
    """

    def __init__(self, path: Path, attempts: int, window_secs: float, now_ns: Callable[[], int]) -> None:
        super().__init__(path, _AttemptLog, now_ns)
        self._attempts = attempts
        self._window_secs = window_secs

    def take(self, asker: Asker) -> float:
        """0.0 if it may attempt to connect now, which then counts; else the seconds to wait before the next call.

        Who does not call again within LOOK_AGAIN_SECS loses its place among those that wait.
        """
        return self._wait_secs(lambda log, now: self._take(log, now, asker))

    def _take(self, log: _AttemptLog, now: float, asker: Asker) -> float:
        log.attempts = [at for at in log.attempts if now - self._window_secs < at <= now]
        log.waiting = still_waiting(log.waiting, now)
        wait = max(
            wait_secs(log.attempts, now, self._attempts, self._window_secs, ahead_of(asker, log.waiting)),
            log.ban_left_secs(now),
        )
        if wait == 0:
            log.attempts.append(now)
            log.waiting = without(log.waiting, asker)
        else:
            log.waiting = with_asker(log.waiting, asker, now)
        return wait


def wait_secs(attempts: Sequence[float], now: float, allowed: int, window_secs: float, ahead: int = 0) -> float:
    """Seconds until one more attempt, after `ahead` others, makes at most `allowed` in any `window_secs`.

    `attempts` are those in the window. The others ahead are taken to be made as soon as they may.
    """
    latest = sorted(attempts)[-allowed:]
    turns, place = divmod(len(latest) + ahead, allowed)
    if turns == 0:
        return 0.0
    first = latest[place] if place < len(latest) else now
    return max(0.0, first + turns * window_secs - now)
