"""The symbols that edges chose from the exchange's list: the storage host polls and checks what they record.

An edge tells them of each feed that needs the list; the storage host keeps all that its edges chose together, as an ingest
keeps its choice.
"""

import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from collector.config import Config, FeedConfig
from collector.domain.symbol_choice import Choice
from collector.storage.chosen_files import read_choice, write_choice

MOST_BYTES: Final = 16 << 20
"""No list of symbols is longer; a value that says so is not read."""

_decode: Final = msgspec.json.Decoder(tuple[str, ...]).decode


def packed(symbols: Sequence[str]) -> bytes:
    """The symbols as the value of a key."""
    return zlib.compress(msgspec.json.encode(symbols))


def unpacked(value: bytes) -> tuple[str, ...] | None:
    """The symbols of a value; None if it cannot be read."""
    try:
        return _decode(zlib.decompressobj().decompress(value, MOST_BYTES))
    except (zlib.error, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def together(feed: FeedConfig, told: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """The symbols of a feed that some edge chose: exact ones as configured, then the others by name."""
    others = {symbol for symbols in told for symbol in symbols if feed.wanted.may_bring(symbol)}
    return tuple(dict.fromkeys([*feed.wanted.exact, *sorted(others)]))


class ToldSymbols:
    """On the storage host. Reads a value again only when it has changed."""

    def __init__(self, config: Config) -> None:
        self._data_dir = config.data_dir
        self._feeds = [feed for feed in config.feed if feed.wanted.needs_list]
        self._read: dict[tuple[str, str], tuple[bytes, tuple[str, ...]]] = {}
        self._kept: dict[str, tuple[str, ...]] = {}

    def keep(self, values: Mapping[tuple[str, str], bytes], edges: Collection[str]) -> None:
        """Keep what these edges chose, by edge and feed; without any the last choice stays. Raises OSError."""
        for place, value in values.items():
            known = self._read.get(place)
            if known is None or known[0] != value:
                self._read[place] = value, unpacked(value) or ()
        for feed in self._feeds:
            told = [self._read[edge, feed.name][1] for edge in edges if (edge, feed.name) in self._read]
            symbols = together(feed, told)
            if any(told) and symbols != self._kept.get(feed.name):
                last = read_choice(self._data_dir, feed.name)
                if last is None or last.symbols != symbols:
                    write_choice(self._data_dir, feed.name, Choice(symbols))
                self._kept[feed.name] = symbols
