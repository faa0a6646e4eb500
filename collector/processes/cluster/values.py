"""What hosts tell each other in the values of keys, as JSON. Pure.

A value says nothing by its time: whoever reads it only sees whether it changes, by the clock of its own machine.
"""

from typing import TypeVar

import msgspec

from collector.domain.errors import DamagedError
from collector.domain.sharing import Share, View, alone
from collector.reports import HostSummary

T = TypeVar("T")


class FeedState(msgspec.Struct, frozen=True, array_like=True):
    """A feed on an edge."""

    chosen: str
    """The same where the same streams were chosen, whoever records them; empty while none are."""
    is_complete: bool
    """Whether its connections bring everything that `Member.share` gives to the edge."""


class Member(msgspec.Struct, frozen=True, omit_defaults=True):
    """A host's sign of life, and what it brings if it is an edge; small, however many symbols there are."""

    incarnation: str
    """Of the process that says so."""
    beat: int
    """Rises."""
    is_edge: bool = False
    leaving: bool = False
    """Whether it ends in order, so that others need not wait to take over."""
    copies: int = 0
    """As configured there."""
    share: Share | None = None
    """None while the edge records everything, because it does not know the others yet."""
    before: View | None = None
    """The last view of which all its feeds brought everything."""
    feeds: dict[str, FeedState] = {}

    @property
    def mark(self) -> tuple[str, int]:
        """Another one is a sign of life."""
        return self.incarnation, self.beat

    def is_ready_for(self, view: View) -> bool:
        """Whether it brings what that view gives to it."""
        return (
            self.share is not None
            and self.share.view == view
            and all(state.is_complete for state in self.feeds.values())
        )

    def brings(self, edge: str, feed: str, symbol: str) -> bool:
        """Whether the edge of that name, whose value this is, receives the symbol now."""
        state = self.feeds.get(feed)
        if state is None:
            return False
        share = self.share or Share(edge, alone(edge))
        if not share.brings(feed, symbol):
            return False
        return state.is_complete or (self.before is not None and edge in self.before.owners(feed, symbol))


class HostValue(msgspec.Struct, frozen=True):
    """A host's own status."""

    beat: int
    """Rises."""
    summary: HostSummary
    leaving: bool = False
    """Whether it ends in order, so that nobody needs to watch it any more."""


def encode(value: Member | HostValue) -> bytes:
    """As the value of a key."""
    return msgspec.json.encode(value)


def decode(value: bytes, kind: type[T]) -> T:
    """Raises DamagedError."""
    try:
        return msgspec.json.decode(value, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DamagedError("not what a host tells others") from error
