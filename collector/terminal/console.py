"""Where a tool prints: lines fit a terminal, and are never wrapped elsewhere."""

from typing import Final

from rich.console import Console

_UNWRAPPED: Final = 100_000


def output_console() -> Console:
    """The console of standard output. Files and pipes get each line whole, whatever COLUMNS says."""
    console = Console()
    return console if console.is_terminal else Console(width=_UNWRAPPED)
