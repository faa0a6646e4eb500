"""How long the archiver waits before it tries again."""

import random
from collections.abc import Callable, Iterator
from typing import Final

from structlog.typing import FilteringBoundLogger

from collector.backoff import delays
from collector.domain.store_state import State

REFUSED_SECS: Final = 60.0
"""A store that refuses is looked at again so soon at the latest: whoever mended it waits for the recorder."""

_SHARE_AT_LEAST: Final = 0.5
"""Of the longest wait, while only a person can mend what is wrong."""


def new_delays(state: State, base_secs: float, cap_secs: float) -> Iterator[float]:
    """Seconds to wait before each next try, without end: exponential with full jitter; near the cap at once where the
    store refuses, but not above REFUSED_SECS.
    """
    if state == "refusing":
        while True:
            yield random.uniform(_SHARE_AT_LEAST, 1.0) * min(cap_secs, REFUSED_SECS)  # noqa: S311 -- jitter is no secret
    yield from delays(base_secs, cap_secs, random.random)


class Backoffs:
    """What is left alone for a while, by name; each pause of a name is longer than the one before."""

    def __init__(self, delays: Callable[[], Iterator[float]], now: Callable[[], float]) -> None:
        self._new_delays = delays
        self._now = now
        self._delays: dict[str, Iterator[float]] = {}
        self._until: dict[str, float] = {}

    def begin(self, name: str) -> None:
        """Leave it alone from now on."""
        delays = self._delays.setdefault(name, self._new_delays())
        self._until[name] = self._now() + next(delays)

    def begin_for(self, name: str, secs: float) -> None:
        """Leave it alone for so long."""
        self._until[name] = self._now() + secs

    def is_over(self, name: str) -> bool:
        """Whether it may be tried."""
        return name not in self._until or self._now() >= self._until[name]

    def forget(self, name: str) -> None:
        """It went well."""
        self._delays.pop(name, None)
        self._until.pop(name, None)

    def end_all(self) -> None:
        """Let everything be tried now."""
        self._until.clear()


class Deferred:
    """Segments and sets that cannot go up at present, for reasons of their own: each is tried again, less and less often.

    Says in the log when one begins to be held.
    """

    def __init__(self, pauses: Backoffs, log: FilteringBoundLogger) -> None:
        self._pauses = pauses
        self._log = log
        self.reasons: dict[str, str] = {}
        """Why each cannot go up, by segment."""

    def hold(self, segment_id: str, reason: str) -> None:
        """Leave it alone for a while, each time longer; nothing more while it is left alone."""
        if segment_id not in self.reasons:
            self._log.warning("archiving_held_up", error=reason)
        self.reasons[segment_id] = reason
        if self._pauses.is_over(segment_id):
            self._pauses.begin(segment_id)

    def due(self) -> list[str]:
        """Those that may be tried again."""
        return [segment_id for segment_id in self.reasons if self._pauses.is_over(segment_id)]

    def release(self, segment_id: str) -> None:
        """It went up, is made anew, or will never be read; nothing where it was not held."""
        if self.reasons.pop(segment_id, None) is not None:
            self._pauses.forget(segment_id)
