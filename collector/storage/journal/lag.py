"""How much of a journal waits to be read, and since when."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from collector.storage.journal.format import RECORD_HEAD_BYTES, find_record, received_ns_of
from collector.storage.journal.head import header_at

_SEARCHED_BYTES: Final = 512 << 10


class Lag(NamedTuple):
    """What of a journal was not read yet, in how many files, and how many there are."""

    bytes: int
    unread_files: int
    files: int
    since_ns: int | None
    """When the first record that was not read yet was received; None where there is none, or none that can be read."""


def lag_of(pending: Sequence[tuple[Path, int]], files: int) -> Lag:
    """The lag of a journal of so many files, of which `pending` gives those not read to their end, and how far each is."""
    sizes = [_size_of(path) - offset for path, offset in pending]
    since_ns = next(filter(None, (_received_ns_at(*place) for place in pending)), None)
    return Lag(sum(sizes), sum(1 for size in sizes if size > 0), files, since_ns)


def _received_ns_at(path: Path, offset: int) -> int | None:
    """When the record was received that stands there, or next behind a rotten head or record; None as for `Lag`."""
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
        # A file may be removed at a seal between the listing and this look; then nothing of it is pending.
        return 0
