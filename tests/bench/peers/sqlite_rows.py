"""A row a message in SQLite, and Parquet of it: what the two peers that have a database share."""

import sqlite3
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

BATCH: Final = 10_000
BATCH_SECS: Final = 1.0
FETCH_ROWS: Final = 50_000

Row = tuple[str, int, int, str]
"""Stream, id, time of arrival in ns, the message's text."""

SCHEMA: Final = pa.schema([("id", pa.int64()), ("received_ns", pa.int64()), ("payload", pa.string())])


def open_database(path: Path) -> sqlite3.Connection:
    """A new one; a message that comes again is left out."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute(
        "CREATE TABLE messages (stream TEXT, id INTEGER, received_ns INTEGER, payload TEXT, UNIQUE (stream, id))"
    )
    return db


def store(db: sqlite3.Connection, rows: list[Row]) -> None:
    """In one transaction."""
    db.execute("BEGIN")
    db.executemany("INSERT OR IGNORE INTO messages VALUES (?, ?, ?, ?)", rows)
    db.execute("COMMIT")


def count(db: sqlite3.Connection) -> int:
    """The rows there are."""
    return int(db.execute("SELECT count(*) FROM messages").fetchone()[0])


def write_parquet(db: sqlite3.Connection, folder: Path) -> int:
    """The messages' text as it came, a file for each stream; returns the rows that the files have."""
    rows = 0
    for (stream,) in db.execute("SELECT DISTINCT stream FROM messages ORDER BY stream").fetchall():
        path = folder / f"{stream.replace('@', '-')}.parquet"
        with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
            cursor = db.execute("SELECT id, received_ns, payload FROM messages WHERE stream = ? ORDER BY id", (stream,))
            while part := cursor.fetchmany(FETCH_ROWS):
                columns = zip(*part, strict=True)
                writer.write_table(pa.table([pa.array(column) for column in columns], schema=SCHEMA))
        rows += pq.ParquetFile(path).metadata.num_rows
    return rows


def id_of(data: dict[str, int]) -> int:
    """A trade's id, or the last update of a book or best price."""
    return data["t"] if "t" in data else data["u"]
