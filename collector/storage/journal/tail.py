"""Finds records appended behind the place where a journal file was taken to end."""

from pathlib import Path
from typing import Final

from collector.storage.journal.format import find_record
from collector.storage.journal.head import header_at

_MOST_REMEMBERED: Final = 1_000


class Tails:
    """Reads each file once for each size that it has."""

    def __init__(self) -> None:
        self._looked_at: dict[Path, tuple[int, int]] = {}
        """Size and end of each file that had no record behind its end."""

    def goes_on(self, path: Path, end: int) -> bool:
        """Whether whole records stand behind `end`: their writer was taken for dead too early. Raises OSError."""
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            return False
        if size <= end or self._looked_at.get(path) == (size, end):
            return False
        with path.open("rb") as file:
            file.seek(end)
            tail = file.read()
        if find_record(tail, 0) is not None:
            header = header_at(path)
            of_relay = header is not None and header.sources is not None
            if not of_relay or find_record(tail, 0, of_relay=True) is not None:
                return True
        if len(self._looked_at) >= _MOST_REMEMBERED:
            self._looked_at.clear()
        self._looked_at[path] = (size, end)
        return False
