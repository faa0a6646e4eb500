"""When a connection is renewed, and why."""

from collector.domain.retry import renewal_secs
from collector.exchanges.adapter import ConnectionPlan
from collector.processes.ingest.feed_context import FeedContext
from collector.processes.rest_adapters import sends_book_again


class RenewalTime:
    """The time at which one connection is to be renewed. Times are monotonic seconds."""

    def __init__(self, context: FeedContext, plan: ConnectionPlan, opened_at: float) -> None:
        self._context = context
        self._plan = plan
        self._opened_at = opened_at
        self._choose()

    def set_now(self, reason: str) -> None:
        """It is to be renewed at the next check. For any thread."""
        self.reason, self._at = reason, self._context.clock.monotonic()

    def has_come(self, now: float) -> bool:
        """Whether it is to be renewed now, for `reason`."""
        return now >= self._at

    def follow_settings(self) -> None:
        """Choose another time if the settings that it depends on have changed."""
        if self._checkpoint_secs != self._context.checkpoint_secs:
            self._choose()

    def _choose(self) -> None:
        self._checkpoint_secs = self._context.checkpoint_secs
        lifetime_secs, self.reason = _lifetime(self._context, self._plan)
        self._at = self._opened_at + renewal_secs(lifetime_secs, self._context.random)


def _lifetime(context: FeedContext, plan: ConnectionPlan) -> tuple[float, str]:
    """How old the connection may get, and why no older."""
    lifetime_secs, checkpoint_secs = context.adapter.limits.lifetime_secs, context.checkpoint_secs
    if checkpoint_secs < lifetime_secs and any(sends_book_again(context.adapter, key) for key in plan.keys):
        # A successor subscribes, so it gets whole books, and nothing is missing meanwhile.
        return checkpoint_secs, "a checkpoint of its books is due"
    return lifetime_secs, "its lifetime ends"
