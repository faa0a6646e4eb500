"""Finds and reads the blocks of a sealed segment. Whatever contradicts itself is damage."""

import sqlite3
from array import array
from collections.abc import Container, Iterator
from typing import Final, NamedTuple

from collector.domain.errors import DamagedError
from collector.storage.segment.blocks import BlockDecoder, Messages

_STREAMS: Final = "SELECT DISTINCT stream_id FROM blocks WHERE stream_id IS NOT NULL"

# SQLite sorts in memory as far as its cache goes, then in a temporary file.
_OWN: Final = """
SELECT block, stream_id, series, id_min, id_max, first_row, rows FROM blocks JOIN streams USING (stream_id)
ORDER BY stream_id, CASE WHEN id_rule IN ('none', 'unique') THEN 0 ELSE series END,
         CASE WHEN id_rule IN ('none', 'unique') THEN first_row ELSE id_min END, first_row
"""
_SHARED: Final = "SELECT block, stream_id, rows FROM block_streams ORDER BY rowid"
_CONTENT: Final = "SELECT columns, payloads, stream_id, first_row, rows FROM blocks WHERE block = ?"


class OwnBlock(NamedTuple):
    """A block with messages of one stream and series, as the table says it."""

    block: int
    stream_id: int
    series: int
    id_min: int
    id_max: int
    first_row: int
    rows: int


class SharedBlocks:
    """The blocks that streams share, in order, each with the range of its streams."""

    def __init__(self, rows: Iterator[tuple[int, int, int]]) -> None:
        self.rows: dict[int, int] = {}
        """Messages of each stream in all of these blocks."""
        self._numbers, self._first, self._last = array("q"), array("q"), array("q")
        for block, stream_id, count in rows:
            self.rows[stream_id] = self.rows.get(stream_id, 0) + count
            if not self._numbers or self._numbers[-1] != block:
                self._numbers.append(block)
                self._first.append(stream_id)
                self._last.append(stream_id)
            self._first[-1] = min(self._first[-1], stream_id)
            self._last[-1] = max(self._last[-1], stream_id)

    def numbers(self) -> Iterator[int]:
        """The number of each block."""
        return iter(self._numbers)

    def __len__(self) -> int:
        """Number of blocks."""
        return len(self._numbers)

    def holding(self, first: int, last: int) -> Iterator[int]:
        """The numbers of the blocks that may hold messages of the streams from `first` to `last`."""
        ranges = zip(self._numbers, self._first, self._last, strict=True)
        return (block for block, lowest, highest in ranges if lowest <= last and highest >= first)


class SealedBlocks:
    """The blocks of one segment. Every method raises DamagedError, and what SQLite raises."""

    def __init__(self, db: sqlite3.Connection, name: str, rows: int) -> None:
        """`rows` is the number of messages."""
        self._db = db
        self.name = name
        self._rows = rows
        self._decoder = BlockDecoder()
        self._counted = 0
        self._sum = 0

    def streams_with_own(self) -> set[int]:
        """The streams that have blocks of their own."""
        return {stream_id for (stream_id,) in self._db.execute(_STREAMS)}

    def own(self) -> Iterator[OwnBlock]:
        """The blocks of one stream each, by stream id, and within a stream by their least series and id.

        Those of a stream without ids are in the order of receipt.
        """
        for row in self._db.execute(_OWN):
            if set(map(type, row)) != {int}:
                raise DamagedError(f"{self.name} describes block {row[0]} by what is not a number")
            yield OwnBlock(*row)

    def shared(self) -> SharedBlocks:
        """The blocks that streams share."""
        return SharedBlocks(self._db.execute(_SHARED))

    def checked(self, streams: Container[int]) -> Iterator[None]:
        """Read every block and compare it with what the tables say; `streams` are all there are. For a fresh object."""
        for own in self.own():
            self.used(self.read_own(own))
            yield
        shared = self.shared()
        left = dict(shared.rows)
        for block in shared.numbers():
            for messages in map(self.used, self.read_shared(block, streams)):
                left[messages.stream_id] = left.get(messages.stream_id, 0) - len(messages)
            yield
        if any(left.values()):
            raise DamagedError(f"{self.name} does not say rightly which streams share blocks")
        self.require_whole()

    def read_own(self, own: OwnBlock) -> Messages:
        """The messages of a block."""
        (messages,) = self._content(own.block)
        ids, rows = messages.ids, messages.rows
        if (messages.stream_id, messages.series, min(ids), max(ids), min(rows), len(rows)) != own[1:]:
            raise self._contradiction(own.block)
        return messages

    def read_shared(self, block: int, streams: Container[int]) -> list[Messages]:
        """The messages of some streams in a block that streams share, each stream's and series' apart."""
        return self._content(block, streams)

    def used(self, messages: Messages) -> Messages:
        """These messages, which are counted."""
        self._counted += len(messages)
        self._sum += sum(messages.rows)
        return messages

    def require_whole(self) -> None:
        """Raise DamagedError unless each message was used once: they are numbered from 1 without a hole."""
        if (self._counted, self._sum) != (self._rows, self._rows * (self._rows + 1) // 2):
            raise DamagedError(f"{self.name} does not hold each of its {self._rows} messages once")

    def _content(self, block: int, streams: Container[int] | None = None) -> list[Messages]:
        row = self._db.execute(_CONTENT, (block,)).fetchone()
        if row is None:
            raise DamagedError(f"{self.name} has no block {block}")
        columns, payloads, stream_id, first_row, rows = row
        pieces = self._decoder.messages(columns, payloads, streams)
        if not all(map(len, pieces)) or (stream_id is not None and len(pieces) != 1):
            raise self._contradiction(block)
        if streams is None and (min(min(piece.rows) for piece in pieces), sum(map(len, pieces))) != (first_row, rows):
            raise self._contradiction(block)
        return pieces

    def _contradiction(self, block: int) -> DamagedError:
        return DamagedError(f"block {block} of {self.name} does not hold what the table says")
