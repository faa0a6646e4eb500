"""What a segment stores beside messages and gaps: the state of streams and feeds, and the journal positions."""

import sqlite3
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final, NamedTuple

from collector.domain.records import Gap
from collector.storage.journal.position import Position
from collector.storage.segment.blocks import Messages
from collector.storage.segment.file_format import COUNTS_KEY, STATE_VERSION


class StreamRow(NamedTuple):
    """A row of `streams`."""

    stream_id: int
    exchange: str
    symbol: str
    data_type: str
    feed: str
    id_rule: str
    state: bytes
    last_row: int | None = None
    """Its newest message's number; None if the segment has none of it."""
    last_id: int | None = None
    last_received: int | None = None
    """When its newest message was received, in µs, by this segment or an earlier one."""


class SegmentState(NamedTuple):
    """Everything a writer needs to go on; a new segment begins with it."""

    positions: dict[str, Position]
    streams: list[StreamRow]
    recents: dict[int, bytes]
    feeds: dict[str, bytes]
    version: int = STATE_VERSION
    """Version of the encoding of stream and feed state; it is always stored in the present one."""
    counts: str = ""
    """The writer's counts that belong to no stream."""

    def without_rows(self) -> "SegmentState":
        """The same for a segment that has no messages yet."""
        return self._replace(streams=[row._replace(last_row=None) for row in self.streams])


EMPTY_STATE: Final = SegmentState({}, [], {}, {})


@dataclass
class Commit:
    """What one transaction stores."""

    messages: Collection[Messages]
    """Their rows are numbered on from the last commit's, without a hole."""
    reasons: list[tuple[int, str]]
    gaps: list[tuple[str, str, Gap]]
    """Exchange, symbol, and the gap row."""
    streams: Iterable[StreamRow]
    feeds: Mapping[str, bytes]
    positions: Iterable[Position]
    counts: str = ""
    """The writer's counts that belong to no stream; empty if they have not changed."""
    recents: Mapping[int, bytes] = field(default_factory=dict)
    """The newest ids of some streams, those of this commit included."""


_PUT_STREAM: Final = (
    "INSERT INTO streams VALUES (?,?,?,?,?,?,?,?,?,?) ON CONFLICT (stream_id) DO UPDATE SET feed = excluded.feed,"
    " id_rule = excluded.id_rule, state = excluded.state, last_row = excluded.last_row, last_id = excluded.last_id,"
    " last_received = excluded.last_received"
)
"""An update touches one row; a replacement would also remove and add the entries of the unique index."""


def store_state(db: sqlite3.Connection, state: SegmentState) -> None:
    """Write state within the caller's transaction."""
    # In the order of the table: neighbours stand on the same pages.
    db.executemany(_PUT_STREAM, sorted(state.streams, key=_stream_id))
    put_recents(db, state.recents, 0)
    db.executemany("INSERT OR REPLACE INTO feeds VALUES (?,?)", state.feeds.items())
    positions = [(p.file_id, p.offset, p.feed, p.number, p.ended) for p in state.positions.values()]
    db.executemany("INSERT OR REPLACE INTO positions VALUES (?,?,?,?,?)", positions)
    if state.counts:
        db.execute("INSERT OR REPLACE INTO meta VALUES (?,?)", (COUNTS_KEY, state.counts))


_stream_id: Final = attrgetter("stream_id")


def put_recents(db: sqlite3.Connection, recents: Mapping[int, bytes], row: int) -> None:
    """Write the newest ids of streams as of message number `row`, within the caller's transaction."""
    db.executemany("INSERT OR REPLACE INTO recents VALUES (?,?,?)", ((*entry, row) for entry in recents.items()))


def load_state(db: sqlite3.Connection, version: int) -> SegmentState:
    """State as of the last commit, of that state version; `recents` as of the row that each was written at."""
    rows = db.execute("SELECT file_id, feed, number, offset, ended FROM positions")
    positions = {row[0]: Position(row[0], row[1], row[2], row[3], bool(row[4])) for row in rows}
    streams = [StreamRow(*row) for row in db.execute("SELECT * FROM streams")]
    return SegmentState(
        positions,
        streams,
        dict(db.execute("SELECT stream_id, ids FROM recents")),
        dict(db.execute("SELECT feed, state FROM feeds")),
        version,
        "".join(row[0] for row in db.execute("SELECT value FROM meta WHERE key = ?", (COUNTS_KEY,))),
    )
