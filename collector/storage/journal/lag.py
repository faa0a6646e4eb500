"""How much of a journal is not read yet, and since when."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from collector.storage.journal.format import RECORD_HEAD_BYTES, find_record, received_ns_of
from collector.storage.journal.head import header_at

_SEARCHED_BYTES: Final = 512 << 10


class Lag(NamedTuple):
    """Unread bytes of a journal, the number of files they are in, and the number of all its files."""

    bytes: int
    unread_files: int
    files: int
    since_ns: int | None
    """Receive time of the first unread record; None if there is none that can be read."""


def lag_of(pending: Sequence[tuple[Path, int]], files: int) -> Lag:
    """The lag of a journal; `pending` are the paths not read to their end, each with the offset reached, of `files` files."""
    sizes = [_size_of(path) - offset for path, offset in pending]
    since_ns = next(filter(None, (_received_ns_at(*place) for place in pending)), None)
    return Lag(sum(sizes), sum(1 for size in sizes if size > 0), files, since_ns)


def _received_ns_at(path: Path, offset: int) -> int | None:
    """Receive time of the record at an offset, or of the next one behind a damaged head or record; None if there is none."""
    header = None if offset else header_at(path)
    if header is not None:
        offset = header.header_bytes
    try:
        with path.open("rb", buffering=0) as file:
            received_ns = received_ns_of(os.pread(file.fileno(), RECORD_HEAD_BYTES, offset))
            if received_ns is not None:
                return received_ns
            data = os.pread(file.fileno(), _SEARCHED_BYTES, offset)
    except FileNotFoundError:
        return None
    found = find_record(data, 0)
    return None if found is None else received_ns_of(data[found : found + RECORD_HEAD_BYTES])


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        # Removed at a seal since it was listed: nothing of it is pending.
        return 0
