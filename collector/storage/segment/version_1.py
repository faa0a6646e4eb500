"""Reads the messages of segments of format 1, in which each is a row of `messages`, and stores them in blocks."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Final

from collector.domain.errors import DamagedError
from collector.domain.records import BACKFILLED_LINE
from collector.storage.segment.blocks import BlockEncoder, Messages
from collector.storage.segment.file_format import insert_blocks, make_tables

CHUNK_ROWS: Final = 10_000

_ROWS: Final = "SELECT row, stream_id, series, id, received_us, exchange_us, line, payload FROM messages ORDER BY row"

_STREAMS: Final = "SELECT stream_id, exchange, symbol, data_type, feed, id_rule, x'', NULL, NULL, NULL FROM streams"


@contextmanager
def as_blocks(db: sqlite3.Connection, path: Path, tick: Callable[[], None]) -> Iterator[sqlite3.Connection]:
    """A file with the same messages in blocks, made at `path` and removed at the end. Raises DamagedError as `chunks`."""
    encoder = BlockEncoder()
    number = 1
    try:
        with closing(sqlite3.connect(path)) as made:
            make_tables(made)
            made.execute("PRAGMA journal_mode=OFF")
            made.execute("PRAGMA synchronous=OFF")
            made.executemany("INSERT INTO streams VALUES (?,?,?,?,?,?,?,?,?,?)", db.execute(_STREAMS))
            for chunk in chunks(db):
                blocks = list(encoder.blocks(chunk))
                insert_blocks(made, number, blocks)
                number += len(blocks)
                tick()
            made.commit()
            yield made
    finally:
        path.unlink(missing_ok=True)


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
