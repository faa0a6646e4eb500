"""Whether the archive's store takes objects, and when it may be asked again. No I/O, no clock: times are handed in."""

import math
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final, Literal, NamedTuple

State = Literal["there", "away", "refusing"]

STATES: Final[tuple[State, ...]] = ("there", "away", "refusing")
"""It takes objects; it does not answer, or fails in a way that passes; it refuses until a person fixes something."""


class Change(NamedTuple):
    """The store is in another state than before."""

    state: State
    error: str | None
    secs: float
    """For how long it took nothing; 0 when that begins."""
    tries: int
    """Tries that failed meanwhile."""


class StoreState:
    """What the outcome of each try says about the store.

    `new_delays` gives, for the state of a store that takes nothing, the seconds to wait before each next try. Of tries
    made at once only the first to fail counts as one: what was begun before the newest failure proves nothing, neither
    that the store is back nor that it shall be waited for longer.
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
        """Why it takes nothing; None while it is there."""
        self.failed_tries: Counter[State] = Counter()
        """By the state that each failure meant."""

    @property
    def is_there(self) -> bool:
        """Whether it takes objects, as far as is known."""
        return self.state == "there"

    def may_ask(self, now: float) -> bool:
        """Whether a try may begin. Of a store that takes nothing, for one try at a time."""
        return self.is_there or now >= self._retry_at

    def is_own_trouble(self, asked_at: float) -> bool:
        """Whether what failed, asked for at `asked_at`, failed for a reason of its own: the store is there, and did
        something else that was asked for later.
        """
        return self.is_there and self._proven_at > asked_at

    def away_secs(self, now: float) -> float:
        """For how long it has taken nothing; 0 while it is there."""
        return 0.0 if self.is_there else now - self._left_at

    def hasten(self, now: float) -> None:
        """Allow a try now, and wait as little as after a first failure when it fails."""
        if not self.is_there:
            self._retry_at, self._delays = now, self._new_delays(self.state)

    def succeeded(self, now: float, asked_at: float) -> Change | None:
        """A try begun at `asked_at` ended well."""
        self._proven_at = max(self._proven_at, asked_at)
        if self.is_there or asked_at < self._failed_at:
            return None
        change = Change("there", None, now - self._left_at, self._tries)
        self.state, self.error, self._tries = "there", None, 0
        return change

    def failed(self, now: float, asked_at: float, error: str, *, refused: bool) -> Change | None:
        """A try begun at `asked_at` failed; `refused`: and will, until a person fixes something."""
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
