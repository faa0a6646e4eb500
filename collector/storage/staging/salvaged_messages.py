"""Copies the messages that can be read in a damaged segment to a sound one, block by block.

A block's checksums tell whether its messages are what was written, whatever the table says of it. Each block is asked
for by its number: so a damaged page costs the blocks on it, and not all that come later.
"""

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from collector.domain.errors import DamagedError
from collector.domain.records import UNDECODED, StreamKey
from collector.storage.segment.blocks import BlockDecoder, BlockEncoder, Messages
from collector.storage.segment.database import damage_of
from collector.storage.segment.file_format import insert_blocks

_MAX_MISSED: Final = 1 << 15
"""Blocks are numbered from 1. More in a row than one page of SQLite's index can lead to: then there are no more."""

_CONTENT: Final = "SELECT columns, payloads FROM blocks WHERE block = ?"
_OWNER: Final = "SELECT stream_id, rows FROM blocks WHERE block = ?"
_SHARED: Final = "SELECT stream_id, block, rows FROM block_streams"
_REASONS: Final = "SELECT row, reason FROM reasons WHERE row BETWEEN ? AND ?"


class MessageCopy:
    """Copies messages from `damaged`, the file at `path`, to `made`, and counts those that are lost.

    They get rows from 1 without a hole, block after block. Every method raises what SQLite raises for errors that may
    pass.
    """

    def __init__(
        self, damaged: sqlite3.Connection, path: Path, made: sqlite3.Connection, streams: Mapping[int, StreamKey]
    ) -> None:
        """Messages of other than these `streams` are not copied."""
        self.rows = 0
        """Messages copied."""
        self.lost: dict[int, int] = {}
        """Messages lost of each stream, as far as the tables say it."""
        self._damaged = damaged
        self._path = path
        self._made = made
        self._streams = streams
        self._decoder = BlockDecoder()
        self._encoder = BlockEncoder()
        self._next_block = 1
        self._last_rows: dict[int, int] = {}

    def run(self, tick: Callable[[], None]) -> None:
        """Copy every block that can be read; `tick` is called meanwhile."""
        is_read = bytearray(1)
        newest = 0
        while len(is_read) - newest <= _MAX_MISSED:
            number = len(is_read)
            pieces = self._pieces(number)
            if pieces is not None:
                self._add(pieces)
            if pieces is not None or self._note_owner(number):
                newest = number
            is_read.append(pieces is not None)
            tick()
        self._note_shared(is_read)
        last_rows = [(row, stream_id) for stream_id, row in self._last_rows.items()]
        self._made.executemany("UPDATE streams SET last_row = ? WHERE stream_id = ?", last_rows)

    def _pieces(self, number: int) -> list[Messages] | None:
        """What the block of that number holds; None if it cannot be read."""
        with suppress(DamagedError), damage_of(self._path):
            row = self._damaged.execute(_CONTENT, (number,)).fetchone()
            if row is not None:
                columns, payloads = row
                return self._decoder.messages(columns, payloads, self._streams)
        return None

    def _add(self, pieces: list[Messages]) -> None:
        old = sorted(row for piece in pieces for row in piece.rows)
        new = dict(zip(old, range(self.rows + 1, self.rows + len(old) + 1), strict=True))
        self.rows += len(old)
        for piece in filter(len, pieces):
            piece.rows = [new[row] for row in piece.rows]
            self._last_rows[piece.stream_id] = max(piece.rows)
        if any(self._streams[piece.stream_id].data_type == UNDECODED for piece in pieces):
            self._add_reasons(new)
        blocks = list(self._encoder.blocks(pieces))
        insert_blocks(self._made, self._next_block, blocks)
        self._next_block += len(blocks)

    def _add_reasons(self, new: Mapping[int, int]) -> None:
        with suppress(DamagedError), damage_of(self._path):
            for row, reason in self._damaged.execute(_REASONS, (min(new, default=0), max(new, default=0))):
                if row in new and isinstance(reason, str):
                    self._made.execute("INSERT INTO reasons VALUES (?,?)", (new[row], reason))

    def _note_owner(self, number: int) -> bool:
        """Count the messages of an unreadable block with one stream; False if the table does not have the block."""
        with suppress(DamagedError), damage_of(self._path):
            row = self._damaged.execute(_OWNER, (number,)).fetchone()
            if row is not None:
                self._note_lost(*row)
                return True
        return False

    def _note_shared(self, is_read: bytearray) -> None:
        """Count the messages of the unreadable blocks that streams share."""
        with suppress(DamagedError), damage_of(self._path):
            for stream_id, block, rows in self._damaged.execute(_SHARED):
                if not (isinstance(block, int) and 0 <= block < len(is_read) and is_read[block]):
                    self._note_lost(stream_id, rows)

    def _note_lost(self, stream_id: object, rows: object) -> None:
        if isinstance(stream_id, int) and stream_id in self._streams and isinstance(rows, int) and rows > 0:
            self.lost[stream_id] = self.lost.get(stream_id, 0) + rows
