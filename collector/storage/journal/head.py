"""What a journal file's head says, read from the file."""

import os
from collections.abc import Callable
from pathlib import Path

from collector.domain.errors import DamagedError
from collector.storage.journal.format import JournalHeader, decode_header, head_bytes

_HEAD_BYTES = 4 << 10
"""Longer than most heads."""


def file_id_of(path: Path, feed: str, number: int) -> str:
    """What names a journal file for good: the id in its head; its feed and number where that cannot be read.

    Numbers only give the order of the files that are there: a lost `positions.json` lets one be given again. Raises
    NewerDataError.
    """
    header = header_at(path)
    return headless_id(feed, number) if header is None else header.file_id


def header_at(path: Path) -> JournalHeader | None:
    """The head of a file; None where it cannot be read, or where the file is gone."""
    try:
        with path.open("rb", buffering=0) as file:
            return read_head(lambda offset, size: os.pread(file.fileno(), size, offset))
    except (DamagedError, FileNotFoundError):
        return None


def read_head(read: Callable[[int, int], bytes]) -> JournalHeader | None:
    """The head, as long as it may be, of a file that `read` reads from an offset on. As `decode_header`."""
    start = read(0, _HEAD_BYTES)
    return decode_header(start) or decode_header(read(0, head_bytes(start)))


def headless_id(feed: str, number: int) -> str:
    """What stands for the id of a file whose head cannot be read."""
    return f"{feed}/{number}"
