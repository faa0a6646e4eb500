"""Reads the newest messages of each stream from an open segment, and few others: a writer begins with them."""

import sqlite3
from collections.abc import Callable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple

from collector.domain.errors import DamagedError
from collector.storage.segment.blocks import BlockDecoder, Messages

IsEnough = Callable[[int, int, int], bool]
"""Whether a stream needs no older messages, given its id, how many were found, and when the oldest was received (µs)."""

_BLOCKS: Final = "SELECT block, stream_id, first_row, received_min, columns FROM blocks ORDER BY block DESC"
_SHARED: Final = "SELECT block, stream_id FROM block_streams ORDER BY rowid DESC"
_CONTENT: Final = "SELECT columns, payloads FROM blocks WHERE block = ?"
_WANTED: Final = """
SELECT stream_id, coalesce(row, 0) FROM streams LEFT JOIN recents USING (stream_id) WHERE last_row > coalesce(row, 0)
"""
"""Streams with messages behind those whose ids `recents` holds, and the row of the last of those."""


class _Entry(NamedTuple):
    block: int
    streams: list[int]
    first_row: int
    received_min: int
    columns: bytes


class _Needed(NamedTuple):
    block: int
    streams: frozenset[int]


def newest(db: sqlite3.Connection, is_enough: IsEnough, on_progress: Callable[[], None]) -> Iterator[list[Messages]]:
    """Each stream's newest messages, in order of commits.

    A stream's blocks are read back to those for which `is_enough`, or to the row up to which `recents` has its ids.
    Raises DamagedError.
    """
    decoder = BlockDecoder()
    for block, streams in reversed(list(_needed(db, decoder, is_enough, on_progress))):
        on_progress()
        columns, payloads = db.execute(_CONTENT, (block,)).fetchone()
        yield decoder.messages(columns, payloads, streams)


def _needed(
    db: sqlite3.Connection, decoder: BlockDecoder, is_enough: IsEnough, on_progress: Callable[[], None]
) -> Iterator[_Needed]:
    """The blocks, the newest first, each with the streams that need it."""
    wanted: dict[int, int] = dict(db.execute(_WANTED))
    found: dict[int, int] = {}
    for entry in _entries(db):
        on_progress()
        for known in entry.streams:
            if entry.first_row <= wanted.get(known, -1):
                del wanted[known]
        if not wanted:
            return
        needing = wanted.keys() & entry.streams
        if not needing:
            continue
        yield _Needed(entry.block, frozenset(needing))
        live = decoder.live(entry.columns)
        if live.keys() != set(entry.streams):
            raise DamagedError(f"block {entry.block} has messages of other streams than it is said to have")
        for known in needing:
            found[known] = found.get(known, 0) + live[known]
            if is_enough(known, found[known], entry.received_min):
                del wanted[known]


def _entries(db: sqlite3.Connection) -> Iterator[_Entry]:
    """The blocks, the newest first."""
    shared = _shared(db)
    for block, stream_id, first_row, received_min, columns in db.execute(_BLOCKS):
        if not isinstance(first_row, int) or not isinstance(received_min, int):
            raise DamagedError(f"block {block} says {first_row!a} and {received_min!a} where numbers belong")
        streams = [stream_id] if stream_id is not None else _streams_in(block, shared)
        yield _Entry(block, streams, first_row, received_min, columns)


def _shared(db: sqlite3.Connection) -> Iterator[tuple[int, list[int]]]:
    """The blocks that streams share, the newest first, each with its streams."""
    for block, rows in groupby(db.execute(_SHARED), key=itemgetter(0)):
        yield block, [stream_id for _, stream_id in rows]


def _streams_in(block: int, shared: Iterator[tuple[int, list[int]]]) -> list[int]:
    found, streams = next(shared, (None, []))
    if found != block:
        raise DamagedError(f"nothing says which streams share block {block}")
    return streams
