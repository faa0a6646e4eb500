"""What a person who starts the recorder is shown while it runs."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

MakeStatus = Callable[[], Mapping[str, Any]]
"""Makes the newest status: it takes time, which is spent only where somebody looks."""


class Page(NamedTuple):
    """Where the page is served."""

    url: str = ""
    """Empty while it is not served."""
    problem: str = ""
    """Why it is not served."""


class Display(Protocol):
    """Takes what is to be shown, and never waits for whoever looks."""

    def note(self, text: str) -> None:
        """Show a sentence before the first status."""

    def show(self, make_status: MakeStatus, page: Page) -> None:
        """Show the newest status; called about once a second, before the next look."""


class NoDisplay:
    """Shows nothing: the log has it all."""

    def note(self, text: str) -> None:
        """Nobody looks."""

    def show(self, make_status: MakeStatus, page: Page) -> None:
        """Nobody looks."""
