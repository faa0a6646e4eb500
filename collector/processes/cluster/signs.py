"""Which hosts are alive: those whose value changes, by the observer's own monotonic clock. Pure.

While the servers do not answer nobody is declared dead, however long that takes; from then on everybody has the full time
again, and the time that reconnecting may take. A host that ends in order says so and is gone at once.
"""

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass


@dataclass
class _Sign:
    mark: Hashable
    changed: float
    """When that was seen first."""
    is_alive: bool = True


class Signs:
    """What one observer saw of the others. Times are monotonic, in seconds."""

    def __init__(self, dead_secs: float, regain_secs: float) -> None:
        """A host whose value did not change for `dead_secs`, while the servers answered, is dead.

        So long after they were away another host may take `regain_secs` until it has found them again.
        """
        self._dead_secs = dead_secs
        self._regain_secs = regain_secs
        self._signs: dict[str, _Sign] = {}
        self._answered_since = 0.0
        self._last: float | None = None
        """The last observation; None if there was none yet."""
        self._is_interrupted = False
        """Whether the servers have not answered since."""
        self.is_settled = False
        """Whether the servers answered for long enough to tell the living from the dead, if only once."""
        self.changes = 0
        """How often hosts came or went since then."""

    @property
    def alive(self) -> frozenset[str]:
        """The hosts that are alive as of the last observation."""
        return frozenset(name for name, sign in self._signs.items() if sign.is_alive)

    def seen_secs(self, now: float) -> Mapping[str, float]:
        """How long ago each known host's value was first seen as it is now."""
        return {name: now - sign.changed for name, sign in self._signs.items()}

    def interrupt(self) -> None:
        """The servers did not answer."""
        self._is_interrupted = True

    def observe(self, marks: Mapping[str, Hashable], leaving: Collection[str], now: float) -> None:
        """The servers answered: these are the marks of all hosts that have a value, and which of them say that they leave."""
        # After so long without a look the silence may be that of the servers.
        if self._last is None:
            self._answered_since = now
        elif self._is_interrupted or now - self._last > self._dead_secs:
            self._answered_since = now + self._regain_secs
        self._last, self._is_interrupted = now, False
        before = self.alive
        for name, mark in marks.items():
            sign = self._signs.get(name)
            if sign is None or sign.mark != mark:
                self._signs[name] = _Sign(mark, now)
        for name, sign in self._signs.items():
            silent_secs = now - max(sign.changed, self._answered_since)
            sign.is_alive = sign.is_alive and silent_secs < self._dead_secs and name not in leaving
        if self.is_settled:
            self.changes += len(before ^ self.alive)
        self.is_settled = self.is_settled or now - self._answered_since >= self._dead_secs

    def forget(self, name: str) -> None:
        """The host has been gone for so long that nobody needs to know of it."""
        self._signs.pop(name, None)
