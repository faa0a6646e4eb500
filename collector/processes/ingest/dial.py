"""Opens the connections of one line reader, one after the other, as the limits of the exchange allow it."""

from collections.abc import Callable
from typing import Final

from collector.domain.redact import HIDDEN, redact_urls
from collector.domain.secrets import hidden
from collector.exchanges.adapter import ConnectionPlan
from collector.feed.connection import Connection
from collector.feed.live_slots import LiveSlot
from collector.feed.outbox import Pace
from collector.feed.shared_budget import BUSY_SECS
from collector.processes.ingest.admission import Admission
from collector.processes.ingest.carried_plan import CarriedPlan
from collector.processes.ingest.feed_context import FeedContext
from collector.processes.ingest.line_hosts import at_host
from collector.processes.ingest.questions import tokens
from collector.reports import LineReport

_NOTHING: Final = ConnectionPlan("", (), ())


class Dial:
    """Makes each connection by the newest edition of what is to be carried. For the reader's thread."""

    def __init__(
        self, context: FeedContext, carried: CarriedPlan, state: LineReport, gives_up: Callable[[], bool],
        is_over: Callable[[], bool],
    ) -> None:  # fmt: skip
        """`gives_up` and `is_over` as in `Admission`."""
        self._context = context
        self._carried = carried
        self._state = state
        self._admission = Admission(context, carried, state, gives_up, is_over)
        self.made = carried.edition
        """What the last connection was to carry."""
        self.plan = _NOTHING
        """Its plan as the answer to its question completed it, at the line's own host."""
        self.failures = 0
        """How many attempts failed."""

    def open(self, slot: LiveSlot) -> Connection | None:
        """Connect once the limits allow it; None if told to stop, given up, or nothing is wanted, before that.

        Raises HandshakeError and OSError.
        """
        context = self._context
        if not self._admission.is_granted(slot):
            return None
        self._state.state = "connecting"
        self.made = self._carried.edition
        if self.made.plan is None:
            return None
        answered = context.questions.answered(self.made.plan)
        self.plan = at_host(answered, context.hosts, self._state.line, self.failures)
        return self._connect(self.plan)

    def shown(self, text: str) -> str:
        """A text of the other side without tokens, which it may quote."""
        return redact_urls(hidden(text, tokens(self.plan, self.made.plan or _NOTHING), HIDDEN))

    def share_ban(self, secs: float) -> None:
        """Tell the other feeds of the exchange that it bans this address for so long."""
        try:
            while self._context.budget.ban(secs) > 0 and not self._context.pause(BUSY_SECS):
                pass
        except OSError as error:
            # This line observes the ban; only the other feeds of this exchange do not learn of it.
            self._context.log.warning("budget_not_shared", error=str(error))

    def _connect(self, plan: ConnectionPlan) -> Connection:
        limits = self._context.adapter.limits
        pace = Pace(limits.messages_per_sec, limits.requests_per_hour)
        if plan.keepalive is not None:
            pace = pace._replace(keepalive=plan.keepalive.text, keepalive_secs=plan.keepalive.every_secs)
        texts = [request.text for request in plan.requests]
        return self._context.connect(plan.url, texts, pace, self._context.clock)
