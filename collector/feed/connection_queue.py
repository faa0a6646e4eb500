"""Who comes first when more want to connect than an exchange allows. No I/O."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

LOOK_AGAIN_SECS: Final = 10.0
"""Who waits asks again within this time: what it is told by then may be sooner than what it was told before."""

FORGOTTEN_SECS: Final = 1.5 * LOOK_AGAIN_SECS
"""Who has not asked for so long has gone."""

MOST_WAITING: Final = 1_000
"""Of more that wait, the last ones are not noted: they come after those that are."""


class Asker(NamedTuple):
    """Who wants to connect."""

    name: str
    """Nobody else's."""
    is_carried: bool
    """Whether nothing is lost while it waits: another open connection carries its streams."""
    line: int
    streams: int

    @property
    def place(self) -> tuple[bool, int, int, str]:
        """Sorts those that wait: who has no other connection, then the first line, then the widest."""
        return self.is_carried, self.line, -self.streams, self.name


class Waiting(msgspec.Struct, array_like=True, frozen=True):
    """Who was told to wait, and when it last asked; in seconds since the epoch."""

    asker: Asker
    asked_at: float


def still_waiting(waiting: Iterable[Waiting], now: float) -> list[Waiting]:
    """Without those that have gone. Times in the future, left by a clock that was set back, do not count."""
    return [one for one in waiting if now - FORGOTTEN_SECS < one.asked_at <= now]


def ahead_of(asker: Asker, waiting: Iterable[Waiting]) -> int:
    """How many come before it."""
    return sum(one.asker.name != asker.name and one.asker.place < asker.place for one in waiting)


def with_asker(waiting: Sequence[Waiting], asker: Asker, now: float) -> list[Waiting]:
    """The same and it, at most MOST_WAITING."""
    others = without(waiting, asker)
    return [*others, Waiting(asker, now)] if len(others) < MOST_WAITING else others


def without(waiting: Iterable[Waiting], asker: Asker) -> list[Waiting]:
    """The others."""
    return [one for one in waiting if one.asker.name != asker.name]
