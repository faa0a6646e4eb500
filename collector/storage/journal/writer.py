"""Appends to the journal of one feed; each incarnation of ingest writes files of its own.

What was appended survives any kill at once, and a power cut after the next `sync`.
"""

import os
import secrets
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any

from collector.domain.disk_waits import disk_wait
from collector.storage.durable import sync
from collector.storage.journal.files import journal_path
from collector.storage.journal.format import (
    RECORD_HEAD_BYTES,
    RELAY_LINE,
    FeedIdentity,
    RecordKind,
    encode_event,
    encode_frames,
    encode_header,
    encode_relayed,
)
from collector.storage.journal.incarnations import IncarnationLock, remove_dead
from collector.storage.journal.relayed import RelayedHead, Source, encode_head
from collector.storage.locks import hold_file


class JournalWriter:
    """Appends what was read from the sockets. Threads may share it; only `sync` and `close` wait for the disk.

    A failed append raises OSError and leaves the file as it was, so the caller may retry or refuse the frames.
    """

    def __init__(
        self,
        folder: Path,
        identity: FeedIdentity,
        first_number: int,
        file_bytes: int,
        now_ns: Callable[[], int],
        continues: str = "",
        sources: Callable[[], Sequence[Source]] | None = None,
    ) -> None:
        """`continues` is the writer id of an incarnation that lives beside this one, and whose numbers of plans and
        connections this one goes on with. `sources` gives, for a relay, what the head of each file says of edges: what
        was appended before the file begins. Raises OSError.
        """
        self._folder = folder
        self._identity = identity
        self.file_bytes = file_bytes
        """From which size on another file is begun; may be replaced at any time."""
        self._now_ns = now_ns
        self._sources = sources
        self.incarnation = secrets.token_hex(8)
        """Names this incarnation, and its lock, in the head of each file."""
        self.writer_id = continues or self.incarnation
        """The first incarnation that numbered plans and connections so."""
        self._number = 0
        self._lock = threading.Lock()
        self._retired: list[int] = []
        self._appended_bytes = 0
        self._synced = (0, 0)
        self._sync_error: OSError | None = None
        folder.mkdir(parents=True, exist_ok=True)
        remove_dead(folder)
        self._living = IncarnationLock(folder, self.incarnation)
        try:
            self._open(first_number)
        except OSError:
            self._living.release()
            raise
        self.sync()

    @property
    def number(self) -> int:
        """The number of the file being written."""
        return self._number

    @property
    def position(self) -> int:
        """The length of that file up to the end of its last whole record, in bytes."""
        return self._position

    @property
    def appended_bytes(self) -> int:
        """Bytes appended since this writer was created."""
        return self._appended_bytes

    def append_frames(
        self, received_ns: int, line: int, frames: Sequence[bytes], binary: Collection[int] = (), connection: int = 0
    ) -> None:
        """Append frames received at one moment on one line; `binary` holds the indexes of binary ones.

        `connection` is the number of the connection in this incarnation, from 1; 0 is for frames of no connection.
        """
        self._append(encode_frames(received_ns, line, frames, binary, connection))

    def append_resumed(
        self,
        at_ns: int,
        info: Mapping[str, Any],
        received_ns: int,
        line: int,
        frames: Sequence[bytes],
        binary: Collection[int] = (),
        connection: int = 0,
    ) -> None:
        """Append that frames are accepted again, and the first of them: both or neither."""
        resumed = encode_event(RecordKind.RESUMED, at_ns, 0, info)
        self._append([*resumed, *encode_frames(received_ns, line, frames, binary, connection)])

    def append_event(self, kind: RecordKind, received_ns: int, line: int, info: Mapping[str, Any]) -> None:
        """Append an event of a connection or of the journal itself."""
        self._append(encode_event(kind, received_ns, line, info))

    def append_relayed(self, received_ns: int, slot: int, head_in: Callable[[int], RelayedHead], body: bytes) -> int:
        """Append a slice of an edge's journal. Returns where its bytes begin in the file, which is `number` then.

        `head_in` gives its head for the file of the number that it is called with: it says where in that file the head of
        the edge's file stands.
        """
        with self._lock:
            self._rotate_if_full()
            head = encode_head(head_in(self._number))
            at = self._position + RECORD_HEAD_BYTES + len(head)
            self._write(encode_relayed(received_ns, slot, head, body))
            return at

    def sync(self) -> None:
        """Make durable what was appended before this call. For one thread only, which must not be a socket's reader.

        Raises OSError, and again at every later call: the kernel reports a failed fsync once, and may have dropped the
        pages. Source: https://wiki.postgresql.org/wiki/Fsync_Errors
        """
        if self._sync_error is not None:
            raise copy(self._sync_error)  # its traceback would grow with each call, and hold this object
        try:
            self._sync()
        except OSError as error:
            self._sync_error = copy(error)
            raise

    def resubscribe(self, identity: FeedIdentity) -> None:
        """Begin another file, whose head says what the feed subscribes from here on. Raises OSError, with nothing changed.

        For the thread that calls `sync`.
        """
        with self._lock:
            earlier, self._identity = self._identity, identity
            full = self._fd
            try:
                self._open(self._number + 1)
            except OSError:
                self._identity = earlier
                raise
            self._retired.append(full)

    def keep(self) -> bool:
        """Begin another file if somebody removed the one being written; true if that was done. Raises OSError.

        A reader that still holds the removed file open reads it to its end. A lock that was removed is made again.
        """
        with self._lock:
            is_in_place = self._is_in_place()
            if not is_in_place:
                self._folder.mkdir(parents=True, exist_ok=True)
            self._living.keep()
            if is_in_place:
                return False
            removed = self._fd
            self._open(self._number + 1)
            self._retired.append(removed)
            return True

    def append_close(self) -> None:
        """Append that nothing more follows, and release the incarnation's lock."""
        self.append_event(RecordKind.CLOSE, self._now_ns(), 0 if self._sources is None else RELAY_LINE, {})
        self._living.release()

    def close(self) -> None:
        """Append that nothing more follows, and make everything durable."""
        self.append_close()
        self.sync()
        os.close(self._fd)

    def _sync(self) -> None:
        with self._lock:
            retired, self._retired = self._retired, []
            current, state = self._fd, (self._number, self._position)
        for fd in retired:
            with disk_wait():
                os.fdatasync(fd)
            os.close(fd)
        if state == self._synced:
            return
        with disk_wait():
            os.fdatasync(current)
        if state[0] != self._synced[0]:
            sync(self._folder)
        self._synced = state

    def _open(self, number: int) -> None:
        fd, number = self._created(number)
        head = encode_header(
            secrets.token_hex(16),
            self.writer_id,
            number,
            self._now_ns(),
            self._identity,
            self.incarnation,
            self._number,
            None if self._sources is None else self._sources(),
        )
        try:
            hold_file(fd)
            _write_whole(fd, [head], 0)
        except OSError:
            os.close(fd)
            journal_path(self._folder, number).unlink()
            raise
        self._fd, self._number, self._position = fd, number, len(head)

    def _created(self, number: int) -> tuple[int, int]:
        """A new file with that number, or the next one that is free; numbers only give the order."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        while True:
            try:
                return os.open(journal_path(self._folder, number), flags, 0o644), number
            except FileExistsError:
                number += 1

    def _append(self, pieces: list[bytes]) -> None:
        with self._lock:
            self._rotate_if_full()
            self._write(pieces)

    def _write(self, pieces: list[bytes]) -> None:
        written = _write_whole(self._fd, pieces, self._position)
        self._position += written
        self._appended_bytes += written

    def _is_in_place(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._fd), journal_path(self._folder, self._number).stat())
        except FileNotFoundError:
            return False

    def _rotate_if_full(self) -> None:
        if self._position < self.file_bytes:
            return
        full = self._fd
        try:
            self._open(self._number + 1)
        except OSError:
            # Let the file grow past its size: that loses nothing, while refusing frames would.
            return
        self._retired.append(full)


def _write_whole(fd: int, pieces: list[bytes], position: int) -> int:
    """Write all of the pieces at `position`, or none; overwrites what a failed write left there."""
    total = sum(map(len, pieces))
    try:
        written = os.pwritev(fd, pieces, position)
        while written < total:
            # A short write is a full disk or a signal; the next write raises or goes on.
            written += os.pwrite(fd, b"".join(pieces)[written:], position + written)
    except OSError:
        os.ftruncate(fd, position)
        raise
    return total
