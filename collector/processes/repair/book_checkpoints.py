"""When to fetch each full book although nothing is missing: once an interval, each symbol at its own time.

A book of which only the best levels were fetched is owed: it is due at once.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from collector.stats_files import StatsFile

SAVE_SECS: Final = 5.0
"""Shortest time between two saves of the times, in seconds. A kill loses those since, and a few books are fetched again."""

_OWED_US: Final = 0
"""Stands for the time of a book that is owed."""

_decoder: Final = msgspec.json.Decoder(dict[str, int])


def slot_us(now_us: int, interval_us: int, index: int, count: int) -> int:
    """The latest time, not after `now_us`, at which the checkpoint of the `index`-th of `count` symbols is due.

    The symbols are spread evenly over the interval, at the same times in every process.
    """
    offset = interval_us * index // count
    return now_us - (now_us - offset) % interval_us


class BookCheckpoints:
    """The last checkpoint of each symbol, saved in a file: a restart neither skips one nor fetches all at once."""

    def __init__(self, path: Path, symbols_now: Callable[[], Sequence[str]], interval_secs: float, now_us: int) -> None:
        """`symbols_now` returns the same object until the symbols change.

        Symbols that are not in the file are due at their next time; the writer requests their first book anyway.
        """
        self._path = path
        self._symbols_now = symbols_now
        self._interval_us = round(interval_secs * 1_000_000)
        self._symbols: Sequence[str] = ()
        self._last_us = _read(path)
        self._owed = dict.fromkeys(symbol for symbol, last_us in self._last_us.items() if last_us == _OWED_US)
        self._changed = False
        self._follow(now_us)

    def due(self, now_us: int) -> list[str]:
        """The symbols whose checkpoint is due, the longest overdue first."""
        self._follow(now_us)
        if not self._interval_us:
            return []
        # A time in the future was noted before the clock was set back.
        self._last_us = {symbol: min(last_us, now_us) for symbol, last_us in self._last_us.items()}
        count = len(self._symbols)
        due = [
            symbol
            for index, symbol in enumerate(self._symbols)
            if self._last_us[symbol] < slot_us(now_us, self._interval_us, index, count)
        ]
        return sorted((symbol for symbol in due if symbol not in self._owed), key=self._last_us.__getitem__)

    @property
    def owed(self) -> list[str]:
        """The symbols whose book came without most of its levels."""
        return list(self._owed)

    def owe(self, symbol: str) -> None:
        """Only the best levels of that symbol's book were stored."""
        if symbol in self._last_us:
            self._owed[symbol] = None
            self._last_us[symbol] = _OWED_US
            self._changed = True

    def note(self, symbol: str, at_us: int) -> None:
        """The full book of that symbol was stored."""
        self._owed.pop(symbol, None)
        if symbol in self._last_us:
            self._last_us[symbol] = at_us
            self._changed = True

    def _follow(self, now_us: int) -> None:
        symbols = self._symbols_now()
        if symbols is not self._symbols:
            self._symbols = symbols
            self._last_us = {symbol: self._last_us.get(symbol, now_us) for symbol in symbols}
            self._owed = {symbol: None for symbol in self._owed if symbol in self._last_us}

    def save(self) -> None:
        """Save the times if they have changed. If the write fails, the next call tries again."""
        if self._changed:
            self._changed = not StatsFile(self._path).write(self._last_us)


def _read(path: Path) -> dict[str, int]:
    try:
        return _decoder.decode(path.read_bytes())
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        # There is no file yet, or a power cut tore it: each symbol is then due at its next time.
        return {}
