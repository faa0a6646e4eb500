"""What hosts say, for tests of the rules."""

from collections.abc import Mapping

from collector.domain.sharing import Share, View
from collector.processes.cluster.values import FeedState, Member


def view(*names: str, copies: int = 1) -> View:
    return View(tuple(sorted(names)), copies)


def member(
    share: Share | None = None, *, beat: int = 1, complete: bool = True, copies: int = 1, before: View | None = None,
    feeds: Mapping[str, str] | None = None, leaving: bool = False,
) -> Member:  # fmt: skip
    """An edge with a feed `f`, or with these, each with a name of what was chosen."""
    states = {feed: FeedState(chosen, complete) for feed, chosen in (feeds or {"f": "x"}).items()}
    return Member(
        "i", beat, is_edge=True, leaving=leaving, copies=copies, share=share, before=before, feeds=states
    )  # fmt: skip
