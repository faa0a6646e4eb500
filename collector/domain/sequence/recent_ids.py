"""The newest ids of a stream, each with one integer: when it was received, and a digest of its content."""

import zlib
from collections.abc import Callable, Sequence
from itertools import islice, takewhile
from typing import Final

from collector.domain.sequence.id_table import IdTable
from collector.domain.sequence.stretch import Stretch

RECENT_LIMIT: Final = 65_536
"""Hard limit per stream; half of it is kept however fast messages come."""

_DIGEST_BITS: Final = 32
DIGEST_MASK: Final = (1 << _DIGEST_BITS) - 1
_LAST_SEC: Final = (1 << 32) - 1
_BELOW_ALL: Final = -(1 << 63)


def packed(received_us: int, digest: int) -> int:
    """Pack receive time (whole seconds, upper bits) and digest (lower 32 bits) into one integer of 64 bits.

    A time that a clock cannot tell there, before 1970 or after 2106, becomes the nearest that it can.
    """
    secs = received_us // 1_000_000
    if not 0 <= secs <= _LAST_SEC:
        secs = max(0, min(secs, _LAST_SEC))
    return secs << _DIGEST_BITS | digest


def received_us_of(value: int) -> int:
    """The receive time in what `packed` returns, in whole seconds."""
    return (value >> _DIGEST_BITS) * 1_000_000


def split(recent: dict[int, int], restarted_us: int) -> tuple[dict[int, int], dict[int, int]]:
    """Ids of the ended and of the running series; those received in the second of the change count as ended."""
    if not restarted_us:
        return {}, recent
    last_sec = restarted_us // 1_000_000
    ended = {message_id: value for message_id, value in recent.items() if value >> _DIGEST_BITS <= last_sec}
    return ended, {message_id: value for message_id, value in recent.items() if message_id not in ended}


def newest(ids: dict[int, int]) -> dict[int, int]:
    """The newest RECENT_LIMIT / 2 of the ids."""
    return dict(islice(ids.items(), max(0, len(ids) - RECENT_LIMIT // 2), None))


def within(kept: dict[int, int], window_us: int, min_kept: int) -> dict[int, int]:
    """The ids received within `window_us` of the last one, but at min_kept `min_kept`: a new process needs no others.

    Without this they would become more with each process that does not live as long as the window.
    """
    last_sec = next(reversed(kept.values())) >> _DIGEST_BITS if kept else 0
    oldest_sec = last_sec - window_us // 1_000_000 - 1
    surplus = max(0, len(kept) - min_kept)
    old = takewhile(lambda value: value >> _DIGEST_BITS < oldest_sec, islice(kept.values(), surplus))
    dropped = max(sum(1 for _ in old), len(kept) - RECENT_LIMIT)
    return dict(islice(kept.items(), dropped, None)) if dropped else kept


class Recent:
    """Two generations: when the young one is full it replaces the old one, so nothing is searched by age.

    Most messages have an id above all that are remembered: those need no search.
    """

    __slots__ = ("_min_kept", "_since_us", "full_at", "highest", "old", "young")

    def __init__(self, kept: dict[int, int], min_kept: int) -> None:
        """At min_kept `min_kept` ids are kept."""
        self.young = IdTable()
        self.old = IdTable(kept.items())
        self.highest = max(kept, default=_BELOW_ALL)
        """No remembered id is above this one."""
        self._min_kept = min_kept
        self._since_us: int | None = None
        self.full_at = min_kept
        """Number of young ids at which `turn` has to be called."""

    def all(self) -> dict[int, int]:
        """Both generations, in order of arrival."""
        return {**dict(self.old.items()), **dict(self.young.items())}

    def has_none_of(self, ids: Sequence[int]) -> bool:
        """Whether none of these ids, which rise, is remembered."""
        return ids[0] > self.highest or (self.young.isdisjoint(ids) and self.old.isdisjoint(ids))

    def get(self, message_id: int) -> int | None:
        """The value of an id; None if it is not remembered."""
        if message_id > self.highest:
            return None
        known = self.young.get(message_id)
        return self.old.get(message_id) if known is None else known

    def count_from(self, first_id: int) -> int:
        """How many remembered ids are not below `first_id`."""
        return 0 if first_id > self.highest else self.young.count_from(first_id) + self.old.count_from(first_id)

    def add(self, message_id: int, value: int) -> bool:
        """Remember an id among the young ones. Returns whether these are full: then `turn` has to be called."""
        young = self.young
        young[message_id] = value
        if message_id > self.highest:  # noqa: PLR1730 -- `max` takes longer than the rest
            self.highest = message_id
        return len(young.ids) >= self.full_at

    def add_all(
        self, stretch: Stretch, turn: Callable[[int], None], is_replaced_when_full: Callable[[int], bool]
    ) -> None:
        """Remember the messages of a stretch, calling `turn` with the time of each that fills the young generation.

        Ids that would be forgotten before the last message get no digest: all of this generation and of those that follow
        it but the last one, if `is_replaced_when_full`, from that time on.
        """
        start, count = 0, len(stretch.ids)
        while (end := start + self.full_at - len(self.young)) <= count:
            now_us, further = stretch.received_us[end - 1], (count - end) // self._min_kept
            if further and is_replaced_when_full(now_us):
                start = end + (further - 1) * self._min_kept
                self._pass_over(stretch.received_us[start - 1])
                continue
            self._add(stretch, start, end)
            turn(now_us)
            start = end
        if start < count:
            self._add(stretch, start, count)

    def _add(self, stretch: Stretch, start: int, end: int) -> None:
        ids, received_us = stretch.ids[start:end], stretch.received_us[start:end]
        digests = map(zlib.crc32, stretch.payloads[start:end])
        second = packed(received_us[0], 0)
        if second == packed(received_us[-1], 0):
            self.young.extend(ids, [second | digest for digest in digests])
        else:
            self.young.extend(ids, map(packed, received_us, digests))
        self.highest = max(self.highest, ids[-1])

    def turns_at(self, now_us: int) -> bool:
        """Whether the young generation, once full, will replace the old one at `now_us` if that asks for no age."""
        return now_us >= self._young_since_us(now_us)

    def turn(self, now_us: int, min_age_us: int) -> None:
        """Forget the old generation if the young one alone covers `min_age_us`, or is too large."""
        young, since_us = self.young, self._young_since_us(now_us)
        if now_us - since_us >= min_age_us or 2 * len(young) >= RECENT_LIMIT:
            self.old, self.young, self._since_us = young, IdTable(), now_us
        else:
            # A clock set back makes a generation longer, never shorter.
            self._since_us = min(since_us, now_us)
        self.full_at = len(self.young) + self._min_kept

    def _pass_over(self, now_us: int) -> None:
        """Forget everything, as two turns would, the second one at `now_us`."""
        self.old, self.young, self._since_us, self.full_at = IdTable(), IdTable(), now_us, self._min_kept

    def _young_since_us(self, now_us: int) -> int:
        """Since when the young generation has been young; `now_us` if it has no ids yet."""
        if self._since_us is not None:
            return self._since_us
        first = self.young.first_value()
        return ((packed(now_us, 0) if first is None else first) >> _DIGEST_BITS) * 1_000_000
