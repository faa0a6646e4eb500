"""When each book is stored whole although nothing is missing: once an interval, each symbol at a time of its own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from collector.stats_files import StatsFile

SAVE_SECS: Final = 5.0
"""How often the times are kept on disk at most: a kill costs so much knowledge, and with it a few books more."""

_decoder: Final = msgspec.json.Decoder(dict[str, int])


def slot_us(now_us: int, interval_us: int, index: int, count: int) -> int:
    """The newest moment, not after `now_us`, at which the `index`-th of `count` symbols is to be stored.

    They are spread evenly over the interval, at the same times in every process.
    """
    offset = interval_us * index // count
    return now_us - (now_us - offset) % interval_us


class BookCheckpoints:
    """The last time of each symbol, kept in a file, so that a restart neither forgets one nor stores all at once."""

    def __init__(self, path: Path, symbols: Sequence[str], interval_secs: float, now_us: int) -> None:
        """Symbols the file does not know begin with their next moment; their first book is asked for anyway."""
        self._path = path
        self._symbols = symbols if interval_secs > 0 else ()
        self._interval_us = round(interval_secs * 1_000_000)
        known = _read(path)
        self._last_us = {symbol: known.get(symbol, now_us) for symbol in self._symbols}
        self._changed = False

    def due(self, now_us: int) -> list[str]:
        """The symbols whose moment has come, the longest waiting first."""
        # A time in the future is one before the clock was set back.
        self._last_us = {symbol: min(last_us, now_us) for symbol, last_us in self._last_us.items()}
        count = len(self._symbols)
        due = [
            symbol
            for index, symbol in enumerate(self._symbols)
            if self._last_us[symbol] < slot_us(now_us, self._interval_us, index, count)
        ]
        return sorted(due, key=self._last_us.__getitem__)

    def note(self, symbol: str, at_us: int) -> None:
        """Its book was stored whole."""
        if symbol in self._last_us:
            self._last_us[symbol] = at_us
            self._changed = True

    def save(self) -> None:
        """Keep the times, if there are new ones; where the disk takes nothing, those before stay."""
        if self._changed:
            self._changed = not StatsFile(self._path).write(self._last_us)


def _read(path: Path) -> dict[str, int]:
    try:
        return _decoder.decode(path.read_bytes())
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        # None yet, or torn by a power cut: books are then stored at their next moment.
        return {}
