"""Whether a connection is alive: a silent one is pinged, and is dead once it does not answer."""

from enum import Enum, auto
from typing import Final

PING_AFTER: Final = 0.5
"""Share of the timeout after which a silent connection is pinged; the rest is the time to answer."""


class KeepaliveAction(Enum):
    """What to do about a connection now."""

    NOTHING = auto()
    PING = auto()
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

    def note_received(self, now: float) -> None:
        """Something was received."""
        self.last_received_at, self._pinged_at = now, None

    def wait_secs(self, now: float) -> float:
        """How long there is nothing to do if nothing is received."""
        waited_since = self.last_received_at if self._pinged_at is None else self._pinged_at
        share = PING_AFTER if self._pinged_at is None else 1 - PING_AFTER
        return max(0.0, waited_since + self.timeout_secs * share - now)

    def check(self, now: float) -> KeepaliveAction:
        """What to do now; `PING` is returned once each time the connection falls silent."""
        ping_after_secs = self.timeout_secs * PING_AFTER
        if self._pinged_at is None:
            if now - self.last_received_at < ping_after_secs:
                return KeepaliveAction.NOTHING
            self._pinged_at = now
            return KeepaliveAction.PING
        is_dead = now - self._pinged_at >= self.timeout_secs - ping_after_secs
        return KeepaliveAction.DEAD if is_dead else KeepaliveAction.NOTHING
