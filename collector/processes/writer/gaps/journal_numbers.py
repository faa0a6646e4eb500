"""Detects missing journal files by gaps in their numbering: every file takes the number after the last one."""

import msgspec


class JournalNumbers(msgspec.Struct, array_like=True):
    """How far the files of a feed were read, by number; it commits with the rows."""

    newest: int = 0
    """The newest one of the present incarnation of ingest."""
    highest: int = 0
    """The highest number ever, by any incarnation. A number may be given again if positions were lost."""

    def follow(self, number: int, *, same_writer: bool) -> int | None:
        """A file of that number is read; the first number that is missing before it, if any.

        One incarnation writes whole heads: a number between two of its files that had none (see `pass_headless`) is
        missing too. Between two incarnations that is a file which was only begun.
        """
        before = self.newest if same_writer else self.highest
        self.newest, self.highest = number, max(self.highest, number)
        return before + 1 if 0 < before < number - 1 else None

    def pass_headless(self, number: int) -> None:
        """Note a file without a whole head: it was only begun, or it was cut off."""
        self.highest = max(self.highest, number)
