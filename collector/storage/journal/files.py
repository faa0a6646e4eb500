"""The journal files of a feed: their names and numbers."""

from pathlib import Path
from typing import Final

import msgspec

from collector.storage.regular_files import regular_files

SUFFIX = ".journal"

MAX_NUMBER: Final = (1 << 27) - 1
"""Ids made from a journal position hold the number above 36 bits of an int64; a file a second takes four years to get here."""


def journal_path(folder: Path, number: int) -> Path:
    """The path of the file with that number."""
    return folder / f"{number:012d}{SUFFIX}"


def journal_files(folder: Path) -> list[tuple[int, Path]]:
    """The journal files of a feed and their numbers, oldest first. Files with other names are not the recorder's."""
    numbered = ((_number_of(path.stem), path) for path in regular_files(folder, f"*{SUFFIX}"))
    return sorted((number, path) for number, path in numbered if number is not None)


def _number_of(stem: str) -> int | None:
    number = int(stem) if stem.isascii() and stem.isdigit() else MAX_NUMBER + 1
    return number if number <= MAX_NUMBER else None


def next_number(folder: Path, positions_file: Path, feed: str) -> int:
    """The number for a new file: above that of every file present, and of every file ever read to its end and removed.

    If `positions.json` cannot be read, or has numbers above MAX_NUMBER, only the files present count: numbers only give
    the order. The writer reports such a file and rewrites it.
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
