"""What every format offers to the command that exports."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from collector.read.ledger.gaps import LedgerRow


class Job(Protocol):
    """One kind of files of a format, to be written once."""

    @property
    def name(self) -> str:
        """What it writes, as the format names it."""

    @property
    def gaps(self) -> list[LedgerRow]:
        """The gaps in the stretch; complete when all was written."""

    def write(self, folder: Path) -> Iterator[int]:
        """Write the files; yields the local times reached, in µs since the epoch.

        Raises GapError where gaps are refused, and as reading does.
        """

    def said(self) -> str:
        """What was written, and what was changed for it, in a line."""


def moved_text(messages: int) -> str:
    """How many messages were moved by a microsecond, because the one before had the same local time; empty for none."""
    return f"; {messages} messages moved by 1 µs, away from the one before" if messages else ""
