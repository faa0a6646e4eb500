"""Which edges record which symbols: rendezvous hashing with copies.

Every edge has a score for every symbol, and the ones with the highest scores record it. So each edge can tell by itself,
the symbols are spread evenly, and when an edge joins or leaves only those symbols move that it gets or had.
"""

from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b

import msgspec


def score(member: str, feed: str, symbol: str) -> bytes:
    """How much a symbol of a feed belongs to a member; stays the same for ever, and in every version."""
    return blake2b(f"{member}\0{feed}\0{symbol}".encode(), digest_size=8).digest()


class View(msgspec.Struct, frozen=True):
    """The edges that share the symbols out, and over how many of them each symbol goes."""

    members: tuple[str, ...]
    """Sorted by name."""
    copies: int
    """0 means over all of them."""

    @property
    def name(self) -> str:
        """The same for equal views, on every host."""
        return blake2b("\0".join((str(self.copies), *self.members)).encode(), digest_size=8).hexdigest()

    @property
    def gives_all(self) -> bool:
        """Whether every member records everything."""
        return not 0 < self.copies < len(self.members)

    def owners(self, feed: str, symbol: str) -> tuple[str, ...]:
        """The members that are to record the symbol, the one to which it belongs most first."""
        return self.members if self.gives_all else _highest(self, feed, symbol)


@lru_cache(maxsize=64)
def _highest(view: View, feed: str, symbol: str) -> tuple[str, ...]:
    # Of many edges the same view is asked for the same symbol, one after the other.
    by_score = sorted(view.members, key=lambda member: (score(member, feed, symbol), member), reverse=True)
    return tuple(by_score[: view.copies])


def alone(edge: str) -> View:
    """The view in which an edge records everything, because it knows of no other."""
    return View((edge,), 0)


class Share(msgspec.Struct, frozen=True):
    """What an edge is to record of its feeds' symbols."""

    edge: str
    view: View
    held: tuple[View, ...] = ()
    """Earlier views: what they gave to this edge is recorded on until its new owners are ready."""
    ready: tuple[str, ...] = ()
    """Members whose connections bring what `view` gives to them."""
    whole: tuple[str, ...] = ()
    """Feeds of which everything is recorded, because the edges do not choose their symbols alike."""

    def brings(self, feed: str, symbol: str) -> bool:
        """Whether this edge records the symbol."""
        if feed in self.whole:
            return True
        owners = self.view.owners(feed, symbol)
        if self.edge in owners:
            return True
        return not set(owners) <= set(self.ready) and any(self.edge in view.owners(feed, symbol) for view in self.held)

    def of(self, feed: str, symbols: Iterable[str]) -> tuple[str, ...]:
        """Those of a feed's symbols that this edge records."""
        return tuple(symbol for symbol in symbols if self.brings(feed, symbol))
