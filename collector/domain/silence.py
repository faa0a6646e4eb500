"""How long a stream may be silent before something is wrong, and when each stream last had messages and connections.

The silence limit is learned: the longest of the recent intervals between messages, times a factor. So a stream with a
trade every ten minutes is not silent after nine, and one with ten messages a second is noticed soon. An outage counts as
an interval too: once the limit is learned, one interval can at most double it, and is forgotten like the others.

A subscribed stream without any message has a StreamActivity too. So outages are attributed to the stream even if feeds
are renamed, symbols are removed and added again, or connections carry different streams than before.
"""

from typing import Final, NamedTuple

import msgspec

from collector.domain.coverage import Coverage
from collector.domain.names import gap_id
from collector.domain.past_outage import PastOutage
from collector.domain.records import Gap, StreamKey

FACTOR: Final = 4.0
"""The limit is four times the longest recent interval."""

LEARNED_AFTER: Final = 8
"""Number of intervals after which the limit counts as learned. Until then it is the configured one, or longer."""

REMEMBERED: Final = 64
"""Minimum number of recent intervals kept; at most twice as many."""

HIGHEST_SECS: Final = 4 * 3600.0
"""Default upper bound of a limit; the gap ledger uses `silence.max_secs`."""

_GROWTH: Final = 2.0
"""Factor by which one interval can raise a learned limit at most."""

CONTINUITY: Final = "continuity"
"""`repaired_by` of a silence after which the ids continue without a hole: the exchange had nothing to send."""


LEFT: Final = "left"
"""Why a stream is offline that has left its feed's plans. The ledger has no row for the time until it returns."""


class Bounds(NamedTuple):
    """The limit before one is learned, the smallest limit, the largest limit."""

    unlearned_secs: float
    lowest_secs: float
    highest_secs: float = HIGHEST_SECS


class LearnedIntervals(msgspec.Struct, array_like=True):
    """The intervals a silence limit is learned from: their number, and the longest of each of two generations."""

    count: int = 0
    longest_secs: float = 0.0
    previous_longest_secs: float = 0.0


class SilenceLimit:
    """The limit of one stream. `learned` can be stored and passed to a new SilenceLimit."""

    __slots__ = ("_bounds", "learned", "limit_secs")

    def __init__(self, bounds: Bounds, learned: LearnedIntervals) -> None:
        self._bounds = bounds
        self.learned = learned
        self.limit_secs = self._limit_secs()
        """Seconds for which the stream may be silent."""

    @property
    def is_learned(self) -> bool:
        """Whether the limit comes from the stream's own intervals."""
        return self.learned.count >= LEARNED_AFTER

    def note(self, interval_secs: float) -> None:
        """Record the interval since its previous message."""
        learned = self.learned
        if learned.count >= LEARNED_AFTER:
            interval_secs = min(interval_secs, _GROWTH * self.limit_secs / FACTOR)
        learned.count += 1
        if learned.count % REMEMBERED == 0:
            learned.previous_longest_secs, learned.longest_secs = learned.longest_secs, 0.0
        learned.longest_secs = max(learned.longest_secs, interval_secs)
        self.limit_secs = self._limit_secs()

    def _limit_secs(self) -> float:
        bounds, learned = self._bounds, self.learned
        lowest_secs = bounds.lowest_secs if learned.count >= LEARNED_AFTER else bounds.unlearned_secs
        highest_secs = max(bounds.highest_secs, bounds.unlearned_secs)
        return min(max(FACTOR * max(learned.longest_secs, learned.previous_longest_secs), lowest_secs), highest_secs)


class Outage(NamedTuple):
    """A time without a connection that carries the stream."""

    since_us: int
    until_us: int
    cause: str
    """`disconnect`, `restart` if ingest itself was not running, or `left` if nobody asked for the stream."""


class StreamActivity(msgspec.Struct, array_like=True):
    """When one stream last had messages and connections; committed with the rows."""

    learned: LearnedIntervals = msgspec.field(default_factory=LearnedIntervals)
    last_message_us: int = 0
    """When its newest message was received."""
    checked_us: int = 0
    """`last_message_us` as of the last check for silence."""
    silent_since_us: int | None = None
    """When the silence began, while an open gap row says so; else None."""
    offline: tuple[int, str] | None = None
    """When the last connection that carried the stream ended, and why; None while one carries it."""
    refused_since_us: int | None = None
    """When ingest began to refuse its frames because the disk budget is used up; None while it accepts them."""
    quiet_connected_us: int = 0
    """For how long, since its last message, it was carried by connections that have ended."""
    first_us: int = 0
    """When a connection first carried the stream; 0 if unknown, or if none has yet."""
    carried_since_us: int = 0
    """When a connection carried it again after a time without any; 0 if unknown. A stream may join a plan that has long been
    connected."""
    coverage: Coverage | None = None
    """Which sources carry it, if several hosts may record its feed."""
    past_outages: list[PastOutage] = []
    """Outages that a source which is read late may still fill, the newest last."""

    def go_offline(self, at_us: int, cause: str) -> None:
        """Note that no connection carries the stream any more. If it was offline already, the earlier time stays."""
        self.offline = self.offline or (at_us, cause)

    def come_online(self, at_us: int) -> Outage | None:
        """Note that a connection carries the stream again. Returns the outage this ends, if any.

        A stream that left its feed's plans may have had messages after that, for as long as its connection stayed.
        """
        if self.offline is not None or not (self.first_us or self.last_message_us):
            self.carried_since_us = at_us
        self.first_us = self.first_us or at_us
        if self.offline is None:
            return None
        (since_us, cause), self.offline = self.offline, None
        since_us = max(since_us, self.last_message_us)
        return Outage(since_us, max(at_us, since_us), cause)

    def move(self) -> None:
        """Note that another feed brings the stream from now on: it has left its earlier one, and was asked for all the time."""
        if self.offline is not None and self.offline[1] == LEFT:
            self.offline = self.offline[0], "restart"

    def add_quiet_time(self, since_us: int, at_us: int) -> None:
        """Add the time without a message on a connection that carried the stream from `since_us` to `at_us`."""
        earlier_us = self.quiet_connected_us if self.last_message_us < since_us else 0
        self.quiet_connected_us = earlier_us + max(0, at_us - max(since_us, self.last_message_us))

    def silent_us(self, since_us: int, now_us: int) -> int:
        """How long the stream has been silent while connected; the present connection carries it since `since_us`."""
        earlier_us = self.quiet_connected_us if self.last_message_us < since_us else 0
        return earlier_us + now_us - max(since_us, self.last_message_us)


def silence(key: StreamKey, since_us: int, now_us: int) -> Gap:
    """The row that opens a silence: the stream is past its limit."""
    return _row(key, since_us, None, "open", None, now_us)


def end_of_silence(key: StreamKey, since_us: int, now_us: int, *, nothing_missing: bool) -> Gap:
    """The row that closes a silence when a message comes; how many messages were missed, if any, cannot be known."""
    ended_us = max(now_us, since_us)
    if nothing_missing:
        return _row(key, since_us, ended_us, "repaired", CONTINUITY, ended_us)
    return _row(key, since_us, ended_us, "unrepairable", None, ended_us)


def _row(key: StreamKey, since_us: int, ended_us: int | None, status: str, repaired_by: str | None, now_us: int) -> Gap:
    name = gap_id(key, 0, "silence", None, since_us)
    return Gap(
        name, key.data_type, "silence", "exchange", None, None, None, since_us, ended_us, None, status, repaired_by,
        now_us,
    )  # fmt: skip
