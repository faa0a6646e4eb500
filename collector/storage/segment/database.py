"""A segment's file as SQLite opens it, and which of SQLite's errors are damage to it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from collector.domain.errors import DamagedError, UnreadableError

_CHECKPOINT_PAGES = (
    8_000  # a WAL of 32 MiB: fewer checkpoints than SQLite's 4 MiB, measured 1.5 times the rows a second
)
_PRIMARY_CODE = 0xFF
_DAMAGE_CODES = {
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_FORMAT,
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_TOOBIG,
}
"""SQLITE_ERROR is, for our fixed statements, a table that is not there; too big is a length that was never written."""


def beside(path: Path) -> list[Path]:
    """A segment's file and those that SQLite keeps beside it: its log, and the log's index."""
    return [path, *(path.with_name(path.name + suffix) for suffix in ("-wal", "-shm"))]


@contextmanager
def damage_of(path: Path) -> Iterator[None]:
    """Turn SQLite's word that a file is no sound database into DamagedError; trouble that may pass stays what it is."""
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as error:
        # Text that is no UTF-8 is found by Python, which gives no code.
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        if code & _PRIMARY_CODE in _DAMAGE_CODES:
            raise DamagedError(f"{path}: {error}") from error
        raise


def connect(path: Path, *, durable: bool = True) -> sqlite3.Connection:
    """Open a segment for writing: readable by others meanwhile, and durable at every commit, unless its maker forces the
    whole file to the disk afterwards.
    """
    db = sqlite3.connect(path, isolation_level=None, timeout=1)
    db.execute(f"PRAGMA synchronous={'FULL' if durable else 'OFF'}")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
    return db


@contextmanager
def sealed_database(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the file alone, whatever is in it. Raises DamagedError, UnreadableError; both also while it is being read."""
    try:
        with (
            damage_of(path),
            closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as db,
        ):
            yield db
    except (sqlite3.Error, MemoryError) as error:
        raise UnreadableError(f"{path.name} cannot be read at present: {str(error) or type(error).__name__}") from error
