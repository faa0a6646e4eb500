"""Role locks: a process holds its role from before it touches any data until it is dead, however it dies."""

import fcntl
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

SUPERVISOR: Final = "supervisor"

_PROCESS_ID: Final = re.compile(rb"[0-9]{1,9}")


class RoleLock:
    """Two advisory locks (flock), on `run/<role>.lock` and on the role's own folder.

    The kernel releases them when their holder dies: none is ever stale. The file names the holder for people and other
    programs; the lock on the folder still holds if `run/` is removed under a running recorder. `keep`, called about
    once a second, makes again and locks whichever of them was removed.
    """

    def __init__(self, data_dir: Path, role: str, folder: Path) -> None:
        """`folder`: the one that nobody but this role holds, such as `journal/<feed>` of `ingest:<feed>`."""
        self.path = data_dir / "run" / f"{role}.lock"
        self.folder = folder
        self._folder_fd: int | None = None
        self._file_fd: int | None = None

    def try_acquire(self) -> bool:
        """Take the lock if nobody holds it, and write this process's id into its file. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._folder_fd = locked(self.folder, os.O_RDONLY | os.O_DIRECTORY, fcntl.LOCK_EX)
        if self._folder_fd is None:
            return False
        try:
            self._take_file()
        finally:
            if self._file_fd is None:
                self.release()
        return self._file_fd is not None

    def keep(self) -> bool:
        """Make the folder and the file again if somebody removed them; true if that was done. Raises OSError."""
        if self._folder_fd is None:
            return False
        folder_made, file_made = self._keep_folder(self._folder_fd), self._keep_file()
        return folder_made or file_made

    def keep_or_take(self) -> None:
        """As `keep`; a lock that is not held is taken if nobody holds it any more. Raises OSError."""
        if self._folder_fd is None:
            self.try_acquire()
        else:
            self.keep()

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The descriptors that hold the lock: whoever inherits them holds it, too, until the last of them is closed."""
        return tuple(fd for fd in (self._folder_fd, self._file_fd) if fd is not None)

    def adopt(self, descriptors: Sequence[int]) -> None:
        """Hold the lock by inherited `descriptors` of the process that took it."""
        self._folder_fd, *rest = descriptors
        self._file_fd = rest[0] if rest else None
        for fd in descriptors:
            os.set_inheritable(fd, False)

    def sign(self, pid: int) -> None:
        """Write the id of the process for which it is held into the lock's file, as far as the disk allows."""
        if self._file_fd is not None:
            self._write_id(self._file_fd, pid)

    def is_free(self) -> bool:
        """Whether nobody holds the lock now. Takes it only for the moment of the check."""
        return is_free_at(self.folder, os.O_RDONLY | os.O_DIRECTORY) and is_free_at(self.path, os.O_RDONLY)

    def holder(self) -> str:
        """The process id that the holder wrote, for people; "unknown" if it cannot be read."""
        if not self.path.is_file():
            return "unknown"
        try:
            written = self.path.read_bytes().strip()
        except FileNotFoundError:
            return "unknown"
        return written.decode("ascii") if _PROCESS_ID.fullmatch(written) else "unknown"

    def release(self) -> None:
        """Release the lock."""
        for fd in (self._file_fd, self._folder_fd):
            if fd is not None:
                os.close(fd)
        self._file_fd = self._folder_fd = None

    def __enter__(self) -> Self:
        """Hold the lock, which the caller has acquired, until the end of a `with` block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Release the lock."""
        self.release()

    def _take_file(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file_fd = locked(self.path, os.O_RDWR | os.O_CREAT, fcntl.LOCK_EX)
        if self._file_fd is not None:
            self._write_id(self._file_fd, os.getpid())

    @staticmethod
    def _write_id(fd: int, pid: int) -> None:
        with suppress(OSError):
            # The id is for people; on a full disk the lock holds without it, and the archiver can still make room.
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{pid}\n".encode(), 0)

    def _keep_folder(self, held: int) -> bool:
        if is_at(held, self.folder):
            return False
        # A lock is on the folder that was opened, whatever its name is now: on a removed folder it protects nothing.
        self.folder.mkdir(parents=True, exist_ok=True)
        new_fd = locked(self.folder, os.O_RDONLY | os.O_DIRECTORY, fcntl.LOCK_EX)
        if new_fd is None:
            return False
        os.close(held)
        self._folder_fd = new_fd
        return True

    def _keep_file(self) -> bool:
        if self._file_fd is not None:
            if is_at(self._file_fd, self.path):
                return False
            os.close(self._file_fd)
            self._file_fd = None
        self._take_file()
        return self._file_fd is not None


def supervisor_lock(data_dir: Path) -> RoleLock:
    """The lock of the supervisor, which holds the whole data directory."""
    return RoleLock(data_dir, SUPERVISOR, data_dir)


def hold_file(fd: int) -> None:
    """Mark an open file as being written, until `fd` is closed. Raises OSError."""
    with suppress(BlockingIOError):  # somebody checks the lock right now; that of its incarnation holds all the same
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)


def is_file_held(fd: int) -> bool:
    """Whether somebody else has marked the file behind `fd` as being written, also if it was renamed or removed."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(fd, fcntl.LOCK_UN)
    return False


def is_at(fd: int, path: Path) -> bool:
    """Whether the path leads to the file behind `fd`."""
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False


def locked(path: Path, flags: int, kind: int) -> int | None:
    """The file descriptor that holds a lock (flock) on the path; None while somebody else holds it. Raises OSError."""
    # Without O_NONBLOCK, opening a pipe of that name would block forever.
    fd = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK, 0o644)
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        if isinstance(error, BlockingIOError):
            return None
        raise
    return fd


def is_free_at(path: Path, flags: int) -> bool:
    """Whether nobody holds a lock on the path, or it does not exist. Takes it only for the moment of the check."""
    try:
        fd = locked(path, flags, fcntl.LOCK_SH)
    except (FileNotFoundError, NotADirectoryError):
        return True  # a file where the folder should be: the process that needs the folder reports it when it starts
    if fd is None:
        return False
    os.close(fd)
    return True
