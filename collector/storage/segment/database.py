"""Opens a segment's SQLite file, and tells damage to it from other errors of SQLite."""

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
"""For our fixed statements SQLITE_ERROR means that a table is missing; TOOBIG is a length that was never written."""


def beside(path: Path) -> list[Path]:
    """A segment's file and those that SQLite keeps beside it: the write-ahead log and its index."""
    return [path, *(path.with_name(path.name + suffix) for suffix in ("-wal", "-shm"))]


@contextmanager
def damage_of(path: Path) -> Iterator[None]:
    """Raise DamagedError for errors of SQLite that mean a damaged file; errors that may pass are raised as they are."""
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as error:
        # Invalid UTF-8 is found by Python, which gives no code.
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        if code & _PRIMARY_CODE in _DAMAGE_CODES:
            raise DamagedError(f"{path}: {error}") from error
        raise


def connect(path: Path, *, durable: bool = True) -> sqlite3.Connection:
    """Open a segment for writing: others may read it meanwhile, and each commit is durable.

    With `durable=False` commits are not durable: the caller syncs the whole file afterwards.
    """
    db = sqlite3.connect(path, isolation_level=None, timeout=1)
    db.execute(f"PRAGMA synchronous={'FULL' if durable else 'OFF'}")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
    return db


@contextmanager
def sealed_database(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a sealed segment's file without checking what is in it.

    Raises DamagedError, and UnreadableError for one that cannot be read at present; both also while it is being read.
    """
    try:
        with (
            damage_of(path),
            closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as db,
        ):
            yield db
    except (sqlite3.Error, MemoryError) as error:
        raise UnreadableError(f"{path.name} cannot be read at present: {str(error) or type(error).__name__}") from error
