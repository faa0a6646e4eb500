"""The clock a process is given. Rules take times as values; only loops hold a clock, so that tests can replace it."""

from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """Wall and monotonic time, and waiting."""

    def now_ns(self) -> int:
        """Nanoseconds since the epoch, UTC. This is the wall clock, which may step back."""
        ...

    def now_us(self) -> int:
        """Microseconds since the epoch, UTC, of the same clock."""
        ...

    def monotonic(self) -> float:
        """Seconds that never step back."""
        ...

    def sleep(self, secs: float) -> None:
        """Wait for `secs` seconds."""
        ...


class Every:
    """Says when something that is done every `secs` seconds is due.

    It is first due at once, or with `at_once=False` after `secs` seconds.
    """

    def __init__(self, secs: float, monotonic: Callable[[], float], *, at_once: bool = True) -> None:
        self._secs = secs
        self._monotonic = monotonic
        self._due_at = monotonic() + (0.0 if at_once else secs)

    def wait_secs(self) -> float:
        """Seconds until it is due; 0 if it is."""
        return max(0.0, self._due_at - self._monotonic())

    def due(self) -> bool:
        """Whether it is due. If so, the caller does it now, and it is next due in `secs` seconds."""
        now = self._monotonic()
        if now < self._due_at:
            return False
        self._due_at = now + self._secs
        return True
