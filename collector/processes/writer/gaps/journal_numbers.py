"""Detects missing journal files by gaps in their numbering: every file gets the number after the previous file's."""

import msgspec


class JournalNumbers(msgspec.Struct, array_like=True):
    """How far the files of a feed were read, by number; committed with the rows."""

    newest: int = 0
    """The newest number read of the present incarnation of ingest."""
    highest: int = 0
    """The highest number ever read, of any incarnation. A number may be used again if positions were lost."""

    def follow(self, number: int, *, same_writer: bool) -> int | None:
        """Note that the file with that number is read. Returns the first number missing before it, if any.

        One incarnation always writes whole heads, so a file without one (see `pass_headless`) between two of its files
        counts as missing. Between two incarnations it is a file that was only begun.
        """
        before = self.newest if same_writer else self.highest
        self.newest, self.highest = number, max(self.highest, number)
        return before + 1 if 0 < before < number - 1 else None

    def pass_headless(self, number: int) -> None:
        """Note a file without a whole head: it was only begun, or it was truncated."""
        self.highest = max(self.highest, number)
