"""Reads the head of a journal file."""

import os
from collections.abc import Callable
from pathlib import Path

from collector.domain.errors import DamagedError
from collector.storage.journal.format import JournalHeader, decode_header, head_bytes

_HEAD_BYTES = 4 << 10
"""Bytes read at first; most heads are shorter."""


def file_id_of(path: Path, feed: str, number: int) -> str:
    """The permanent id of a journal file: the one in its head, or feed and number if the head cannot be read.

    Numbers only give the order of the files present: after `positions.json` was lost, one may be used again. Raises
    NewerDataError.
    """
    header = header_at(path)
    return headless_id(feed, number) if header is None else header.file_id


def header_at(path: Path) -> JournalHeader | None:
    """The head of a file; None if it cannot be read, or the file is gone."""
    try:
        with path.open("rb", buffering=0) as file:
            return read_head(lambda offset, size: os.pread(file.fileno(), size, offset))
    except (DamagedError, FileNotFoundError):
        return None


def read_head(read: Callable[[int, int], bytes]) -> JournalHeader | None:
    """The head of a file, of any length; `read` takes offset and size. Returns and raises as `decode_header`."""
    start = read(0, _HEAD_BYTES)
    return decode_header(start) or decode_header(read(0, head_bytes(start)))


def headless_id(feed: str, number: int) -> str:
    """The id of a file whose head cannot be read."""
    return f"{feed}/{number}"
