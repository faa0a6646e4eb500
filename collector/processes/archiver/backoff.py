"""How long the archiver waits before it retries."""

import random
from collections.abc import Callable, Iterator
from typing import Final

from collector.backoff import delays
from collector.domain.log import Log
from collector.domain.store_state import State

REFUSED_SECS: Final = 60.0
"""Longest wait while the store refuses: whoever fixed it is waiting for the recorder to notice."""

_SHARE_AT_LEAST: Final = 0.5
"""Of the longest wait, while only a person can fix what is wrong."""


def new_delays(state: State, base_secs: float, cap_secs: float) -> Iterator[float]:
    """Seconds to wait before each next try, without end: exponential with full jitter; near the cap at once where the
    store refuses, but not above REFUSED_SECS.
    """
    if state == "refusing":
        while True:
            yield random.uniform(_SHARE_AT_LEAST, 1.0) * min(cap_secs, REFUSED_SECS)  # noqa: S311 -- jitter is no secret
    yield from delays(base_secs, cap_secs, random.random)


class Backoffs:
    """Backoffs by name; each backoff of a name is longer than the one before."""

    def __init__(self, delays: Callable[[], Iterator[float]], now: Callable[[], float]) -> None:
        self._new_delays = delays
        self._now = now
        self._delays: dict[str, Iterator[float]] = {}
        self._until: dict[str, float] = {}

    def begin(self, name: str) -> None:
        """Begin the next backoff of a name."""
        delays = self._delays.setdefault(name, self._new_delays())
        self._until[name] = self._now() + next(delays)

    def begin_for(self, name: str, secs: float) -> None:
        """Begin a backoff of `secs`."""
        self._until[name] = self._now() + secs

    def is_over(self, name: str) -> bool:
        """Whether the name may be tried now."""
        return name not in self._until or self._now() >= self._until[name]

    def forget(self, name: str) -> None:
        """The name succeeded: its next backoff is the first again."""
        self._delays.pop(name, None)
        self._until.pop(name, None)

    def end_all(self) -> None:
        """End every backoff; the next of each name is still longer than its last."""
        self._until.clear()


class Deferred:
    """Segments and sets that cannot be archived at present, for reasons of their own; each is retried less and less often.

    Logs `archiving_held_up` when one is deferred for the first time.
    """

    def __init__(self, pauses: Backoffs, log: Log) -> None:
        self._pauses = pauses
        self._log = log
        self.reasons: dict[str, str] = {}
        """Why each is deferred, by segment."""

    def hold(self, segment_id: str, reason: str) -> None:
        """Defer a segment, each time longer. While its backoff runs, only the reason is updated."""
        if segment_id not in self.reasons:
            self._log.warning("archiving_held_up", error=reason)
        self.reasons[segment_id] = reason
        if self._pauses.is_over(segment_id):
            self._pauses.begin(segment_id)

    def due(self) -> list[str]:
        """The deferred segments that may be retried now."""
        return [segment_id for segment_id in self.reasons if self._pauses.is_over(segment_id)]

    def release(self, segment_id: str) -> None:
        """The segment is no longer deferred; does nothing for one that was not."""
        if self.reasons.pop(segment_id, None) is not None:
            self._pauses.forget(segment_id)
