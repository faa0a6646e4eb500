"""How long a stream may be silent before something is wrong: learned from how long it was silent before.

The longest of the last intervals, times a factor. A stream that trades once in ten minutes is not called silent for it;
one that speaks ten times a second is missed soon. An outage is an interval too: once a rhythm is learned, an interval can
at most double the limit, and it is forgotten with the others.

A subscribed stream that has never spoken has a StreamActivity, too. So what was missed follows the stream: through feeds that
are renamed, symbols that come and go, and connections that carry other streams than before.
"""

from typing import Final, NamedTuple

import msgspec

from collector.domain.names import gap_id
from collector.domain.records import Gap, StreamKey

FACTOR: Final = 4.0
"""How many times its longest interval a stream may take."""

LEARNED_AFTER: Final = 8
"""So many intervals make a rhythm. Until then the limit is the given one, or longer."""

REMEMBERED: Final = 64
"""At least so many intervals are remembered, at most twice as many."""

HIGHEST_SECS: Final = 4 * 3600.0
"""No stream may be silent for longer, whatever it did before."""

_GROWTH: Final = 2.0

CONTINUITY: Final = "continuity"
"""Repairs a silence after which the ids go on where they stopped: there was nothing to say."""


class Bounds(NamedTuple):
    """Between what limits lie: to begin with, at the tightest (no more than that), and at the most."""

    unlearned_secs: float
    lowest_secs: float
    highest_secs: float = HIGHEST_SECS


class LearnedIntervals(msgspec.Struct, array_like=True):
    """What a rhythm remembers."""

    count: int = 0
    longest_secs: float = 0.0
    before_secs: float = 0.0


class SilenceLimit:
    """One stream's; `learned` is kept, and begins it anew elsewhere."""

    __slots__ = ("_bounds", "learned", "limit_secs")

    def __init__(self, bounds: Bounds, learned: LearnedIntervals) -> None:
        self._bounds = bounds
        self.learned = learned
        self.limit_secs = self._limit_secs()
        """How long it may be silent."""

    @property
    def is_learned(self) -> bool:
        """Whether the limit is its own."""
        return self.learned.count >= LEARNED_AFTER

    def note(self, interval_secs: float) -> None:
        """It spoke again, so long after the time before."""
        learned = self.learned
        if learned.count >= LEARNED_AFTER:
            interval_secs = min(interval_secs, _GROWTH * self.limit_secs / FACTOR)
        learned.count += 1
        if learned.count % REMEMBERED == 0:
            learned.before_secs, learned.longest_secs = learned.longest_secs, 0.0
        learned.longest_secs = max(learned.longest_secs, interval_secs)
        self.limit_secs = self._limit_secs()

    def _limit_secs(self) -> float:
        bounds, learned = self._bounds, self.learned
        lowest_secs = bounds.lowest_secs if learned.count >= LEARNED_AFTER else bounds.unlearned_secs
        highest_secs = max(bounds.highest_secs, bounds.unlearned_secs)
        return min(max(FACTOR * max(learned.longest_secs, learned.before_secs), lowest_secs), highest_secs)


class Outage(NamedTuple):
    """A stretch in which no connection that carries the stream stood."""

    since_us: int
    until_us: int
    cause: str
    """disconnect, or restart where ingest itself was away."""


class StreamActivity(msgspec.Struct, array_like=True):
    """What is remembered of one stream; it commits with the rows."""

    learned: LearnedIntervals = msgspec.field(default_factory=LearnedIntervals)
    heard_us: int = 0
    """When its newest message was received."""
    checked_us: int = 0
    """The same, as of the last look."""
    silent_since_us: int | None = None
    """Since when, while a row says so."""
    away: tuple[int, str] | None = None
    """Since when no connection carries it, and why."""
    refused_since_us: int | None = None
    """Since when its frames are refused for want of disk."""
    listened_us: int = 0
    """How long it was listened to without a word, on connections that are over."""
    first_us: int = 0
    """When a connection that carries it first stood; 0 if that is not known."""

    def leave(self, at_us: int, cause: str) -> None:
        """No connection carries it any more; what was said before stays true."""
        self.away = self.away or (at_us, cause)

    def come_back(self, at_us: int) -> Outage | None:
        """A connection carries it; returns the outage this ends, if any."""
        self.first_us = self.first_us or at_us
        if self.away is None:
            return None
        (since_us, cause), self.away = self.away, None
        return Outage(since_us, max(at_us, since_us), cause)

    def pause(self, since_us: int, at_us: int) -> None:
        """The connection that carried it since then is over: count how long it said nothing there."""
        before_us = self.listened_us if self.heard_us < since_us else 0
        self.listened_us = before_us + max(0, at_us - max(since_us, self.heard_us))

    def silent_us(self, since_us: int, now_us: int) -> int:
        """How long it has said nothing while it was listened to, now without a break since `since_us`."""
        before_us = self.listened_us if self.heard_us < since_us else 0
        return before_us + now_us - max(since_us, self.heard_us)


def silence(key: StreamKey, since_us: int, now_us: int) -> Gap:
    """The ledger's row for a stream that should have spoken by now."""
    return _row(key, since_us, None, "open", None, now_us)


def end_of_silence(key: StreamKey, since_us: int, now_us: int, *, nothing_missing: bool) -> Gap:
    """The row that replaces it once the stream speaks; what was missed, if it was anything, cannot be told."""
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
