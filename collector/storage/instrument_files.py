"""The instruments of each exchange as it last listed them, a file an exchange: repair writes it, others read it.

Each file, `run/instruments/<exchange>.json`, is replaced as a whole, so a reader never reads half of one. It is not synced:
one that a power cut tore is as good as none, and is fetched again.
"""

from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

VERSION: Final = 1
"""The version of the file's format. A file of a newer version is as good as none: the list is fetched again."""

MAX_INSTRUMENTS: Final = 100_000
"""The most instruments of a list; the longest known, Deribit's with all options, has some 5,000."""


class ListedInstrument(Struct, frozen=True, gc=False):
    """One instrument of an exchange's list."""

    symbol: str
    kind: str
    """`spot`, `perpetual`, `future` or `option`."""
    is_trading: bool
    """Whether it can be subscribed now."""
    volume: float | None = None
    """The value traded in 24 hours, comparable within the exchange; None if it was not asked for, or not told."""


class InstrumentList(Struct, frozen=True):
    """What an exchange listed, every symbol once, when it was asked."""

    version: int
    exchange: str
    asked_us: int
    """When the exchange had answered the last of the requests, in µs since the epoch."""
    instruments: list[ListedInstrument]


_decoder: Final = msgspec.json.Decoder(InstrumentList)


def instruments_file(data_dir: Path, exchange: str) -> Path:
    """Where the list of an exchange stands."""
    return data_dir / "run" / "instruments" / f"{exchange}.json"


def write_instruments(data_dir: Path, found: InstrumentList, writer: str = "") -> None:
    """Replace the list of its exchange. Raises OSError; then the one before stays.

    `writer` tells apart those that may write the same list at the same time.
    """
    path = instruments_file(data_dir, found.exchange)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{writer}.new")
    draft.write_bytes(msgspec.json.encode(found))
    draft.replace(path)


def read_instruments(data_dir: Path, exchange: str) -> InstrumentList | None:
    """The last list of an exchange; None if there is none that this program can read."""
    try:
        found = _decoder.decode(instruments_file(data_dir, exchange).read_bytes())
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return found if found.version == VERSION and found.exchange == exchange else None
