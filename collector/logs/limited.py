"""A logger for events that may come a thousand times a second, with a limit for each key."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

from collector.domain.log import Log

RATE_LIMIT_SECS: Final = 60.0
RATE_LIMIT_KEYS: Final = 1_000


class RateLimited:
    """Writes one line in RATE_LIMIT_SECS for each event and key; remembers the RATE_LIMIT_KEYS newest of them."""

    def __init__(self, log: Log, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._monotonic = monotonic
        self._seen: OrderedDict[tuple[str, str], tuple[float, int]] = OrderedDict()

    def warning(self, event: str, key: str, **fields: Any) -> None:
        """Log the event with `held_back`, the number of its lines that were suppressed since the last one; or suppress it."""
        now = self._monotonic()
        logged_at, held_back = self._seen.pop((event, key), (-RATE_LIMIT_SECS, 0))
        if now - logged_at < RATE_LIMIT_SECS:
            self._seen[event, key] = (logged_at, held_back + 1)
            return
        self._seen[event, key] = (now, 0)
        if len(self._seen) > RATE_LIMIT_KEYS:
            self._seen.popitem(last=False)
        self._log.warning(event, key=key, held_back=held_back, **fields)
