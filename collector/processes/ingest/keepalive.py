"""Whether a connection is alive: one that brings nothing is pinged, and it is dead once nothing answers."""

from enum import Enum, auto
from typing import Final

ASK_AFTER: Final = 0.5
"""Share of the timeout after which a ping is sent; the rest of it is for the answer."""


class Due(Enum):
    """What is to be done about a connection now."""

    NOTHING = auto()
    PING = auto()
    DEAD = auto()


class Pulse:
    """Of one connection. Whatever comes is a sign of life; one that is asked and answers lives, however quiet it is.

    The peer has its share of the timeout to answer a ping also when this process stood still and looks again late.
    """

    def __init__(self, timeout_secs: float, now: float) -> None:
        self._timeout_secs = timeout_secs
        self.heard_at = now
        """When anything came last."""
        self._asked_at: float | None = None

    def beat(self, now: float) -> None:
        """Something came."""
        self.heard_at, self._asked_at = now, None

    def look(self, now: float) -> Due:
        """`PING` is said once for each time that the connection falls quiet."""
        ask_secs = self._timeout_secs * ASK_AFTER
        if self._asked_at is None:
            if now - self.heard_at < ask_secs:
                return Due.NOTHING
            self._asked_at = now
            return Due.PING
        return Due.DEAD if now - self._asked_at >= self._timeout_secs - ask_secs else Due.NOTHING
