"""Whose slice is taken next: the oldest, so that the lines of several edges stay together while all of them catch up.

No edge is waited for that has nothing; one that is catching up is waited for as long as its next slice may be on its way.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

PATIENCE_SECS: Final = 0.2
CATCHING_UP_NS: Final = 5_000_000_000
"""An edge whose newest slice is older than this has more, unless its stream said that it is at its end."""


class Turn(NamedTuple):
    """What is known of one edge."""

    edge: str
    first_ns: int | None
    """Time of what waits first; None if nothing does."""
    newest_ns: int
    """Time of what was taken last; 0 if nothing was."""
    is_quiet: bool
    """Whether its stream is at its end."""


def next_edge(turns: Iterable[Turn], now_ns: int, waited_secs: float) -> str | None:
    """Whose slice is to be taken; None if there is none, or one is to be waited for. `waited_secs`: so long nothing was taken."""
    known = list(turns)
    ready = [(turn.first_ns, turn.edge) for turn in known if turn.first_ns is not None]
    if not ready:
        return None
    oldest_ns, edge = min(ready)
    if waited_secs < PATIENCE_SECS and any(_may_be_older(turn, oldest_ns, now_ns) for turn in known):
        return None
    return edge


def _may_be_older(turn: Turn, oldest_ns: int, now_ns: int) -> bool:
    is_catching_up = not turn.is_quiet and turn.newest_ns < now_ns - CATCHING_UP_NS
    return turn.first_ns is None and is_catching_up and turn.newest_ns < oldest_ns
