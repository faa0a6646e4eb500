"""Which streams of a line are overdue by their own rhythm, and when a second connection for them is worth a try."""

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Final

from collector.backoff import delays
from collector.domain.records import StreamKey
from collector.domain.silence import Bounds, LearnedIntervals, SilenceLimit

CHECK_SECS: Final = 5.0
"""How often a line looks who is overdue."""

_NEVER: Final = float("-inf")


class TrialSchedule:
    """When to try: at once where a stream has just become overdue, then ever more seldom while nothing helps.

    The wait after a try in vain is drawn at random and grows from `base_secs` to `highest_secs`; it is at most
    `urgent_secs` where there was no try yet for one of the streams, or where the whole connection says nothing: such a
    second connection costs next to nothing, and one that carries many streams that speak costs as much as the first.
    """

    def __init__(self, base_secs: float, urgent_secs: float, highest_secs: float, random: Callable[[], float]) -> None:
        self._urgent_secs = urgent_secs
        self._begin = partial(delays, base_secs, max(base_secs, highest_secs), random)
        self._delays = self._begin()
        self._tried: AbstractSet[StreamKey] = frozenset()
        self._again_at = _NEVER
        self._urgent_at = _NEVER

    def is_due(self, overdue: AbstractSet[StreamKey], now: float, *, all_silent: bool) -> bool:
        """Whether a second connection is to be opened for the streams that are overdue now."""
        self._tried = self._tried & overdue
        if not overdue:
            self._delays = self._begin()
        is_urgent = all_silent or not overdue <= self._tried
        return bool(overdue) and now >= (self._urgent_at if is_urgent else self._again_at)

    def note_failed_trial(self, wanted: AbstractSet[StreamKey], now: float) -> None:
        """A second connection brought none of them."""
        wait_secs = next(self._delays)
        self._tried = self._tried | wanted
        self._again_at, self._urgent_at = now + wait_secs, now + min(wait_secs, self._urgent_secs)


class LineSilence:
    """When each stream of one plan was heard on one line, over all connections that carry it, two at once included.

    Times are monotonic. A thread may call `hear` while another looks.
    """

    def __init__(self, keys: Iterable[StreamKey], bounds: Bounds, tries: TrialSchedule) -> None:
        self._rhythms = {key: SilenceLimit(bounds, LearnedIntervals()) for key in keys}
        self._heard_at = dict.fromkeys(self._rhythms, _NEVER)
        self._noted_at = dict(self._heard_at)
        self._standing: set[int] = set()
        self._stands_since = 0.0
        self._tries = tries

    def note_frames(self, keys: Iterable[StreamKey | None], now: float) -> None:
        """These have spoken."""
        heard_at = self._heard_at
        for key in keys:
            if key in heard_at:
                heard_at[key] = now

    def connection_opened(self, connection: int, now: float) -> None:
        """A connection is open. A pause that none listened to is no part of a rhythm, and nobody is overdue in it."""
        if not self._standing:
            self._stands_since = now
        self._standing.add(connection)

    def connection_closed(self, connection: int) -> None:
        """A connection is over."""
        self._standing.discard(connection)

    def stop_watching(self, keys: Iterable[StreamKey]) -> None:
        """These come from elsewhere."""
        for key in keys:
            self._rhythms.pop(key, None)

    def streams_to_try(self, now: float) -> frozenset[StreamKey]:
        """For whom a second connection is to be opened now; to be asked again and again, by one connection at a time."""
        overdue = frozenset(key for key, rhythm in list(self._rhythms.items()) if self._is_overdue(key, rhythm, now))
        all_silent = len(overdue) == len(self._rhythms)
        return overdue if self._tries.is_due(overdue, now, all_silent=all_silent) else frozenset()

    def note_failed_trial(self, wanted: AbstractSet[StreamKey], now: float) -> None:
        """A second connection brought none of them."""
        self._tries.note_failed_trial(wanted, now)

    def _is_overdue(self, key: StreamKey, rhythm: SilenceLimit, now: float) -> bool:
        heard_at, noted_at = self._heard_at[key], self._noted_at[key]
        if heard_at != noted_at:
            self._noted_at[key] = heard_at
            if noted_at >= self._stands_since:
                rhythm.note(heard_at - noted_at)
            return False
        return now - max(heard_at, self._stands_since) > rhythm.limit_secs
