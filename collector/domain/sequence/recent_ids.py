"""The newest ids of a stream. Each is kept with one integer, because thousands of streams remember many."""

from itertools import islice, takewhile
from typing import Final

RECENT_LIMIT: Final = 65_536
"""Messages a stream remembers at most. Half as many are kept for the full time, however fast they come."""

_DIGEST_BITS: Final = 32
DIGEST_MASK: Final = (1 << _DIGEST_BITS) - 1


def packed(received_us: int, digest: int) -> int:
    """Receive time (whole seconds) above, 32-bit digest below."""
    return received_us // 1_000_000 << _DIGEST_BITS | digest


def split(recent: dict[int, int], restarted_us: int) -> tuple[dict[int, int], dict[int, int]]:
    """The recent ids of the series that ended, and those of the running one; the second of the restart belongs to the former."""
    if not restarted_us:
        return {}, recent
    last_sec = restarted_us // 1_000_000
    ended = {message_id: value for message_id, value in recent.items() if value >> _DIGEST_BITS <= last_sec}
    return ended, {message_id: value for message_id, value in recent.items() if message_id not in ended}


def newest(ids: dict[int, int]) -> dict[int, int]:
    """The newest half of RECENT_LIMIT."""
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
    """The newest ids in two generations: a full young one replaces the old one, so no id is ever searched for its age.

    Both are public, because every message is looked up in them; new ids go into `young`.
    """

    def __init__(self, kept: dict[int, int], min_kept: int) -> None:
        """At min_kept `min_kept` ids are kept."""
        self.young: dict[int, int] = {}
        self.old = kept
        self._min_kept = min_kept
        self._since_us: int | None = None
        self.full_at = min_kept
        """Number of young ids from which on `turn` is to be called."""

    def all(self) -> dict[int, int]:
        """Both generations, in order of arrival."""
        return {**self.old, **self.young}

    def turn(self, now_us: int, min_age_us: int) -> None:
        """Forget the old generation if the young one alone covers `min_age_us`, or is too large."""
        young, since_us = self.young, self._since_us
        if since_us is None:
            since_us = (next(iter(young.values())) >> _DIGEST_BITS) * 1_000_000
        if now_us - since_us >= min_age_us or 2 * len(young) >= RECENT_LIMIT:
            self.old, self.young, self._since_us = young, {}, now_us
        else:
            # A clock set back makes a generation longer, never shorter.
            self._since_us = min(since_us, now_us)
        self.full_at = len(self.young) + self._min_kept
