"""Reads the newest messages of each stream from an open segment, and few others: a writer begins with them."""

import sqlite3
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

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
    shared = _shared(db)
    for block, stream_id, first_row, received_min, columns in db.execute(_BLOCKS):
        on_progress()
        in_block = [stream_id] if stream_id is not None else next(shared)
        for known in in_block:
            if first_row <= wanted.get(known, -1):
                del wanted[known]
        if not wanted:
            return
        needing = wanted.keys() & in_block
        if not needing:
            continue
        yield _Needed(block, frozenset(needing))
        for known, count in decoder.live(columns).items():
            if known in needing:
                found[known] = found.get(known, 0) + count
                if is_enough(known, found[known], received_min):
                    del wanted[known]


def _shared(db: sqlite3.Connection) -> Iterator[list[int]]:
    """The streams of each block that streams share, the newest block first."""
    last: int | None = None
    streams: list[int] = []
    for block, stream_id in db.execute(_SHARED):
        if last is not None and block != last:
            yield streams
            streams = []
        last = block
        streams.append(stream_id)
    yield streams
