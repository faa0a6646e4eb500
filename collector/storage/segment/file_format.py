"""The tables of a segment's file, in each format.

`PRAGMA user_version` is the number of the format. Only files of the present one take commits; every older one can be
read. A missing table that the file's own format has is damage.

The state of streams and feeds (`streams.state`, `recents`, `feeds`) is bytes to SQLite. `meta.state_version` is the
version of its encoding; files of version 1 do not have it.
"""

import sqlite3
from collections.abc import Sequence
from typing import Final, NamedTuple

from collector.domain.errors import DamagedError
from collector.domain.records import Gap
from collector.domain.versions import refuse_newer
from collector.storage.segment.blocks import Block

SEGMENT_VERSION: Final = 2
"""1: a message is a row of `messages`. 2: messages are in `blocks`."""

STATE_VERSION: Final = 3
"""3: streams may be of any exchange and have the id rule `unique`, which programs of version 2 do not know. To raise it, add
an upgrade of the version before to `collector.processes.writer.state_upgrade`."""

STATE_VERSION_KEY: Final = "state_version"
COUNTS_KEY: Final = "counts"
"""Key in `meta` of the writer's counts that belong to no stream; older files do not have it."""

FIRST_STATE_VERSION: Final = 1
"""The version of files that do not state one."""


INSERT_GAP = f"INSERT INTO gaps VALUES (NULL,?,?,{','.join('?' * len(Gap._fields))})"  # noqa: S608 -- only marks

_INSERT_BLOCK: Final = "INSERT INTO blocks VALUES (?,?,?,?,?,?,?,?,?,?,?)"


class Table(NamedTuple):
    """A table, and the first and the last format with it."""

    name: str
    since: int
    columns: str
    until: int = SEGMENT_VERSION

    @property
    def sql(self) -> str:
        """The statement that creates the table."""
        return f"CREATE TABLE {self.name}{self.columns};"


TABLES: Final = (
    Table("meta", 1, "(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID"),
    Table(
        "streams", 1,
        "(stream_id INTEGER PRIMARY KEY, exchange TEXT NOT NULL, symbol TEXT NOT NULL, data_type TEXT NOT NULL,"
        " feed TEXT NOT NULL, id_rule TEXT NOT NULL, state BLOB NOT NULL, last_row INTEGER, last_id INTEGER,"
        " last_received INTEGER, UNIQUE(exchange, symbol, data_type))",
    ),
    Table("recents", 1, "(stream_id INTEGER PRIMARY KEY, ids BLOB NOT NULL, row INTEGER NOT NULL)"),
    Table("feeds", 1, "(feed TEXT PRIMARY KEY, state BLOB NOT NULL) WITHOUT ROWID"),
    Table(
        "messages", 1,
        "(row INTEGER PRIMARY KEY, stream_id INTEGER NOT NULL, series INTEGER NOT NULL, id INTEGER NOT NULL,"
        " received_us INTEGER NOT NULL, exchange_us INTEGER, line INTEGER NOT NULL, payload BLOB NOT NULL)",
        until=1,
    ),
    Table(
        "blocks", 2,
        "(block INTEGER PRIMARY KEY, stream_id INTEGER, first_row INTEGER NOT NULL, rows INTEGER NOT NULL,"
        " series INTEGER, id_min INTEGER, id_max INTEGER, received_min INTEGER NOT NULL, received_max INTEGER NOT NULL,"
        " columns BLOB NOT NULL, payloads BLOB NOT NULL)",
    ),
    Table("block_streams", 2, "(stream_id INTEGER NOT NULL, block INTEGER NOT NULL, rows INTEGER NOT NULL)"),
    Table("reasons", 1, "(row INTEGER PRIMARY KEY, reason TEXT NOT NULL)"),
    Table(
        "gaps", 1,
        "(row INTEGER PRIMARY KEY, exchange TEXT NOT NULL, symbol TEXT NOT NULL, gap_id TEXT NOT NULL,"
        " stream_type TEXT NOT NULL, kind TEXT NOT NULL, cause TEXT NOT NULL, expected_id TEXT, actual_id TEXT,"
        " missing INTEGER, started_at INTEGER NOT NULL, ended_at INTEGER, line INTEGER, status TEXT NOT NULL,"
        " repaired_by TEXT, detected_at INTEGER NOT NULL)",
    ),
    Table(
        "positions", 1,
        "(file_id TEXT PRIMARY KEY, offset INTEGER NOT NULL, feed TEXT NOT NULL, number INTEGER NOT NULL,"
        " ended INTEGER NOT NULL) WITHOUT ROWID",
    ),
)  # fmt: skip

_SNAPSHOTS: Final = """
CREATE VIEW snapshots(id, exchange, symbol, data_type, exchange_sequence_id, timestamp) AS
    SELECT last_row, exchange, symbol, data_type, last_id,
           strftime('%Y-%m-%dT%H:%M:%S', last_received / 1000000, 'unixepoch')
               || printf('.%06dZ', last_received % 1000000)
    FROM streams;
"""


def make_tables(db: sqlite3.Connection) -> None:
    """Create all tables and views in a new file, in one transaction."""
    tables = "".join(table.sql for table in TABLES if has_table(table.name, SEGMENT_VERSION))
    db.executescript(f"BEGIN; {tables} {_SNAPSHOTS} PRAGMA user_version={SEGMENT_VERSION}; COMMIT;")


def insert_blocks(db: sqlite3.Connection, first_number: int, blocks: Sequence[Block]) -> None:
    """Add blocks, numbered from `first_number`."""
    numbered = list(enumerate(blocks, first_number))
    db.executemany(_INSERT_BLOCK, ((number, *block[:-1]) for number, block in numbered))
    db.executemany(
        "INSERT INTO block_streams VALUES (?,?,?)",
        ((stream_id, number, rows) for number, block in numbered for stream_id, rows in block.shared),
    )


def version_of(db: sqlite3.Connection, what: object) -> int:
    """The file's format. Raises NewerDataError for a newer program's, DamagedError for a file that has none."""
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    refuse_newer(what, version, SEGMENT_VERSION)
    if version < TABLES[0].since:
        raise DamagedError(f"{what} is not a segment: its version is {version}")
    return version


def has_table(name: str, version: int) -> bool:
    """Whether files of that format have the table."""
    table = next(table for table in TABLES if table.name == name)
    return table.since <= version <= table.until


_COUNT_ROWS: Final = {
    1: "SELECT coalesce(max(row), 0) , NULL FROM messages",
    2: "SELECT coalesce(sum(rows), 0), (SELECT coalesce(max(last_row), 0) FROM streams) FROM blocks",
}


def count_rows(db: sqlite3.Connection, version: int) -> int:
    """Number of messages in a file of that format: they are numbered from 1 without a hole.

    Raises DamagedError if the streams have other messages than the blocks: SQLite's check does not see lost blocks.
    """
    rows: int
    last_row: int | None
    rows, last_row = db.execute(_COUNT_ROWS[version]).fetchone()
    if last_row not in (None, rows):
        raise DamagedError(f"the blocks have {rows} messages, the streams {last_row}")
    return rows


def count_gaps(db: sqlite3.Connection) -> int:
    """Number of rows of the gap ledger."""
    gaps: int = db.execute("SELECT count(*) FROM gaps").fetchone()[0]
    return gaps


def require_tables(db: sqlite3.Connection, version: int, what: object) -> None:
    """Raise DamagedError if a table of that format is missing."""
    found = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    missing = [table.name for table in TABLES if has_table(table.name, version) and table.name not in found]
    if missing:
        raise DamagedError(f"{what} has no table {', '.join(missing)}")


def state_version_of(meta: dict[str, str], what: object) -> int:
    """The version of the state's encoding. Raises NewerDataError for a newer program's, DamagedError for no number."""
    text = meta.get(STATE_VERSION_KEY, str(FIRST_STATE_VERSION))
    if not (text.isascii() and text.isdigit()):
        raise DamagedError(f"{what} has state of version {text!a}")
    refuse_newer(f"the state in {what}", int(text), STATE_VERSION)
    return int(text)
