"""The messages of a segment as rows, one each, for tests that ask for them in SQL."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from collector.domain.records import BACKFILLED_LINE
from collector.storage.segment.blocks import BlockDecoder, Messages
from collector.storage.segment.file_format import version_of
from collector.storage.segment.sealed_segment import SealedSegment

Row = tuple[int, int, int, int, int, int | None, int, bytes]
"""row, stream_id, series, id, received_us, exchange_us, line, payload"""


def rows_of(messages: Iterable[Messages]) -> list[Row]:
    """Messages as rows, in order."""
    return sorted(
        row
        for group in messages
        for row in zip(
            group.rows, [group.stream_id] * len(group), [group.series] * len(group), group.ids, group.received_us,
            group.exchange_us, group.lines, group.payloads, strict=True,
        )
    )  # fmt: skip


def messages_of(rows: Iterable[Row]) -> list[Messages]:
    """The inverse, grouped as the writer groups them."""
    groups: dict[tuple[int, int, bool], Messages] = {}
    for row, stream_id, series, id_, received_us, exchange_us, line, payload in rows:
        group = groups.setdefault((stream_id, series, line == BACKFILLED_LINE), Messages(stream_id, series))
        group.rows.append(row)
        group.ids.append(id_)
        group.received_us.append(received_us)
        group.exchange_us.append(exchange_us)
        group.lines.append(line)
        group.payloads.append(payload)
    return list(groups.values())


def contents(segment: SealedSegment) -> list[list[Messages]]:
    """What the blocks of a sealed segment hold, block by block."""
    decoder = BlockDecoder()
    blocks = segment._db.execute("SELECT columns, payloads FROM blocks ORDER BY block")
    return [decoder.messages(*block) for block in blocks]


def query(path: Path, sql: str) -> list[tuple[Any, ...]]:
    """What a segment answers to SQL that may ask for `messages`, a row each."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        if version_of(db, path) > 1:
            _show_messages(db)
        return db.execute(sql).fetchall()


def _show_messages(db: sqlite3.Connection) -> None:
    decoder = BlockDecoder()
    db.execute(
        "CREATE TEMP TABLE messages"
        " (row INTEGER PRIMARY KEY, stream_id, series, id, received_us, exchange_us, line, payload)"
    )
    for block in db.execute("SELECT columns, payloads FROM blocks ORDER BY block").fetchall():
        db.executemany("INSERT INTO messages VALUES (?,?,?,?,?,?,?,?)", rows_of(decoder.messages(*block)))
