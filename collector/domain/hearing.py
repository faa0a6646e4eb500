"""When a stream was heard, since when nobody listens to it, and whether it was silent for longer than its rhythm allows.

A subscribed stream that has never spoken has a StreamActivity, too. So what was missed follows the stream: through feeds that
are renamed, symbols that come and go, and connections that carry other streams than before.
"""

from typing import NamedTuple

import msgspec

from collector.domain.names import gap_id
from collector.domain.records import Gap, StreamKey
from collector.domain.silence import LearnedIntervals

CONTINUITY = "continuity"
"""Repairs a silence after which the ids go on where they stopped: there was nothing to say."""


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
    noted_us: int = 0
    """The same, as of the last look."""
    silent_since_us: int | None = None
    """Since when, while a row says so."""
    left: tuple[int, str] | None = None
    """Since when no connection carries it, and why."""
    refused_since_us: int | None = None
    """Since when its frames are refused for want of disk."""
    listened_us: int = 0
    """How long it was listened to without a word, on connections that are over."""
    first_us: int = 0
    """When a connection that carries it first stood; 0 if that is not known."""

    def leave(self, at_us: int, cause: str) -> None:
        """No connection carries it any more; what was said before stays true."""
        self.left = self.left or (at_us, cause)

    def come_back(self, at_us: int) -> Outage | None:
        """A connection carries it; returns the outage this ends, if any."""
        self.first_us = self.first_us or at_us
        if self.left is None:
            return None
        (since_us, cause), self.left = self.left, None
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
