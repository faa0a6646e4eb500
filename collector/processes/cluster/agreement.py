"""Where edges go by different settings, and what is recorded then: rather twice than not at all. Pure."""

from collections.abc import Mapping
from typing import Final

from collector.processes.cluster.values import Member

REFRESHES: Final = 2.0
"""In `ingest.symbols_refresh_secs`: for so long edges may differ in the symbols they choose, as their lists differ in age."""


def agreed_copies(members: Mapping[str, Member]) -> int:
    """The copies by which all go: the most that any of them wants."""
    wanted = [member.copies for member in members.values()]
    return 0 if not all(wanted) else max(wanted, default=0)


def copies_trouble(members: Mapping[str, Member]) -> str:
    """Whether they want different numbers of copies; empty if they do not."""
    if len({member.copies for member in members.values()}) < 2:  # noqa: PLR2004
        return ""
    wanted = ", ".join(f"{name} {members[name].copies}" for name in sorted(members))
    copies = agreed_copies(members)
    return f"share.copies differs ({wanted}): each symbol is recorded by {copies or 'all'} of them"


class Choices:
    """Feeds of this edge whose streams the others do not choose alike. Times are monotonic, in seconds."""

    def __init__(self, edge: str, refresh_secs: float) -> None:
        self._edge = edge
        self._patience_secs = REFRESHES * refresh_secs
        self._since: dict[str, float] = {}

    def unlike(self, members: Mapping[str, Member], now: float) -> frozenset[str]:
        """Those that some member does not have, or has chosen differently for long."""
        own = members[self._edge].feeds
        others = [member for name, member in members.items() if name != self._edge]
        absent = {feed for feed in own for member in others if feed not in member.feeds}
        differing = {
            feed
            for feed, state in own.items()
            for member in others
            if feed in member.feeds and member.feeds[feed].chosen != state.chosen
        }
        self._since = {feed: self._since.get(feed, now) for feed in differing}
        lasting = {feed for feed, since in self._since.items() if now - since >= self._patience_secs}
        return frozenset(absent | lasting)
