"""SQLite segments: one is open and takes every commit; sealed ones wait for the archiver, which unlinks them.

A commit stores rows, gaps, stream state and journal positions together, so a killed writer goes on exactly where its
last commit stood.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from collector.domain.disk_waits import disk_wait
from collector.domain.errors import CommitError, DamagedError, SegmentBusyError
from collector.domain.records import BACKFILLED_LINE
from collector.storage.durable import sync
from collector.storage.segment.database import beside, connect, damage_of
from collector.storage.segment.file_format import (
    INSERT_GAP,
    STATE_VERSION_KEY,
    require_tables,
    state_version_of,
)
from collector.storage.segment.state import Commit, SegmentState, load_state, store_state

PROGRESS_STEPS: Final = 100_000
"""So many steps of SQLite's machine read some 12,000 rows."""

_COPY_PAGES: Final = 4_096

_READ_AHEAD_BYTES: Final = 1 << 20
_LIVE_MESSAGES = (
    f"SELECT stream_id, series, id, received_us, payload FROM messages WHERE line != {BACKFILLED_LINE} ORDER BY row"  # noqa: S608 -- our number
)
_OF_NO_STREAM = "SELECT row FROM messages WHERE stream_id NOT IN (SELECT stream_id FROM streams) LIMIT 1"
_INSERT_MESSAGE = "INSERT INTO messages VALUES (?,?,?,?,?,?,?,?)"
OnProgress = Callable[[], None]
"""Called while something that may take long goes on, and only then."""


def _unheard() -> None:
    pass


class OpenSegment:
    """An open segment: the only one that takes rows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with damage_of(path):
            self._db = connect(path)
            require_tables(self._db, path)
            self.meta: dict[str, str] = dict(self._db.execute("SELECT key, value FROM meta"))
            self._state_version = state_version_of(self.meta, path)
            self.next_row: int = self._db.execute("SELECT coalesce(max(row), 0) + 1 FROM messages").fetchone()[0]
            self._gaps: int = self._db.execute("SELECT count(*) FROM gaps").fetchone()[0]
        self._files = {file: file.stat() for file in beside(path) if file.exists()}

    @property
    def segment_id(self) -> str:
        """The id in the file's name."""
        return self.path.name.removesuffix(".open.db")

    @property
    def has_rows(self) -> bool:
        """Whether there is anything to seal."""
        return self.next_row > 1 or self._gaps > 0

    def size_bytes(self) -> int:
        """The segment's size on disk, with what waits in its write-ahead log."""
        return sum(file.stat().st_size for file in beside(self.path)[:2] if file.exists())

    def is_in_place(self) -> bool:
        """Whether its files are still those that this process holds open, and not removed or replaced by somebody."""
        try:
            return all(os.path.samestat(file.stat(), found) for file, found in self._files.items())
        except FileNotFoundError:
            return False

    def copy_to(self, path: Path, on_progress: OnProgress = _unheard) -> None:
        """Write all it holds, as of the last commit, into another file, also where its own was removed.

        Raises CommitError where that may be tried again.
        """
        try:
            with closing(sqlite3.connect(path)) as copy:
                self._db.backup(copy, pages=_COPY_PAGES, progress=lambda *_: on_progress())
            sync(path)
        except (sqlite3.OperationalError, OSError) as error:
            raise CommitError(f"the segment cannot be copied: {error}") from error

    def check(self, on_progress: OnProgress = _unheard) -> None:
        """Prove that it can be read; raises DamagedError. Reads all of a segment that has rows."""
        if self.has_rows:
            # SQLite before 3.41 says nothing while it walks a table's pages, but walks fast if they are in memory.
            _read_ahead(self.path, on_progress)
            with damage_of(self.path), self._with_progress(on_progress):
                (verdict,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
                unknown = self._db.execute(_OF_NO_STREAM).fetchone()
            if verdict != "ok":
                raise DamagedError(f"{self.path}: {verdict}")
            if unknown is not None:
                raise DamagedError(f"{self.path}: row {unknown[0]} is of no stream")

    def store(self, commit: Commit) -> None:
        """Store all of it or nothing. Raises CommitError when the same commit may be tried again."""
        db = self._db
        with self._transaction():
            db.executemany(_INSERT_MESSAGE, commit.messages)
            db.executemany("INSERT INTO reasons VALUES (?,?)", commit.reasons)
            db.executemany(INSERT_GAP, [(exchange, symbol, *gap) for exchange, symbol, gap in commit.gaps])
            positions = {position.file_id: position for position in commit.positions}
            store_state(db, SegmentState(positions, list(commit.streams), {}, dict(commit.feeds), counts=commit.counts))
        self.next_row += len(commit.messages)
        self._gaps += len(commit.gaps)

    def load(self) -> SegmentState:
        """State as of the last commit; `recents` as of the segment's opening."""
        return load_state(self._db, self._state_version)

    def replace_state(self, state: SegmentState) -> None:
        """Keep state of the present form in the place of an older one. Raises CommitError, as `store`."""
        with self._transaction():
            store_state(self._db, state)
            self._put_meta({STATE_VERSION_KEY: str(state.version)})
        self.meta[STATE_VERSION_KEY] = str(state.version)
        self._state_version = state.version

    def messages(self, on_progress: OnProgress = _unheard) -> Iterator[tuple[int, int, int, int, bytes]]:
        """Stream id, series, id, receive time and payload of every message that came over a socket, in commit order."""
        with self._with_progress(on_progress):
            yield from self._db.execute(_LIVE_MESSAGES)

    def set_meta(self, meta: Mapping[str, str]) -> None:
        """Change what shapes the output; only for a segment without rows, or for `sealed_at` before a fold.

        Durable with the next commit or fold: neither is of use before. Raises CommitError, as `store`.
        """
        self._db.execute("PRAGMA synchronous=OFF")
        try:
            with self._transaction():
                self._put_meta(meta)
        finally:
            self._db.execute("PRAGMA synchronous=FULL")
        self.meta.update(meta)

    def _put_meta(self, meta: Mapping[str, str]) -> None:
        self._db.executemany("INSERT OR REPLACE INTO meta VALUES (?,?)", meta.items())

    def checkpoint(self) -> None:
        """Move the whole write-ahead log into the file. Raises SegmentBusyError if a reader keeps that from happening."""
        with disk_wait():
            busy = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        if busy:
            raise SegmentBusyError(f"somebody reads {self.path.name}")

    def close(self) -> None:
        """Let go of the file, with its log folded into it."""
        with disk_wait():
            self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        db = self._db
        try:
            db.execute("BEGIN IMMEDIATE")
            yield
            with disk_wait():
                db.execute("COMMIT")
        except sqlite3.Error as error:
            if db.in_transaction:
                db.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError):
                raise CommitError(str(error)) from error
            raise

    @contextmanager
    def _with_progress(self, on_progress: OnProgress) -> Iterator[None]:
        """Call it again and again while SQLite works."""
        self._db.set_progress_handler(on_progress, PROGRESS_STEPS)
        try:
            yield
        finally:
            self._db.set_progress_handler(None, 0)


def _read_ahead(path: Path, on_progress: OnProgress) -> None:
    """Let the system read the whole file into memory, as far as there is room."""
    with path.open("rb", buffering=0) as file:
        while file.read(_READ_AHEAD_BYTES):
            on_progress()
