"""Waits until the exchange's limits allow a connection."""

import os
from collections.abc import Callable

from collector.feed.connection_queue import LOOK_AGAIN_SECS, Asker
from collector.feed.live_slots import LiveSlot
from collector.feed.shared_budget import BUSY_SECS
from collector.processes.ingest.carried_plan import CarriedPlan
from collector.processes.ingest.feed_context import FeedContext
from collector.reports import LineReport


class Admission:
    """For one line reader.

    `give_up` ends the trial that it is on, because it would have to wait; false if it is on none. `is_over` says whether
    nothing is to be recorded any more.
    """

    def __init__(
        self, context: FeedContext, carried: CarriedPlan, state: LineReport, give_up: Callable[[], bool],
        is_over: Callable[[], bool],
    ) -> None:  # fmt: skip
        self._context = context
        self._carried = carried
        self._state = state
        self._give_up = give_up
        self._is_over = is_over
        self._name = f"{os.getpid()}.{id(self)}"

    def is_granted(self, slot: LiveSlot) -> bool:
        """Wait for the slot, the budget of attempts and that of questions; false if told to stop, given up or over, before.

        Raises OSError.
        """
        return self._has_slot(slot) and self._waited(self._take_attempt) and self._waited(self._take_question)

    def _has_slot(self, slot: LiveSlot) -> bool:
        if slot.take() > 0:
            fields = {"line": self._state.line, "plan": self._state.plan, "live": self._context.adapter.limits.live}
            self._context.log.warning("connections_all_open", **fields)
        return self._waited(slot.take)

    def _take_attempt(self) -> float:
        plan, state = self._carried.edition.plan, self._state
        is_carried = bool(self._context.first_data.pending(state.plan).open_connections)
        asker = Asker(self._name, is_carried, state.line, 0 if plan is None else plan.streams)
        return min(self._context.budget.take(asker), LOOK_AGAIN_SECS)

    def _take_question(self) -> float:
        plan = self._carried.edition.plan
        return 0.0 if plan is None else self._context.questions.take(plan)

    def _waited(self, take: Callable[[], float]) -> bool:
        """Whether `take` has returned 0.0, after as many waits as it asked for."""
        while not self._is_over():
            wait_secs = take()
            if wait_secs <= 0:
                return not self._context.stop.is_set()
            # A trial does not wait for the connection budget: lines that lost their only connection need it.
            if (wait_secs > BUSY_SECS and self._give_up()) or self._context.pause(wait_secs):
                return False
        return False
