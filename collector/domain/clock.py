"""What a process may ask of time. The rules are handed values; only loops hold a clock, so that tests can hold it too."""

from typing import Protocol


class Clock(Protocol):
    """Wall and monotonic time, and waiting."""

    def now_ns(self) -> int:
        """Nanoseconds since the epoch, UTC: the honest wall clock, which may step back."""
        ...

    def now_us(self) -> int:
        """Microseconds since the epoch, UTC, of the same clock."""
        ...

    def monotonic(self) -> float:
        """Seconds that never step back."""
        ...

    def sleep(self, secs: float) -> None:
        """Wait."""
        ...
