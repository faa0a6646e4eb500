"""What follows when an exchange refuses a request: one bad symbol may have taken the others of its request with it."""

import math
from collections.abc import Iterable

from collector.domain.records import StreamKey
from collector.exchanges.adapter import ConnectionPlan


class RefusedRequest:
    """Finds the streams of one connection that stay silent after a refusal, to be subscribed one by one: once.

    Times are monotonic seconds.
    """

    def __init__(self, plan: ConnectionPlan, timeout_secs: float) -> None:
        """`timeout_secs` is how long the first data of a stream may take."""
        self._plan = plan
        self._timeout_secs = timeout_secs
        self._is_refused = False
        self._due_at = math.inf
        self.silent = set(plan.keys)
        """The streams that have not spoken yet; empty once it does not matter."""

    @property
    def is_pending(self) -> bool:
        """Whether a request was refused and streams may have to be subscribed one by one."""
        return self._due_at < math.inf and bool(self.silent)

    def note_frames(self, keys: Iterable[StreamKey | None]) -> None:
        """Frames of these streams arrived; to be called while any is silent."""
        self.silent.difference_update(keys)

    def note_settled(self) -> None:
        """The requests of the plan are answered: who is silent matters only if one was refused."""
        if not self._is_refused:
            self.silent = set()

    def note_refused(self, now: float) -> None:
        """The exchange refused a request. Only the first time counts, and only where a request may hold several topics."""
        if not self._is_refused and len(self._plan.keys) > 1:
            self._is_refused = True
            self._due_at = now + self._timeout_secs
            self.silent = self.silent or set(self._plan.keys)

    def wait_from(self, now: float) -> None:
        """Requests are still being sent: what they subscribe has its full time from now on."""
        if self.is_pending:
            self._due_at = now + self._timeout_secs

    def due(self, now: float) -> list[StreamKey]:
        """The streams to subscribe one by one now, in the order of the plan."""
        if now < self._due_at:
            return []
        silent, self.silent, self._due_at = self.silent, set(), math.inf
        return [key for key in self._plan.keys if key in silent]
