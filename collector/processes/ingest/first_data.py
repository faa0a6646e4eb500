"""Waits for the first message of every stream: some are acknowledged by the exchange and then never sent.

Readers tell whom they hear until every stream of their plan has spoken, or its time is over.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from collector.domain.records import StreamKey
from collector.exchanges.adapter import ConnectionPlan

NAMED: Final = 10
"""Streams a log line names; the rest are counted."""


class PendingStreams:
    """The streams of one plan, shared by all connections that carry it, one after the other or at once."""

    def __init__(self, keys: Iterable[StreamKey]) -> None:
        self.silent = set(keys)
        """Who has not spoken yet; empty once nobody is waited for."""
        self.standing: set[int] = set()
        """Connections that are open."""
        self._waited_secs = 0.0

    def note_frames(self, keys: Iterable[StreamKey | None]) -> None:
        """These have spoken."""
        self.silent.difference_update(keys)

    def wait(self, secs: float, timeout_secs: float) -> list[StreamKey]:
        """So much time has passed; it counts while a connection stands. Who never spoke, once, when it is over."""
        if self.standing and self.silent:
            self._waited_secs += secs
        if self._waited_secs < timeout_secs:
            return []
        silent, self.silent = self.silent, set()
        return sorted(silent)


class FirstDataWatch:
    """All plans of a feed. Plans are numbered as in the journal; a stream's second try is a plan of its own."""

    def __init__(self, plans: Sequence[ConnectionPlan], timeout_secs: float) -> None:
        self._timeout_secs = timeout_secs
        self._plans = {number: PendingStreams(plan.keys) for number, plan in enumerate(plans)}
        self._first_tries = len(self._plans)
        self.never_spoke = 0
        """Streams, counted once their time was over."""

    def of(self, plan: int) -> PendingStreams:
        """Who is waited for on that plan."""
        return self._plans[plan]

    def overdue(self, secs: float) -> Iterator[tuple[int, list[StreamKey]]]:
        """So much time has passed; each plan whose time is over, with those who never spoke on it."""
        for number, awaited in list(self._plans.items()):
            keys = awaited.wait(secs, self._timeout_secs)
            if keys:
                if self.is_first_try(number):
                    self.never_spoke += len(keys)
                yield number, keys

    def is_first_try(self, plan: int) -> bool:
        """Whether it is a share of the feed's streams, and not a second try."""
        return plan < self._first_tries

    def add(self, plan: ConnectionPlan) -> int:
        """Number a second try."""
        number = len(self._plans)
        self._plans[number] = PendingStreams(plan.keys)
        return number
