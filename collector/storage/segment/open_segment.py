"""The open segment: the SQLite file that takes every commit of the writer.

A commit stores rows, gaps, stream state and journal positions in one transaction, so a killed writer goes on exactly
where its last commit left off.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from collector.domain.disk_waits import disk_wait
from collector.domain.errors import CommitError, DamagedError, SegmentBusyError
from collector.storage.durable import sync
from collector.storage.segment import version_1
from collector.storage.segment.blocks import BlockEncoder, Messages
from collector.storage.segment.database import beside, connect, damage_of
from collector.storage.segment.file_format import (
    INSERT_GAP,
    SEGMENT_VERSION,
    STATE_VERSION_KEY,
    count_gaps,
    count_rows,
    insert_blocks,
    require_tables,
    state_version_of,
    version_of,
)
from collector.storage.segment.newest import IsEnough, newest
from collector.storage.segment.state import Commit, SegmentState, load_state, put_recents, store_state

PROGRESS_STEPS: Final = 100_000
"""Steps of SQLite's virtual machine between two calls of `on_progress`: some 12,000 rows are read in that time."""

_COPY_PAGES: Final = 4_096

_READ_AHEAD_BYTES: Final = 1 << 20
_OF_NO_STREAM = {
    1: "SELECT row FROM messages WHERE stream_id NOT IN (SELECT stream_id FROM streams) LIMIT 1",
    2: "SELECT first_row FROM blocks WHERE stream_id NOT IN (SELECT stream_id FROM streams) LIMIT 1",
}
"""Statements by format."""

_LAST_BLOCK = "SELECT coalesce(max(block), 0) FROM blocks"
OnProgress = Callable[[], None]
"""Called again and again while something that may take long goes on."""


def _ignore() -> None:
    pass


class OpenSegment:
    """The only segment that takes rows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with damage_of(path):
            self._db = connect(path)
            self.version = version_of(self._db, path)
            require_tables(self._db, self.version, path)
            self.meta: dict[str, str] = dict(self._db.execute("SELECT key, value FROM meta"))
            self._state_version = state_version_of(self.meta, path)
            self.next_row: int = count_rows(self._db, self.version) + 1
            self._next_block = 1 if self.is_older else self._db.execute(_LAST_BLOCK).fetchone()[0] + 1
            self._gaps: int = count_gaps(self._db)
        self._files = {file: file.stat() for file in beside(path) if file.exists()}
        self._encoder = BlockEncoder()

    @property
    def is_older(self) -> bool:
        """Whether it is of an older format: it can be read and sealed, but takes no commit."""
        return self.version < SEGMENT_VERSION

    @property
    def segment_id(self) -> str:
        """The id in the file's name."""
        return self.path.name.removesuffix(".open.db")

    @property
    def has_rows(self) -> bool:
        """Whether there is a message or a gap in it."""
        return self.next_row > 1 or self._gaps > 0

    def size_bytes(self) -> int:
        """Size on disk, write-ahead log included."""
        return sum(file.stat().st_size for file in beside(self.path)[:2] if file.exists())

    def is_in_place(self) -> bool:
        """Whether its files are those that this process holds open, neither removed nor replaced by somebody."""
        try:
            return all(os.path.samestat(file.stat(), found) for file, found in self._files.items())
        except FileNotFoundError:
            return False

    def copy_to(self, path: Path, on_progress: OnProgress = _ignore) -> None:
        """Copy the segment, as of the last commit, into another file, even if its own was removed.

        Raises CommitError if that may be retried.
        """
        try:
            with closing(sqlite3.connect(path)) as copy:
                self._db.backup(copy, pages=_COPY_PAGES, progress=lambda *_: on_progress())
            sync(path)
        except (sqlite3.OperationalError, OSError) as error:
            raise CommitError(f"the segment cannot be copied: {error}") from error

    def check(self, on_progress: OnProgress = _ignore) -> None:
        """Prove that the segment can be read, by reading all of it if it has rows. Raises DamagedError."""
        if self.has_rows:
            # SQLite before 3.41 calls no progress handler while it walks a table's pages, but is fast if they are in memory.
            _read_ahead(self.path, on_progress)
            with damage_of(self.path), self._with_progress(on_progress):
                (verdict,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
                unknown = self._db.execute(_OF_NO_STREAM[self.version]).fetchone()
            if verdict != "ok":
                raise DamagedError(f"{self.path}: {verdict}")
            if unknown is not None:
                raise DamagedError(f"{self.path}: row {unknown[0]} is of no stream")

    def store(self, commit: Commit) -> None:
        """Store all of a commit or nothing. Raises CommitError if the same commit may be retried."""
        db = self._db
        rows = sum(map(len, commit.messages))
        blocks = list(self._encoder.blocks(commit.messages))
        with self._transaction():
            insert_blocks(db, self._next_block, blocks)
            db.executemany("INSERT INTO reasons VALUES (?,?)", commit.reasons)
            db.executemany(INSERT_GAP, [(exchange, symbol, *gap) for exchange, symbol, gap in commit.gaps])
            positions = {position.file_id: position for position in commit.positions}
            store_state(db, SegmentState(positions, list(commit.streams), {}, dict(commit.feeds), counts=commit.counts))
            put_recents(db, commit.recents, self.next_row - 1 + rows)
        self._next_block += len(blocks)
        self.next_row += rows
        self._gaps += len(commit.gaps)

    def load(self) -> SegmentState:
        """State as of the last commit; `recents` as of the segment's opening."""
        return load_state(self._db, self._state_version)

    def replace_state(self, state: SegmentState) -> None:
        """Replace state of an older version by the same in the present one. Raises CommitError, as `store`."""
        with self._transaction():
            store_state(self._db, state)
            self._put_meta({STATE_VERSION_KEY: str(state.version)})
        self.meta[STATE_VERSION_KEY] = str(state.version)
        self._state_version = state.version

    def newest(self, is_enough: IsEnough, on_progress: OnProgress = _ignore) -> Iterator[list[Messages]]:
        """The newest messages, see `newest`; of a segment of format 1 all of them. Raises DamagedError."""
        with damage_of(self.path), self._with_progress(on_progress):
            if self.is_older:
                yield from version_1.chunks(self._db)
            else:
                yield from newest(self._db, is_enough, on_progress)

    def set_meta(self, meta: Mapping[str, str]) -> None:
        """Change `meta`, which shapes the output; only in a segment without rows, or `sealed_at` before a checkpoint.

        Durable with the next commit or checkpoint, before which it is of no use. Raises CommitError, as `store`.
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
        """Move the whole write-ahead log into the file. Raises SegmentBusyError if a reader prevents it."""
        with disk_wait():
            busy = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        if busy:
            raise SegmentBusyError(f"somebody reads {self.path.name}")

    def close(self) -> None:
        """Close the file; SQLite moves its write-ahead log into it."""
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
        """Within the `with` block, call `on_progress` again and again while SQLite works."""
        self._db.set_progress_handler(on_progress, PROGRESS_STEPS)
        try:
            yield
        finally:
            self._db.set_progress_handler(None, 0)


def _read_ahead(path: Path, on_progress: OnProgress) -> None:
    """Read the whole file, so that the kernel caches as much of it as there is room for."""
    with path.open("rb", buffering=0) as file:
        while file.read(_READ_AHEAD_BYTES):
            on_progress()
