"""When a stream was heard, and whether it has been silent for longer than its own rhythm allows."""

import msgspec

from collector.domain.names import gap_id
from collector.domain.records import Gap, StreamKey
from collector.domain.rhythm import Learned

CONTINUITY = "continuity"
"""Repairs a silence after which the ids go on where they stopped: there was nothing to say."""


class Hearing(msgspec.Struct, array_like=True):
    """What is remembered of one stream; it commits with the rows."""

    learned: Learned = msgspec.field(default_factory=Learned)
    heard_us: int = 0
    """When its newest message was received."""
    noted_us: int = 0
    """The same, as of the last look."""
    silent_since_us: int | None = None
    """Since when, while a row says so."""
    left: tuple[int, str] | None = None
    """Since when no feed brings it, and why."""


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
