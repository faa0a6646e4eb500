"""The symbols that each feed records now, a file a feed: its ingest writes it, others read it.

Only feeds whose symbols follow from the exchange's list have one, `run/instruments/<feed>.chosen.json`. It is replaced as a
whole and not synced: the symbols are chosen again at ingest's next start, and only what keeps `top:N` steady is lost.
"""

from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from collector.domain.symbol_choice import Choice
from collector.storage.instrument_files import instruments_file

VERSION: Final = 1
"""The version of the file's format. A file of a newer version is as good as none."""


class ChosenSymbols(Struct, frozen=True):
    """What the file holds; the names of the fields are its format."""

    version: int
    feed: str
    symbols: tuple[str, ...]
    top: int = 0
    ranked: dict[str, int] = {}
    """As in `Choice`."""


_decoder: Final = msgspec.json.Decoder(ChosenSymbols)


def chosen_file(data_dir: Path, feed: str) -> Path:
    """Where the chosen symbols of a feed stand."""
    return instruments_file(data_dir, f"{feed}.chosen")


def write_choice(data_dir: Path, feed: str, choice: Choice) -> None:
    """Replace the feed's file. Raises OSError; then the one before stays."""
    path = chosen_file(data_dir, feed)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.new")
    draft.write_bytes(
        msgspec.json.encode(ChosenSymbols(VERSION, feed, choice.symbols, choice.top, dict(choice.ranked)))
    )
    draft.replace(path)


def read_choice(data_dir: Path, feed: str) -> Choice | None:
    """What the feed's ingest chose last; None if there is no file that this program can read."""
    try:
        found = _decoder.decode(chosen_file(data_dir, feed).read_bytes())
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return Choice(found.symbols, found.top, found.ranked) if found.version == VERSION else None


class Watched:
    """Tells whether a file was replaced since the last look, which costs one system call."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None

    def has_changed(self) -> bool:
        """Whether it is another file than at the last look, or the first look finds one."""
        try:
            stat = self._path.stat()
        except OSError:
            return False
        found = stat.st_ino, stat.st_mtime_ns
        changed, self._seen = found != self._seen, found
        return changed
