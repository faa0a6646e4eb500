"""Waits for the first frame of every stream: exchanges acknowledge some streams and then never send them.

Readers note the streams they receive, until each stream of their plan has spoken or the time to wait is over.
"""

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Final

from collector.domain.records import StreamKey
from collector.exchanges.adapter import ConnectionPlan

MAX_NAMED: Final = 10
"""How many streams a log line names; it counts the others."""


class PendingStreams:
    """The streams of one plan, shared by all connections that carry it, one after the other or at the same time."""

    def __init__(self, keys: Iterable[StreamKey]) -> None:
        self.silent = set(keys)
        """The streams that have not spoken yet; empty once the wait is over."""
        self.open_connections: set[int] = set()
        self._waited_secs = 0.0

    def note_frames(self, keys: Iterable[StreamKey | None]) -> None:
        """Frames of these streams arrived."""
        self.silent.difference_update(keys)

    def expect(self, keys: Iterable[StreamKey]) -> None:
        """Wait for these streams too; the time begins anew."""
        self.silent |= set(keys)
        self._waited_secs = 0.0

    def advance(self, secs: float, timeout_secs: float) -> list[StreamKey]:
        """`secs` have passed; they count only while a connection is open.

        Returns the streams that never spoke, once, when `timeout_secs` are over.
        """
        if self.open_connections and self.silent:
            self._waited_secs += secs
        if self._waited_secs < timeout_secs:
            return []
        silent, self.silent = self.silent, set()
        return sorted(silent)


class FirstDataWatch:
    """All plans of a feed, numbered as in the journal. A second try, at another address, has a plan of its own."""

    def __init__(self, plans: Mapping[int, ConnectionPlan], timeout_secs: float) -> None:
        self.timeout_secs = timeout_secs
        """How long a stream may take; may be replaced at any time."""
        self._plans = {number: PendingStreams(plan.keys) for number, plan in plans.items()}
        self._second_tries: set[int] = set()
        self.never_spoke = 0
        """How many streams did not speak in time on their first try."""

    def pending(self, plan: int) -> PendingStreams:
        """The streams that are still waited for on that plan."""
        return self._plans[plan]

    def advance(self, secs: float) -> Iterator[tuple[int, list[StreamKey]]]:
        """`secs` have passed: returns each plan whose time is over now, with the streams that never spoke on it."""
        for plan, pending in list(self._plans.items()):
            keys = pending.advance(secs, self.timeout_secs)
            if keys:
                if self.is_first_try(plan):
                    self.never_spoke += len(keys)
                yield plan, keys

    def is_first_try(self, plan: int) -> bool:
        """Whether the plan is one of the feed's own, not a second try."""
        return plan not in self._second_tries

    @property
    def next_number(self) -> int:
        """The number of the plan that is added next: numbers are never used again."""
        return max(self._plans, default=-1) + 1

    def add(self, plan: ConnectionPlan, *, second_try: bool) -> int:
        """Add a plan; returns its number."""
        number = self.next_number
        self._plans[number] = PendingStreams(plan.keys)
        if second_try:
            self._second_tries.add(number)
        return number

    def expect(self, plan: int, keys: Iterable[StreamKey]) -> None:
        """Wait for further streams of a plan, from now on."""
        self._plans[plan].expect(keys)

    def forget(self, keys: AbstractSet[StreamKey]) -> None:
        """Wait for these streams no longer."""
        for pending in self._plans.values():
            pending.silent -= keys
