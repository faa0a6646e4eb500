"""Whether a connection is alive: one that brings nothing is pinged, and it is dead once nothing answers."""

from enum import Enum, auto
from typing import Final

PING_AFTER: Final = 0.5
"""Share of the timeout after which a ping is sent; the rest of it is for the answer."""


class KeepaliveAction(Enum):
    """What is to be done about a connection now."""

    NOTHING = auto()
    PING = auto()
    DEAD = auto()


class Keepalive:
    """Of one connection. Whatever comes is a sign of life; one that is asked and answers lives, however quiet it is.

    The peer has its share of the timeout to answer a ping also when this process stood still and looks again late.
    """

    def __init__(self, timeout_secs: float, now: float) -> None:
        self._timeout_secs = timeout_secs
        self.last_received_at = now
        """When anything came last."""
        self._pinged_at: float | None = None

    def note_received(self, now: float) -> None:
        """Something came."""
        self.last_received_at, self._pinged_at = now, None

    def check(self, now: float) -> KeepaliveAction:
        """`PING` is said once for each time that the connection falls quiet."""
        silent_secs = self._timeout_secs * PING_AFTER
        if self._pinged_at is None:
            if now - self.last_received_at < silent_secs:
                return KeepaliveAction.NOTHING
            self._pinged_at = now
            return KeepaliveAction.PING
        return (
            KeepaliveAction.DEAD
            if now - self._pinged_at >= self._timeout_secs - silent_secs
            else KeepaliveAction.NOTHING
        )
