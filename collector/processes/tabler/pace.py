"""When the next look at the manifests is due. Pure: times are values, in monotonic seconds."""

from typing import Final

SETTLE_SECS: Final = 2.0
"""After a notice, so that segments archived one after another share a commit."""

IDLE_SECS: Final = 300.0
"""Without any notice: other hosts archive too, and a person may have pruned."""

REST_SHARE: Final = 20.0
"""How many times as long as listing the manifests took nothing is looked at: a large archive is listed no more often than is cheap."""


class Pace:
    """First due at once."""

    def __init__(self) -> None:
        self._next = 0.0
        self._rested = 0.0
        self._is_noticed = False

    def wait_secs(self, now: float) -> float:
        """Seconds until a look is due; 0 if it is."""
        return max(0.0, self._next - now)

    def noticed(self, now: float) -> None:
        """Something was archived: maybe too late for a look that goes on."""
        self._is_noticed = True
        self._next = min(self._next, max(now + SETTLE_SECS, self._rested))

    def begun(self) -> None:
        """A look begins: it sees what was archived by now."""
        self._is_noticed = False

    def looked(self, now: float, listing_secs: float, *, is_all: bool) -> None:
        """A look ended; `is_all`: there was no more than it saw."""
        self._rested = now + REST_SHARE * listing_secs if is_all else now
        pause = SETTLE_SECS if self._is_noticed else IDLE_SECS
        self._next = max(self._rested, now + pause) if is_all else now

    def failed(self, now: float, delay_secs: float) -> None:
        """A look failed; no notice makes the next one come earlier than that."""
        self._next = self._rested = now + delay_secs
