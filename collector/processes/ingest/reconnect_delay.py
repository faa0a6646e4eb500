"""How long a line waits before its next connection attempt."""

from collections.abc import Callable
from typing import Final, NamedTuple

from collector.backoff import delays
from collector.config import IngestConfig
from collector.domain.retry import ban_secs, retry_after_secs
from collector.feed.handshake import HandshakeError

_BAN_STATUSES: Final = frozenset({418, 429})
"""Too many requests from this address: https://developers.binance.com/docs/binance-spot-api-docs/rest-api/limits"""


class FailureDelay(NamedTuple):
    """What follows from one failed attempt."""

    delay_secs: float
    """Time until this line's next attempt."""
    ban_secs: float | None
    """How long the exchange bans this whole address; None if it does not."""


class ReconnectDelay:
    """The delays of one line: exponential with full jitter, see `collector.backoff`.

    They grow from `ingest.reconnect_base_delay_secs` (5) to `ingest.reconnect_max_delay_secs` (300) with each attempt that
    fails and each connection that ends before it has proven itself: brought market data, or stayed open for
    `ingest.stale_timeout_secs`. Then `reset` begins anew. After 429 or 418 the delay is what the exchange asks for, at most
    3 days, or else 120 s, doubling up to 30 min: see `collector.domain.retry`.
    """

    def __init__(self, config: Callable[[], IngestConfig], random: Callable[[], float]) -> None:
        """`config` returns the present settings: others than before begin the delays anew."""
        self._config = config
        self._random = random
        self.reset()

    def reset(self) -> None:
        """A connection has proven itself: the next delay is drawn from the shortest range."""
        self._begin(self._config())
        self._bans = 0

    def next_secs(self) -> float:
        """Seconds to wait before the next attempt; the range of the one after is twice as wide, up to the maximum."""
        config = self._config()
        if config is not self._begun_by:
            self._begin(config)
        return next(self._delays)

    def after_failure(self, error: HandshakeError | OSError, now_secs: float) -> FailureDelay:
        """The delay after a failed attempt: what the exchange asks for, if that is longer; `now_secs` is wall time.

        Only a ban may be longer than the maximum.
        """
        own_secs = self.next_secs()
        if not isinstance(error, HandshakeError):
            return FailureDelay(own_secs, None)
        asked_secs = retry_after_secs(error.retry_after or "", now_secs)
        if error.status not in _BAN_STATUSES:
            return FailureDelay(max(own_secs, min(asked_secs or 0.0, self._begun_by.reconnect_max_delay_secs)), None)
        banned_secs = ban_secs(asked_secs, self._bans)
        self._bans += 1
        return FailureDelay(max(own_secs, banned_secs), banned_secs)

    def _begin(self, config: IngestConfig) -> None:
        self._begun_by = config
        self._delays = delays(config.reconnect_base_delay_secs, config.reconnect_max_delay_secs, self._random)
