"""Whether a connection is alive: a silent one is pinged, doubtful while it does not answer, and dead in the end."""

from enum import Enum, auto
from typing import Final

PING_AFTER: Final = 0.25
"""Share of the timeout after which a silent connection is pinged; the rest is the time to answer."""

DOUBT_AFTER: Final = 0.5
"""Share of the timeout after which a connection that has not answered is doubtful."""


class KeepaliveAction(Enum):
    """What to do about a connection now."""

    NOTHING = auto()
    PING = auto()
    DOUBT = auto()
    """Open another connection beside this one, which may be dead."""
    DEAD = auto()


class Keepalive:
    """The keepalive of one connection; times are monotonic seconds.

    Anything received is a sign of life: a connection that answers pings is never dead, however quiet it is. The peer has
    its full time to answer, also where this process was stopped meanwhile and checks late.
    """

    def __init__(self, timeout_secs: float, now: float) -> None:
        self.timeout_secs = timeout_secs
        """May be replaced at any time."""
        self.last_received_at = now
        """When anything was last received."""
        self._pinged_at: float | None = None
        self.is_doubtful = False
        """Whether it has left a ping unanswered for so long that `check` returned `DOUBT`."""

    def note_received(self, now: float) -> None:
        """Something was received."""
        self.last_received_at, self._pinged_at, self.is_doubtful = now, None, False

    def wait_secs(self, now: float) -> float:
        """How long there is nothing to do if nothing is received."""
        if self._pinged_at is None:
            return max(0.0, self.last_received_at + self.timeout_secs * PING_AFTER - now)
        share = (1.0 if self.is_doubtful else DOUBT_AFTER) - PING_AFTER
        return max(0.0, self._pinged_at + self.timeout_secs * share - now)

    def check(self, now: float) -> KeepaliveAction:
        """What to do now; `PING` and `DOUBT` are returned once each time the connection falls silent."""
        if self.wait_secs(now) > 0:
            return KeepaliveAction.NOTHING
        if self._pinged_at is None:
            self._pinged_at = now
            return KeepaliveAction.PING
        if not self.is_doubtful:
            self.is_doubtful = True
            return KeepaliveAction.DOUBT
        return KeepaliveAction.DEAD
