"""Segments of format 1, as the versions that wrote it made them."""

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.storage.segment.segment_rows import query

_TABLES = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE streams(stream_id INTEGER PRIMARY KEY, exchange TEXT NOT NULL, symbol TEXT NOT NULL,
    data_type TEXT NOT NULL, feed TEXT NOT NULL, id_rule TEXT NOT NULL, state BLOB NOT NULL,
    UNIQUE(exchange, symbol, data_type));
CREATE TABLE recents(stream_id INTEGER PRIMARY KEY, ids BLOB NOT NULL);
CREATE TABLE feeds(feed TEXT PRIMARY KEY, state BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE messages(row INTEGER PRIMARY KEY, stream_id INTEGER NOT NULL, series INTEGER NOT NULL,
    id INTEGER NOT NULL, received_us INTEGER NOT NULL, exchange_us INTEGER, line INTEGER NOT NULL,
    payload BLOB NOT NULL);
CREATE TABLE reasons(row INTEGER PRIMARY KEY, reason TEXT NOT NULL);
CREATE TABLE gaps(row INTEGER PRIMARY KEY, exchange TEXT NOT NULL, symbol TEXT NOT NULL, gap_id TEXT NOT NULL,
    stream_type TEXT NOT NULL, kind TEXT NOT NULL, cause TEXT NOT NULL, expected_id TEXT, actual_id TEXT,
    missing INTEGER, started_at INTEGER NOT NULL, ended_at INTEGER, line INTEGER, status TEXT NOT NULL,
    repaired_by TEXT, detected_at INTEGER NOT NULL);
CREATE TABLE positions(file_id TEXT PRIMARY KEY, offset INTEGER NOT NULL, feed TEXT NOT NULL, number INTEGER NOT NULL,
    ended INTEGER NOT NULL) WITHOUT ROWID;
"""
_STREAMS = "SELECT stream_id, exchange, symbol, data_type, feed, id_rule, state FROM streams"


def as_version_1(path: Path) -> None:
    """Write a segment that nobody has open again in format 1, with the same content."""
    contents = {
        name: query(path, f"SELECT * FROM {name}") for name in ("meta", "feeds", "reasons", "gaps", "positions")
    }
    contents["messages"] = query(path, "SELECT * FROM messages ORDER BY row")
    contents["streams"] = query(path, _STREAMS)
    contents["recents"] = query(path, "SELECT stream_id, ids FROM recents")
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()
    with closing(sqlite3.connect(path)) as db:
        db.executescript(f"PRAGMA journal_mode=WAL; {_TABLES} PRAGMA user_version=1;")
        for name, rows in contents.items():
            for row in rows:
                db.execute(f"INSERT INTO {name} VALUES ({','.join('?' * len(row))})", row)
        db.commit()
