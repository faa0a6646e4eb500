"""Whether the archive's store accepts objects, and when it may be tried again. No I/O, no clock: callers pass times."""

import math
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final, Literal, NamedTuple

State = Literal["there", "away", "refusing"]

STATES: Final[tuple[State, ...]] = ("there", "away", "refusing")
"""It accepts objects; it does not answer, or fails temporarily; it refuses until a person fixes something."""


class Change(NamedTuple):
    """The store's state has changed."""

    state: State
    error: str | None
    secs: float
    """For how long it has accepted nothing; 0 when that begins."""
    tries: int
    """Failed tries in that time."""


class StoreState:
    """Derives the store's state from the outcome of each try.

    `new_delays` takes the state of a store that accepts nothing, and yields the seconds to wait before each next try. Of
    parallel tries only the first to fail changes the delay: the outcome of a try begun before the newest failure proves
    neither that the store is back nor that the next wait should be longer.
    """

    def __init__(self, new_delays: Callable[[State], Iterator[float]]) -> None:
        self._new_delays = new_delays
        self._delays: Iterator[float] = iter(())
        self._left_at = 0.0
        self._failed_at = 0.0
        self._retry_at = 0.0
        self._proven_at = -math.inf
        self._tries = 0
        self.state: State = "there"
        self.error: str | None = None
        """Why it accepts nothing; None while it is there."""
        self.failed_tries: Counter[State] = Counter()
        """Failed tries by the state that each failure meant."""

    @property
    def is_there(self) -> bool:
        """Whether it accepts objects, as far as is known."""
        return self.state == "there"

    @property
    def is_known(self) -> bool:
        """Whether any try has shown its state."""
        return not self.is_there or self._proven_at > -math.inf

    def may_ask(self, now: float) -> bool:
        """Whether a try may begin. While the store accepts nothing, one try at a time is allowed."""
        return self.is_there or now >= self._retry_at

    def is_own_trouble(self, asked_at: float) -> bool:
        """Whether a failed request, sent at `asked_at`, failed for a reason of its own: the store is there, and fulfilled
        another request that was sent later.
        """
        return self.is_there and self._proven_at > asked_at

    def away_secs(self, now: float) -> float:
        """Seconds for which it has accepted nothing; 0 while it is there."""
        return 0.0 if self.is_there else now - self._left_at

    def hasten(self, now: float) -> None:
        """Allow a try now; if it fails, the delays start from the beginning."""
        if not self.is_there:
            self._retry_at, self._delays = now, self._new_delays(self.state)

    def succeeded(self, now: float, asked_at: float) -> Change | None:
        """Note that a try begun at `asked_at` succeeded. Returns the change of state, if any."""
        self._proven_at = max(self._proven_at, asked_at)
        if self.is_there or asked_at < self._failed_at:
            return None
        change = Change("there", None, now - self._left_at, self._tries)
        self.state, self.error, self._tries = "there", None, 0
        return change

    def failed(self, now: float, asked_at: float, error: str, *, refused: bool) -> Change | None:
        """Note that a try begun at `asked_at` failed. Returns the change of state, if any.

        `refused` means that the store will refuse until a person fixes something.
        """
        state: State = "refusing" if refused else "away"
        self.failed_tries[state] += 1
        self._tries += 1
        straggler = not self.is_there and asked_at < self._failed_at
        if straggler and state == self.state:
            return None
        if self.is_there:
            self._left_at = now
        changed = state != self.state
        if changed:
            self._delays = self._new_delays(state)
        self.state, self.error, self._failed_at = state, error, now
        self._retry_at = now + next(self._delays)
        return Change(state, error, now - self._left_at, self._tries) if changed else None
