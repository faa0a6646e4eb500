"""How often each request was tried, and from when on it may be tried again. In memory only."""

from collections import Counter
from collections.abc import Callable
from typing import Final

from collector.processes.repair.retry_policy import RetryPolicy

STALE_DELAY_SECS: Final = 1.0
"""Delay before a book is fetched again because the last one was older than the break, in seconds."""

STALE_TRIES: Final = 5
"""After this many stale books the delay is STALE_LATER_DELAY_SECS."""

STALE_LATER_DELAY_SECS: Final = 60.0
"""Delay after STALE_TRIES stale books, in seconds."""


class Tries:
    """By the request's name."""

    def __init__(self, now: Callable[[], float]) -> None:
        """`now` returns monotonic seconds."""
        self._now = now
        self._not_before: dict[str, float] = {}
        self._counts: Counter[str] = Counter()
        self.policy = RetryPolicy()

    def count(self, name: str) -> int:
        """How often it was tried in vain."""
        return self._counts[name]

    def may_begin(self, name: str, now: float) -> bool:
        """Whether it may be tried now."""
        return self._not_before.get(name, 0.0) <= now

    def put_off(self, name: str, secs: float) -> None:
        """It is not to be tried again for so long."""
        self._not_before[name] = self._now() + secs

    def failed(self, name: str) -> None:
        """It was tried in vain."""
        self._counts[name] += 1

    def refused(self, name: str, status: int, *, never_give_up: bool) -> float | None:
        """It was refused, or its answer was unreadable; returns the delay before the next try, or None to give up."""
        delay_secs = self.policy.retry_delay_secs(name, status, self._now(), never_give_up=never_give_up)
        if delay_secs is None:
            self.forget(name)
        else:
            self.put_off(name, delay_secs)
        return delay_secs

    def stale(self, name: str) -> None:
        """The book that came is older than the break."""
        self.failed(name)
        self.put_off(name, STALE_DELAY_SECS if self.count(name) < STALE_TRIES else STALE_LATER_DELAY_SECS)

    def forget(self, name: str) -> None:
        """It begins anew, or is not asked any more."""
        self._not_before.pop(name, None)
        del self._counts[name]
        self.policy.forget(name)
