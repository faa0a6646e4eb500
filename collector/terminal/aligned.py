"""Lines of figures below each other, one part after another: columns grow with what they show, and never shrink."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.text import Text

_WIDEST: Final = 60
"""Longer texts, as of frames, make no column wider."""

_SIDES: Final = {"buy": "green", "sell": "red", "unknown": "yellow"}


@dataclass
class _Column:
    """A column of text, as wide as what it has shown."""

    name: str
    is_number: bool
    before: int = 0
    """Characters before the decimal point, or of all of a text."""
    behind: int = 0

    def fit(self, text: str) -> None:
        before, behind = _parts(text) if self.is_number else (text, "")
        self.before = max(self.before, min(_WIDEST, len(before)))
        self.behind = max(self.behind, len(behind))

    def padded(self, text: str) -> str:
        if not self.is_number:
            return text.ljust(self._width)
        return (text + " " * (self.behind - len(_parts(text)[1]))).rjust(self._width)

    def head(self) -> str:
        return self.name.rjust(self._width) if self.is_number else self.name.ljust(self._width)

    @property
    def _width(self) -> int:
        return max(self.before + self.behind, len(self.name))


class Aligned:
    """Columns of texts, and of numbers that stand by their decimal points."""

    def __init__(self, columns: Sequence[tuple[str, bool]]) -> None:
        """Each has a name, and whether it is one of numbers."""
        self._columns = [_Column(*column) for column in columns]

    def lines(self, rows: Sequence[Sequence[str]], *, with_names: bool) -> list[Text]:
        """The lines of rows, below one with the names of the columns."""
        for row in rows:
            for column, text in zip(self._columns, row, strict=True):
                column.fit(text)
        heads = "  ".join(column.head() for column in self._columns).rstrip()
        return [*([Text(heads, "bold")] if with_names else []), *map(self._line, rows)]

    def _line(self, row: Sequence[str]) -> Text:
        line = Text()
        for index, (column, text) in enumerate(zip(self._columns, row, strict=True)):
            line.append(column.padded(text), "dim" if index == 0 else _SIDES.get(text, ""))
            line.append("  ")
        line.rstrip()
        return line


def _parts(number: str) -> tuple[str, str]:
    """What stands before a number's decimal point, and the rest."""
    before, point, behind = number.partition(".")
    return before, point + behind
