"""When a connection has taken over from the one it replaces: once it brings every stream that has something to bring."""

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from collector.domain.records import StreamKey

ANSWER_SECS: Final = 60.0
"""How long to wait for the answer to a subscribe request: if one never comes, the connection counts as settled all the same."""

LONGEST_OVERLAP_SECS: Final = 300.0
"""How long a settled connection and the one it replaces are both read at most, whatever is still silent on the new one."""

LOOK_SECS: Final = 1.0
"""How often the rhythm of the streams that are still silent on the new connection is looked at."""


def is_settled(*, has_data: bool, unsent: int, unanswered: int, since_sent_secs: float) -> bool:
    """Whether data flows and every subscribe request was answered, or was sent at least ANSWER_SECS ago.

    `since_sent_secs` is the time since the last request was sent.
    """
    return has_data and unsent == 0 and (unanswered <= 0 or since_sent_secs >= ANSWER_SECS)


class Rhythm(NamedTuple):
    """How long a stream may be silent, and for how long no connection of its line has brought it."""

    limit_secs: float
    silent_secs: float


def is_awaited(rhythm: Rhythm) -> bool:
    """Whether the old connection stays open until the new one brings a stream of this rhythm.

    Not for one that may be silent for longer than the overlap, nor for one that the old connection does not bring either.
    """
    return rhythm.limit_secs <= LONGEST_OVERLAP_SECS and rhythm.silent_secs <= rhythm.limit_secs


class Overlap:
    """The time in which a settled connection and the one it replaces are both read. Times are monotonic seconds."""

    def __init__(self, keys: Iterable[StreamKey], rhythm: Callable[[StreamKey, float], Rhythm]) -> None:
        """`rhythm` tells that of a stream at a time."""
        self._rhythm = rhythm
        self._silent = set(keys)
        self._began_at: float | None = None
        self._look_at = 0.0
        self.awaited: set[StreamKey] = set()
        """The streams that the new connection should have brought by now."""

    def note_frames(self, keys: Iterable[StreamKey | None]) -> None:
        """The new connection brought these streams; to be called until the overlap is over."""
        self._silent.difference_update(keys)
        self.awaited.difference_update(keys)

    def is_over(self, now: float) -> bool:
        """Whether the old connection is not needed any more. To be called from when the new one is settled."""
        if self._began_at is None:
            self._began_at = self._look_at = now
        if now >= self._look_at:
            self._look_at = now + LOOK_SECS
            self.awaited = {key for key in self._silent if is_awaited(self._rhythm(key, now))}
        return not self.awaited or now - self._began_at >= LONGEST_OVERLAP_SECS
