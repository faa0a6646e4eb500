"""The journal files of a feed: their names and numbers."""

from pathlib import Path
from typing import Final

import msgspec

from collector.storage.regular_files import regular_files

SUFFIX = ".journal"

MAX_NUMBER: Final = (1 << 27) - 1
"""A made id holds the number above 36 bits of a 64-bit integer; a file a second would take four years to come here."""


def journal_path(folder: Path, number: int) -> Path:
    """Where the file of that number stands."""
    return folder / f"{number:012d}{SUFFIX}"


def journal_files(folder: Path) -> list[tuple[int, Path]]:
    """The journal files of a feed, oldest first, each with its number; what no ingest names so is somebody else's."""
    numbered = ((_number_of(path.stem), path) for path in regular_files(folder, f"*{SUFFIX}"))
    return sorted((number, path) for number, path in numbered if number is not None)


def _number_of(stem: str) -> int | None:
    number = int(stem) if stem.isascii() and stem.isdigit() else MAX_NUMBER + 1
    return number if number <= MAX_NUMBER else None


def next_number(folder: Path, positions_file: Path, feed: str) -> int:
    """The number for a new file: above every file present, and every file ever read to its end and removed.

    Where the positions cannot be read, or say a number that no file can have, it is above the files present: it only has
    to give their order. The writer says so, and writes them anew.
    """
    highest = max((number for number, _ in journal_files(folder)), default=0)
    return max([highest, *_known_numbers(positions_file, feed)]) + 1


class _Entry(msgspec.Struct):
    feed: str
    number: int


class _Positions(msgspec.Struct):
    positions: list[_Entry]


def _known_numbers(positions_file: Path, feed: str) -> list[int]:
    if not positions_file.exists():
        return []
    try:
        known = msgspec.json.decode(positions_file.read_bytes(), type=_Positions).positions
    except (msgspec.DecodeError, UnicodeDecodeError):
        return []
    return [entry.number for entry in known if entry.feed == feed and entry.number < MAX_NUMBER]
