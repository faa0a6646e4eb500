"""Tells a message seen before from a new one, by its id. Whatever cannot be proven a copy is new: nothing is lost.

A stream's memory holds the ids and digests of its newest messages. For dense ids it also holds the holes, so that an
id far back is known to be a copy (outside every hole) or a late one (inside). A dense id that falls back while the
exchange's own time moves on means that the exchange restarted its ids: a new series begins.
"""

from bisect import bisect_right
from enum import Enum, auto
from itertools import islice
from typing import Final

import msgspec

RECENT_IDS: Final = 256
"""How many of a stream's newest ids are remembered at least."""

REDUNDANT_WINDOW_SECS: Final = 10
"""With redundant lines, ids this young are remembered too: one line may lag behind the other."""

RECENT_IDS_LIMIT: Final = 65_536
"""A stream never remembers more than twice this."""

MAX_HOLES: Final = 1_024

_DIGEST_BITS: Final = 32
_DIGEST_MASK: Final = (1 << _DIGEST_BITS) - 1


class Verdict(Enum):
    """What a message is to its stream."""

    NEW = auto()
    COPY = auto()
    """Same id, same content: merged and counted."""
    CONFLICT = auto()
    """A known id with other content: stored and reported."""
    RESET = auto()
    """The first message of a new series."""


class Progress(msgspec.Struct, array_like=True):
    """The part of a stream's memory that changes with every message: it commits with the rows."""

    series: int = 0
    last_id: int | None = None
    last_exchange_us: int | None = None
    floor: int = 0
    """Dense ids below this are unknown, seen or not."""
    holes: list[tuple[int, int]] = []
    """Missing dense ids between floor and last, as (first, last), ascending."""


class StreamMemory:
    """What one stream remembers. `judge` is its only rule; it depends on nothing but what it was told before."""

    def __init__(self, *, dense: bool, redundant: bool, progress: Progress, recent: dict[int, int]) -> None:
        self._dense = dense
        self._redundant = redundant
        self.progress = progress
        self._recent = recent
        self._trim_at = max(2 * RECENT_IDS, 2 * len(recent))

    @property
    def recent(self) -> dict[int, int]:
        """The newest ids in order of arrival, each with receive time (s) and digest in one 64-bit integer."""
        return self._recent

    def judge(self, message_id: int, exchange_us: int | None, received_us: int, digest: int) -> Verdict:
        """Say what this message is, and remember it. `digest` is a 32-bit checksum of its content."""
        known = self._recent.get(message_id)
        if known is not None:
            return Verdict.COPY if known & _DIGEST_MASK == digest else Verdict.CONFLICT
        verdict = self._place(message_id, exchange_us) if self._dense else Verdict.NEW
        if verdict is not Verdict.COPY:
            self.remember(message_id, received_us, digest)
        return verdict

    def remember(self, message_id: int, received_us: int, digest: int) -> None:
        """Keep an id among the newest, without judging it."""
        self._recent[message_id] = received_us // 1_000_000 << _DIGEST_BITS | digest
        if len(self._recent) >= self._trim_at:
            self._trim(received_us)

    def _place(self, message_id: int, exchange_us: int | None) -> Verdict:
        progress = self.progress
        last = progress.last_id
        if last is None:
            progress.floor = message_id
        elif message_id == last + 1:
            pass
        elif message_id > last:
            self._add_hole(last + 1, message_id - 1)
        else:
            return self._behind(message_id, exchange_us)
        progress.last_id = message_id
        progress.last_exchange_us = exchange_us
        return Verdict.NEW

    def _behind(self, message_id: int, exchange_us: int | None) -> Verdict:
        if message_id < self.progress.floor or self._fill(message_id):
            return Verdict.NEW
        newest_us = self.progress.last_exchange_us
        if exchange_us is None or newest_us is None:
            return Verdict.NEW
        return Verdict.COPY if exchange_us <= newest_us else self._restart(message_id, exchange_us)

    def _restart(self, message_id: int, exchange_us: int) -> Verdict:
        self.progress = Progress(self.progress.series + 1, message_id, exchange_us, message_id, [])
        self._recent.clear()
        return Verdict.RESET

    def _add_hole(self, first: int, last: int) -> None:
        holes = self.progress.holes
        holes.append((first, last))
        if len(holes) > MAX_HOLES:
            self.progress.floor = holes.pop(0)[1] + 1

    def _fill(self, message_id: int) -> bool:
        holes = self.progress.holes
        at = bisect_right(holes, (message_id, message_id)) - 1
        for index in (at, at + 1):
            if 0 <= index < len(holes) and holes[index][0] <= message_id <= holes[index][1]:
                first, last = holes[index]
                parts = [(first, message_id - 1), (message_id + 1, last)]
                holes[index : index + 1] = [part for part in parts if part[0] <= part[1]]
                return True
        return False

    def _trim(self, now_us: int) -> None:
        keep = RECENT_IDS
        if self._redundant:
            oldest = now_us // 1_000_000 - REDUNDANT_WINDOW_SECS
            young = sum(1 for value in self._recent.values() if value >> _DIGEST_BITS >= oldest)
            keep = min(max(keep, young), RECENT_IDS_LIMIT)
        self._recent = dict(islice(self._recent.items(), len(self._recent) - keep, None))
        self._trim_at = 2 * keep
