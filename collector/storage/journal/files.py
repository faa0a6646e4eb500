"""The journal files of a feed: their names and numbers."""

import os
from pathlib import Path
from typing import Final

import msgspec

SUFFIX = ".journal"

MAX_NUMBER: Final = (1 << 27) - 1
"""Ids made from a journal position hold the number above 36 bits of an int64; a file a second takes four years to get here."""


def journal_path(folder: Path, number: int) -> Path:
    """The path of the file with that number."""
    return folder / f"{number:012d}{SUFFIX}"


def journal_files(folder: Path) -> list[tuple[int, Path]]:
    """The journal files of a feed and their numbers, oldest first. Files with other names are not the recorder's."""
    return [(number, folder / name) for number, name, _ in journal_entries(folder)]


def journal_entries(folder: Path) -> list[tuple[int, str, int]]:
    """The same, each with its name and inode in place of its path; none if the folder does not exist. Raises OSError."""
    try:
        with os.scandir(folder) as entries:
            found = [(_number_of(entry.name), entry) for entry in entries if entry.name.endswith(SUFFIX)]
            return sorted(
                (number, entry.name, entry.inode()) for number, entry in found if number is not None and entry.is_file()
            )
    except (FileNotFoundError, NotADirectoryError):
        return []


def _number_of(name: str) -> int | None:
    stem = name.removesuffix(SUFFIX)
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
