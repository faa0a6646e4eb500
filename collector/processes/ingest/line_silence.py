"""Which streams of a line are silent beyond their limits, and when a second connection is tried for them."""

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Final

from collector.backoff import delays
from collector.domain.records import StreamKey
from collector.domain.silence import Bounds, LearnedIntervals, SilenceLimit
from collector.processes.ingest.takeover import Rhythm

CHECK_SECS: Final = 5.0
"""How often a line checks for overdue streams."""

_NEVER: Final = float("-inf")
_EVER: Final = float("inf")


class TrialSchedule:
    """When to try a second connection: at once when a stream becomes overdue, then less and less often.

    After a failed trial the wait is drawn at random from a range that grows from `base_secs` to `highest_secs`. It is at
    most `urgent_secs` while an overdue stream has not been tried for yet, or while the whole connection is silent: a
    second connection beside a silent one costs next to nothing, but beside one that carries many active streams it costs
    as much as the first.
    """

    def __init__(self, base_secs: float, urgent_secs: float, highest_secs: float, random: Callable[[], float]) -> None:
        self._urgent_secs = urgent_secs
        self._new_delays = partial(delays, base_secs, max(base_secs, highest_secs), random)
        self._delays = self._new_delays()
        self._tried: AbstractSet[StreamKey] = frozenset()
        self._again_at = _NEVER
        self._urgent_at = _NEVER

    def is_due(self, overdue: AbstractSet[StreamKey], now: float, *, all_silent: bool) -> bool:
        """Whether to open a second connection for the streams that are overdue now."""
        self._tried = self._tried & overdue
        if not overdue:
            self._delays = self._new_delays()
        is_urgent = all_silent or not overdue <= self._tried
        return bool(overdue) and now >= (self._urgent_at if is_urgent else self._again_at)

    def note_failed_trial(self, wanted: AbstractSet[StreamKey], now: float) -> None:
        """A second connection brought none of the streams it was opened for."""
        wait_secs = next(self._delays)
        self._tried = self._tried | wanted
        self._again_at, self._urgent_at = now + wait_secs, now + min(wait_secs, self._urgent_secs)


class LineSilence:
    """When each stream of one plan last spoke on one line, over all connections that carry it, two at once included.

    Times are monotonic seconds. One thread may call `note_frames` while another calls `streams_to_try`.
    """

    def __init__(self, keys: Iterable[StreamKey], bounds: Bounds, schedule: TrialSchedule) -> None:
        self._bounds = bounds
        self._limits = {key: SilenceLimit(bounds, LearnedIntervals()) for key in keys}
        self._spoke_at = dict.fromkeys(self._limits, _NEVER)
        self._noted_at = dict(self._spoke_at)
        """The `_spoke_at` of the last check; the interval since then has been learned."""
        self._open_connections: set[int] = set()
        self._open_since = 0.0
        self._schedule = schedule

    def note_frames(self, keys: Iterable[StreamKey | None], now: float) -> None:
        """Frames of these streams arrived; None stands for frames of no known stream."""
        spoke_at = self._spoke_at
        for key in keys:
            if key in spoke_at:
                spoke_at[key] = now

    def connection_opened(self, connection: int, now: float) -> None:
        """A connection is open. Time without any is neither silence nor an interval to learn from."""
        if not self._open_connections:
            self._open_since = now
        self._open_connections.add(connection)

    def connection_closed(self, connection: int) -> None:
        """A connection is over."""
        self._open_connections.discard(connection)

    def change_limits(self, bounds: Bounds, schedule: TrialSchedule) -> None:
        """Go by these bounds and this schedule from now on; what was learned of the streams stays."""
        self._bounds, self._schedule = bounds, schedule
        for key, limit in list(self._limits.items()):
            self._limits[key] = SilenceLimit(bounds, limit.learned)

    def watch(self, keys: Iterable[StreamKey], now: float) -> None:
        """These streams belong to the plan from now on; those that did already are watched as before."""
        for key in keys:
            if key not in self._limits:
                self._spoke_at[key] = self._noted_at[key] = now
                self._limits[key] = SilenceLimit(self._bounds, LearnedIntervals())

    def stop_watching(self, keys: Iterable[StreamKey]) -> None:
        """These streams come from another address."""
        for key in keys:
            self._limits.pop(key, None)

    def streams_to_try(self, now: float) -> frozenset[StreamKey]:
        """The overdue streams if a second connection is to be opened for them now, else none.

        To be called every CHECK_SECS, by one connection at a time.
        """
        overdue = frozenset(key for key, limit in list(self._limits.items()) if self._is_overdue(key, limit, now))
        all_silent = len(overdue) == len(self._limits)
        return overdue if self._schedule.is_due(overdue, now, all_silent=all_silent) else frozenset()

    def rhythm(self, key: StreamKey, now: float) -> Rhythm:
        """The rhythm of a stream; one that never spoke, or is not watched, may be silent for ever."""
        limit = self._limits.get(key)
        return Rhythm(_EVER, _EVER) if limit is None else Rhythm(limit.limit_secs, now - self._spoke_at[key])

    def unheard(self) -> set[StreamKey]:
        """The streams that have not spoken yet."""
        return {key for key, at in self._spoke_at.items() if at == _NEVER and key in self._limits}

    def note_failed_trial(self, wanted: AbstractSet[StreamKey], now: float) -> None:
        """A second connection brought none of the streams it was opened for."""
        self._schedule.note_failed_trial(wanted, now)

    def _is_overdue(self, key: StreamKey, limit: SilenceLimit, now: float) -> bool:
        spoke_at, noted_at = self._spoke_at[key], self._noted_at[key]
        if spoke_at != noted_at:
            self._noted_at[key] = spoke_at
            if noted_at >= self._open_since:
                limit.note(spoke_at - noted_at)
            return False
        return now - max(spoke_at, self._open_since) > limit.limit_secs
