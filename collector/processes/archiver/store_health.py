"""Whether the store is there: logs each change of state, and limits how long it may answer nothing."""

import math
from collections.abc import Callable

from collector.domain.errors import RetryError, StoreError, StoreRefusedError
from collector.domain.log import Log
from collector.domain.store_state import Change, StoreState


class StoreHealth:
    """Keeps `state` from the result of each call to the store."""

    def __init__(self, state: StoreState, monotonic: Callable[[], float], log: Log) -> None:
        self.state = state
        self._now = monotonic
        self._log = log
        self._patience_secs = math.inf
        self._answered_at = 0.0

    def hurry(self, patience_secs: float) -> None:
        """From now on a store that answers nothing for `patience_secs` counts as away."""
        self._patience_secs, self._answered_at = patience_secs, self._now()

    def require_answers(self, asked_at: float) -> None:
        """Raise StoreError if nothing was answered for too long, counted from `asked_at` at the earliest."""
        if self._now() - max(asked_at, self._answered_at) >= self._patience_secs:
            raise StoreError(f"the store has answered nothing for {self._patience_secs:.1f} seconds")

    def succeeded(self, asked_at: float) -> None:
        """A call begun at `asked_at` succeeded."""
        self._answered_at = self._now()
        self._say(self.state.succeeded(self._answered_at, asked_at))

    def failed(self, error: RetryError, asked_at: float) -> bool:
        """The store itself failed in a call begun at `asked_at`: back off. True if its state changed."""
        refused = isinstance(error, StoreRefusedError)
        change = self.state.failed(self._now(), asked_at, str(error), refused=refused)
        self._say(change)
        return change is not None

    def _say(self, change: Change | None) -> None:
        if change is None:
            return
        match change.state:
            case "there":
                self._log.info("store_back", secs=round(change.secs, 3), tries=change.tries)
            case "away":
                self._log.warning("store_away", error=change.error)
            case "refusing":
                self._log.warning("store_refuses", error=change.error)


def as_store_error(error: Exception) -> RetryError:
    """Any error that a store raises, as the store's error: never one of the file or segment it was called about."""
    return error if isinstance(error, RetryError) else StoreError(f"{type(error).__name__}: {error}")
