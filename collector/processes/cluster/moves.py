"""How an edge goes from one share of the symbols to the next, so that no symbol is without an edge meanwhile. Pure.

What an edge gets it begins at once. What it gives up it records on until the members that get it say that their connections
bring it, or until a bounded time has passed.
"""

from collections.abc import Collection
from typing import Final

from collector.domain.sharing import Share, View, alone

LEAST: Final = 1.0
"""In `share.dead_secs`: for so long everything is held after each change, so that a flickering member moves nothing."""

MOST: Final = 20.0
"""In `share.dead_secs`: for so long what an edge gives up is held for members that do not say that they bring it."""

MOST_HELD: Final = 3
"""So many earlier views are held; with more of them everything is."""


class Moves:
    """The share of one edge. Times are monotonic, in seconds."""

    def __init__(self, edge: str, last: Share | None, dead_secs: float) -> None:
        """`last` is the share that its ingests know; None if they know none and record everything."""
        self._edge = edge
        self._least_secs, self._most_secs = LEAST * dead_secs, MOST * dead_secs
        self._view = alone(edge) if last is None else last.view
        self._held = () if last is None else last.held
        self._since: float | None = None
        """When the present view came."""
        self._whole: dict[str, float | None] = dict.fromkeys(() if last is None else last.whole)
        """Feeds that are recorded as a whole, and since when the others choose alike again."""

    def follow(self, view: View, ready: Collection[str], unlike: Collection[str], now: float) -> Share:
        """The share by this view, for which those members are ready; of `unlike` feeds everything is recorded."""
        if view != self._view:
            self._held = self._held_after(view)
            self._view, self._since = view, now
        self._since = now if self._since is None else self._since
        others = frozenset(view.members) - {self._edge}
        waited_secs = now - self._since
        may_give_up = waited_secs >= self._least_secs
        if waited_secs >= self._most_secs or (may_give_up and others <= set(ready)):
            self._held = ()
        self._follow_unlike(unlike, now, are_ready=others <= set(ready))
        known = tuple(sorted(others & set(ready))) if self._held and may_give_up else ()
        return Share(self._edge, view, self._held, known, tuple(sorted(self._whole)))

    def _held_after(self, view: View) -> tuple[View, ...]:
        held = (*(each for each in self._held if each not in {view, self._view}), self._view)
        return held if len(held) <= MOST_HELD else (alone(self._edge),)

    def _follow_unlike(self, unlike: Collection[str], now: float, *, are_ready: bool) -> None:
        for feed in unlike:
            self._whole[feed] = None
        for feed in self._whole.keys() - set(unlike):
            known = self._whole[feed]
            since = self._whole[feed] = now if known is None else known
            if now - since >= self._most_secs or (are_ready and now - since >= self._least_secs):
                del self._whole[feed]
