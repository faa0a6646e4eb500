"""How long a stream may be silent before something is wrong, and what is remembered of when it was heard.

The silence limit is learned: the longest of the last intervals between messages, times a factor. A stream that trades
once in ten minutes is not silent after nine; one that speaks ten times a second is missed soon. An outage is an interval
too: once the limit is learned, one interval can at most double it, and it is forgotten with the others.

A subscribed stream that has never spoken has a StreamActivity too. So what was missed follows the stream: through feeds
that are renamed, symbols that come and go, and connections that carry other streams than before.
"""

from typing import Final, NamedTuple

import msgspec

from collector.domain.names import gap_id
from collector.domain.records import Gap, StreamKey

FACTOR: Final = 4.0
"""The silence limit is this many times the longest interval."""

LEARNED_AFTER: Final = 8
"""Intervals until the limit is learned. Until then it is the configured one, or longer."""

REMEMBERED: Final = 64
"""Intervals remembered at least; at most twice as many."""

HIGHEST_SECS: Final = 4 * 3600.0
"""The longest silence limit, whatever was learned."""

_GROWTH: Final = 2.0

CONTINUITY: Final = "continuity"
"""`repaired_by` of a silence after which the ids go on where they stopped: the exchange had nothing to send."""


class Bounds(NamedTuple):
    """Silence limit before learning, its minimum and its maximum."""

    unlearned_secs: float
    lowest_secs: float
    highest_secs: float = HIGHEST_SECS


class LearnedIntervals(msgspec.Struct, array_like=True):
    """What a silence limit is learned from."""

    count: int = 0
    longest_secs: float = 0.0
    previous_longest_secs: float = 0.0


class SilenceLimit:
    """The silence limit of one stream; it is restored from `learned`."""

    __slots__ = ("_bounds", "learned", "limit_secs")

    def __init__(self, bounds: Bounds, learned: LearnedIntervals) -> None:
        self._bounds = bounds
        self.learned = learned
        self.limit_secs = self._limit_secs()
        """Seconds the stream may be silent."""

    @property
    def is_learned(self) -> bool:
        """Whether the limit is learned from the stream itself."""
        return self.learned.count >= LEARNED_AFTER

    def note(self, interval_secs: float) -> None:
        """The stream spoke `interval_secs` after the time before."""
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
    """A time in which no connection carried the stream."""

    since_us: int
    until_us: int
    cause: str
    """disconnect, or restart where ingest itself was away."""


class StreamActivity(msgspec.Struct, array_like=True):
    """When one stream was heard and listened to; it commits with the rows."""

    learned: LearnedIntervals = msgspec.field(default_factory=LearnedIntervals)
    last_message_us: int = 0
    """When its newest message was received."""
    checked_us: int = 0
    """`last_message_us` as of the last check for silence."""
    silent_since_us: int | None = None
    """Since when the stream is silent, while an open row says so; else None."""
    offline: tuple[int, str] | None = None
    """Since when no connection carries the stream, and why; None while one does."""
    refused_since_us: int | None = None
    """Since when its frames are refused because the disk budget is used up."""
    quiet_connected_us: int = 0
    """How long connections that have ended carried the stream since it was last heard."""
    first_us: int = 0
    """When a connection first carried the stream; 0 if that is not known."""

    def go_offline(self, at_us: int, cause: str) -> None:
        """No connection carries the stream any more. If that was so before, the earlier time stays."""
        self.offline = self.offline or (at_us, cause)

    def come_online(self, at_us: int) -> Outage | None:
        """A connection carries the stream again; returns the outage this ends, if any."""
        self.first_us = self.first_us or at_us
        if self.offline is None:
            return None
        (since_us, cause), self.offline = self.offline, None
        return Outage(since_us, max(at_us, since_us), cause)

    def add_quiet_time(self, since_us: int, at_us: int) -> None:
        """The connection that carried the stream since `since_us` has ended: count how long the stream was silent on it."""
        earlier_us = self.quiet_connected_us if self.last_message_us < since_us else 0
        self.quiet_connected_us = earlier_us + max(0, at_us - max(since_us, self.last_message_us))

    def silent_us(self, since_us: int, now_us: int) -> int:
        """How long the stream has been silent while connections carried it, the present one since `since_us`."""
        earlier_us = self.quiet_connected_us if self.last_message_us < since_us else 0
        return earlier_us + now_us - max(since_us, self.last_message_us)


def silence(key: StreamKey, since_us: int, now_us: int) -> Gap:
    """The row that opens a silence: the stream should have spoken by now."""
    return _row(key, since_us, None, "open", None, now_us)


def end_of_silence(key: StreamKey, since_us: int, now_us: int, *, nothing_missing: bool) -> Gap:
    """The row that closes a silence once the stream speaks; how much was missed, if anything, cannot be known."""
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
