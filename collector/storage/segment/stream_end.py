"""Finds the newest blocks of one stream of a segment that another process may be writing: from the end, and no further than needed.

No statement lasts, because a reader holds up a seal. What is committed behind the first of them is left for the next look.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

MOST_BLOCKS: Final = 64
"""Blocks read at a time, each of at most 1 MiB of text or one message: who was away for long catches up step by step."""

_LAST: Final = "SELECT coalesce(max(block), 0) FROM blocks"
_HEADS: Final = "SELECT block, stream_id, rows FROM blocks WHERE block <= ? ORDER BY block DESC"
_SHARED: Final = "SELECT block, stream_id, rows FROM block_streams ORDER BY rowid DESC"
_CONTENT: Final = "SELECT columns, payloads FROM blocks WHERE block = ?"
_NONE: Final = (0, 0, 0)


class FoundBlocks(NamedTuple):
    """Blocks of a stream, packed, in order of commits."""

    packed: list[tuple[bytes, bytes]]
    until: int
    """Behind the first of them, and up to this block, the stream has no others."""


def newest_blocks(db: sqlite3.Connection, stream_id: int, rows: int) -> FoundBlocks:
    """The newest blocks of a stream, with so many messages at least, if it has so many."""
    last = _last(db)
    found: list[int] = []
    for block, count in _backwards(db, stream_id, last):
        if rows <= 0:
            break
        found.append(block)
        rows -= count
    return FoundBlocks(_content(db, reversed(found)), last)


def blocks_after(db: sqlite3.Connection, stream_id: int, after: int) -> FoundBlocks:
    """The blocks of a stream behind the block `after`: the oldest of them, at most MOST_BLOCKS."""
    last = _last(db)
    found = [block for block, _ in _backwards(db, stream_id, last, after)][::-1]
    if len(found) > MOST_BLOCKS:
        found = found[:MOST_BLOCKS]
        last = found[-1]
    return FoundBlocks(_content(db, found), last)


def _last(db: sqlite3.Connection) -> int:
    found: int = db.execute(_LAST).fetchone()[0]
    return found


def _backwards(db: sqlite3.Connection, stream_id: int, last: int, after: int = 0) -> Iterator[tuple[int, int]]:
    """The blocks of a stream from `last` back to behind `after`, each with its number of messages of the stream."""
    # Both tables are in the order of blocks.
    shared = iter(db.execute(_SHARED))
    block, member, count = next(shared, _NONE)
    for number, owner, rows in db.execute(_HEADS, (last,)):
        if number <= after:
            return
        if owner == stream_id:
            yield number, rows
        if owner is not None:
            continue
        while block > number:
            block, member, count = next(shared, _NONE)
        while block == number:
            if member == stream_id:
                yield number, count
            block, member, count = next(shared, _NONE)


def _content(db: sqlite3.Connection, blocks: Iterable[int]) -> list[tuple[bytes, bytes]]:
    return [db.execute(_CONTENT, (block,)).fetchone() for block in blocks]
