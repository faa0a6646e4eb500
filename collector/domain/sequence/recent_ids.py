"""What a stream keeps of each of its newest messages: one integer, because thousands of streams remember many."""

from itertools import islice, takewhile
from typing import Final

RECENT_LIMIT: Final = 65_536
"""A stream never remembers more messages; half as many it remembers for as long as it is told to, however fast they come."""

_DIGEST_BITS: Final = 32
DIGEST_MASK: Final = (1 << _DIGEST_BITS) - 1


def packed(received_us: int, digest: int) -> int:
    """Receive time (whole seconds) above, 32-bit digest below."""
    return received_us // 1_000_000 << _DIGEST_BITS | digest


def split(recent: dict[int, int], restarted_us: int) -> tuple[dict[int, int], dict[int, int]]:
    """Newest ids of the series that ended and of the one that runs; those of the second between count for the former."""
    if not restarted_us:
        return {}, recent
    last_sec = restarted_us // 1_000_000
    ended = {message_id: value for message_id, value in recent.items() if value >> _DIGEST_BITS <= last_sec}
    return ended, {message_id: value for message_id, value in recent.items() if message_id not in ended}


def newest(ids: dict[int, int]) -> dict[int, int]:
    """The last ones, half as many as the limit."""
    return dict(islice(ids.items(), max(0, len(ids) - RECENT_LIMIT // 2), None))


def within(kept: dict[int, int], window_us: int, least: int) -> dict[int, int]:
    """Those that came within the window before the last one, but at least so many: a new process needs no others.

    Without it they would become more with each process that does not live as long as the window.
    """
    last_sec = next(reversed(kept.values())) >> _DIGEST_BITS if kept else 0
    oldest_sec = last_sec - window_us // 1_000_000 - 1
    surplus = max(0, len(kept) - least)
    old = takewhile(lambda value: value >> _DIGEST_BITS < oldest_sec, islice(kept.values(), surplus))
    dropped = max(sum(1 for _ in old), len(kept) - RECENT_LIMIT)
    return dict(islice(kept.items(), dropped, None)) if dropped else kept


class Recent:
    """The newest ids in two generations: a full young one takes the old one's place, so nothing is searched for its age.

    Both are open to whoever judges a message, because each one passes there: new ids go into `young`.
    """

    def __init__(self, kept: dict[int, int], least: int) -> None:
        """At least so many are kept."""
        self.young: dict[int, int] = {}
        self.old = kept
        self._least = least
        self._since_us: int | None = None
        self.full_at = least
        """So many young ones are worth a call of `turn`."""

    def all(self) -> dict[int, int]:
        """Both generations, in order of arrival."""
        return {**self.old, **self.young}

    def turn(self, now_us: int, least_us: int) -> None:
        """Forget the old ones, if the young ones alone are of `least_us` microseconds or too many."""
        young, since_us = self.young, self._since_us
        if since_us is None:
            since_us = (next(iter(young.values())) >> _DIGEST_BITS) * 1_000_000
        if now_us - since_us >= least_us or 2 * len(young) >= RECENT_LIMIT:
            self.old, self.young, self._since_us = young, {}, now_us
        else:
            # A clock set back makes a generation longer, never shorter.
            self._since_us = min(since_us, now_us)
        self.full_at = len(self.young) + self._least
