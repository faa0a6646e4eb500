"""Reads single streams of a segment that another process may be writing, sealing or removing meanwhile.

Each read is one statement, because a reader holds up a seal while it lasts.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from collector.domain.errors import DamagedError, UnreadableError
from collector.domain.records import INT64_MAX, Gap, StreamKey
from collector.storage.regular_files import regular_files
from collector.storage.segment import version_1
from collector.storage.segment.blocks import BlockDecoder, Messages
from collector.storage.segment.database import damage_of
from collector.storage.segment.file_format import has_table, version_of
from collector.storage.segment.stream_end import blocks_after, newest_blocks

_WITHOUT_ORDER: Final = frozenset({"none", "unique"})
_OPEN: Final = ".open.db"

_COUNTED: Final = {
    1: "SELECT stream_id, count(*), sum(length(payload)), min(received_us), max(received_us) FROM messages GROUP BY 1",
    2: """
SELECT stream_id, sum(rows), sum(bytes), min(first), max(last) FROM (
    SELECT stream_id, rows, length(columns) + length(payloads) AS bytes, received_min AS first, received_max AS last
    FROM blocks WHERE stream_id IS NOT NULL
    UNION ALL
    SELECT s.stream_id, s.rows, (length(b.columns) + length(b.payloads)) * s.rows / b.rows, b.received_min, b.received_max
    FROM block_streams s JOIN blocks b USING (block)
) GROUP BY 1
""",
}
"""Messages, bytes and receive times of each stream, by format. Of a block that streams share, each has its part."""

_BLOCKS: Final = """
SELECT columns, payloads FROM blocks
WHERE (stream_id = :stream OR (stream_id IS NULL AND block IN (SELECT block FROM block_streams WHERE stream_id = :stream)))
  AND received_max >= :since AND received_min < :until ORDER BY block
"""
_NAMED: Final = "SELECT stream_id, exchange, symbol, data_type FROM streams"
_WITH_MESSAGES: Final = {1: _NAMED, 2: f"{_NAMED} WHERE last_row IS NOT NULL"}
"""Streams, by format; a file of the first does not say of a stream without messages that it has none."""

_KEY: Final = "exchange = ? AND symbol = ? AND data_type = ?"

_GAPS: Final = f"SELECT exchange, symbol, {', '.join(Gap._fields)} FROM gaps ORDER BY row"  # noqa: S608 -- our names
_REASONS: Final = "SELECT row, reason FROM reasons"


class HeldStream(NamedTuple):
    """What a segment has of a stream. Times in µs; they may be those of neighbours in the same commit."""

    stream_id: int
    key: StreamKey
    has_ids: bool
    """Whether its messages are ordered by id."""
    rows: int
    bytes: int
    received_min: int
    received_max: int


@dataclass(frozen=True)
class StreamBlocks:
    """Messages of one stream as the segment stores them."""

    stream_id: int
    packed: list[tuple[bytes, bytes]]
    plain: list[Messages]
    """Those of a segment of format 1."""

    def messages(self) -> Iterator[Messages]:
        """The messages in order of commits. Raises DamagedError."""
        decoder = BlockDecoder()
        for columns, payloads in self.packed:
            yield from decoder.messages(columns, payloads, {self.stream_id})
        yield from self.plain


class StreamEnd(NamedTuple):
    """The end of a stream's messages, and the block up to which there are no others behind the first of them."""

    blocks: StreamBlocks
    until: int


class ReadableSegment:
    """One segment as of the moment of each call. Methods raise as `readable`."""

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        self.path = path
        self._db = db
        self._version = version_of(db, path.name)
        self.meta: dict[str, str] = dict(db.execute("SELECT key, value FROM meta"))

    def streams(self) -> list[HeldStream]:
        """Every stream that has messages."""
        rows = self._db.execute("SELECT stream_id, exchange, symbol, data_type, id_rule FROM streams")
        known = {stream_id: (StreamKey(*key), rule not in _WITHOUT_ORDER) for stream_id, *key, rule in rows}
        counted = self._db.execute(_COUNTED[self._version]).fetchall()
        # A stream of a commit between the two statements is left for the next look.
        return [HeldStream(row[0], *known[row[0]], *row[1:]) for row in counted if row[0] in known]

    def blocks(self, stream_id: int, since_us: int = 0, until_us: int = INT64_MAX) -> StreamBlocks:
        """A stream's messages; blocks with nothing received from `since_us` to before `until_us` are left out."""
        if self._version == 1:
            chunks = version_1.chunks(self._db)
            plain = [messages for chunk in chunks for messages in chunk if messages.stream_id == stream_id]
            return StreamBlocks(stream_id, [], plain)
        found = self._db.execute(_BLOCKS, {"stream": stream_id, "since": since_us, "until": until_us})
        return StreamBlocks(stream_id, found.fetchall(), [])

    def numbers(self) -> dict[StreamKey, int]:
        """The number of every stream that has messages, without counting them."""
        found = self._db.execute(_WITH_MESSAGES[self._version])
        return {StreamKey(*key): stream_id for stream_id, *key in found}

    def number_of(self, key: StreamKey) -> int | None:
        """The number of a stream; None if it has no messages."""
        asks = "AND" if self._version > 1 else "WHERE"
        found = self._db.execute(f"{_WITH_MESSAGES[self._version]} {asks} {_KEY}", key).fetchone()
        return None if found is None else int(found[0])

    def newest(self, stream_id: int, rows: int) -> StreamEnd:
        """A stream's newest messages: at least so many, if there are so many."""
        if self._version == 1:
            return StreamEnd(self.blocks(stream_id), 1)
        packed, until = newest_blocks(self._db, stream_id, rows)
        return StreamEnd(StreamBlocks(stream_id, packed, []), until)

    def after(self, stream_id: int, block: int) -> StreamEnd:
        """A stream's messages behind a block, 0 for all; of very many the oldest, so ask again behind `until`."""
        if self._version == 1:
            # Nothing is added to a file of this format.
            return StreamEnd(StreamBlocks(stream_id, [], []) if block else self.blocks(stream_id), 1)
        packed, until = blocks_after(self._db, stream_id, block)
        return StreamEnd(StreamBlocks(stream_id, packed, []), until)

    def gaps(self) -> list[tuple[str, str, Gap]]:
        """Exchange, symbol and row of every gap, in the order of the ledger."""
        if not has_table("gaps", self._version):
            return []
        return [(exchange, symbol, Gap(*row)) for exchange, symbol, *row in self._db.execute(_GAPS)]

    def states(self) -> list[tuple[StreamKey, str, bytes]]:
        """The id rule of every stream, and what the writer needs to go on with it, as of the last commit."""
        found = self._db.execute("SELECT exchange, symbol, data_type, id_rule, state FROM streams")
        return [(StreamKey(*key), rule, state) for *key, rule, state in found]

    def reasons(self) -> dict[int, str]:
        """Why messages could not be decoded, by their rows."""
        return dict(self._db.execute(_REASONS)) if has_table("reasons", self._version) else {}


def readable_segments(folder: Path) -> list[Path]:
    """The files of sealed and open segments, oldest first; not those that are being made."""
    return [path for path in regular_files(folder, "*.db") if path.name.count(".") == 1 or path.name.endswith(_OPEN)]


def segment_id_of(path: Path) -> str:
    """The id in a segment file's name."""
    return path.name.partition(".")[0]


def is_open(path: Path) -> bool:
    """Whether it is the name of an open segment."""
    return path.name.endswith(_OPEN)


@contextmanager
def readable(path: Path) -> Iterator[ReadableSegment]:
    """Open a segment, also under its later name if it was sealed since it was listed.

    Raises FileNotFoundError once it is gone, NewerDataError for a newer program's segment, DamagedError for a damaged one,
    UnreadableError for one that cannot be read at present; all of them also while it is being read.
    """
    if is_open(path) and not path.exists():
        path = path.with_name(f"{segment_id_of(path)}.db")
    # Only a sealed segment may be opened as immutable: nothing writes to it.
    options = "mode=ro" if is_open(path) else "mode=ro&immutable=1"
    try:
        with damage_of(path), closing(sqlite3.connect(f"{path.absolute().as_uri()}?{options}", uri=True)) as db:
            yield ReadableSegment(path, db)
    except (sqlite3.Error, DamagedError) as error:
        if not path.exists():
            raise FileNotFoundError(f"{path} was sealed or archived meanwhile") from error
        if isinstance(error, sqlite3.Error):
            raise UnreadableError(f"{path.name} cannot be read at present: {error}") from error
        raise
