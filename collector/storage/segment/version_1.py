"""Reads the messages of segments of format 1, in which each is a row of `messages`."""

import sqlite3
from collections.abc import Iterator
from itertools import islice
from typing import Final

from collector.domain.errors import DamagedError
from collector.domain.records import BACKFILLED_LINE
from collector.storage.segment.blocks import Messages

CHUNK_ROWS: Final = 10_000

_ROWS: Final = "SELECT row, stream_id, series, id, received_us, exchange_us, line, payload FROM messages ORDER BY row"


def chunks(db: sqlite3.Connection) -> Iterator[list[Messages]]:
    """All messages, some thousands at a time, grouped as the writer groups those of a commit.

    Raises DamagedError if messages are missing.
    """
    rows = db.execute(_ROWS)
    expected = 1
    while chunk := list(islice(rows, CHUNK_ROWS)):
        if chunk[0][0] != expected or chunk[-1][0] != expected + len(chunk) - 1:
            raise DamagedError(f"messages are missing between rows {expected} and {chunk[-1][0]}")
        expected += len(chunk)
        yield list(_grouped(chunk))


def _grouped(chunk: list[tuple[int, int, int, int, int, int | None, int, bytes]]) -> Iterator[Messages]:
    groups: dict[tuple[int, int, bool], list[tuple[int, int, int, int | None, int, bytes]]] = {}
    for row, stream_id, series, *rest, line, payload in chunk:
        key = stream_id, series, line == BACKFILLED_LINE
        groups.setdefault(key, []).append((row, *rest, line, payload))  # type: ignore[arg-type]  # of a known table
    for (stream_id, series, _), group in groups.items():
        yield Messages(stream_id, series, *map(list, zip(*group, strict=True)))
