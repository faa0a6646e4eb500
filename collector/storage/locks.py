"""Role locks: a process holds its role's file from before it touches data until it is dead, however it dies."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Self


class RoleLock:
    """An advisory lock (flock) on `<run>/<role>.lock`. The kernel frees it when its holder is gone: none is ever stale."""

    def __init__(self, folder: Path, role: str) -> None:
        self.path = folder / f"{role}.lock"
        self._fd: int | None = None

    def try_acquire(self) -> bool:
        """Take the lock if nobody holds it, and write this process's id into it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        self._fd = fd
        with suppress(OSError):
            # The id is for people; on a full disk the lock holds without it, and the archiver can make room.
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        return True

    def is_free(self) -> bool:
        """Whether nobody holds it now. Never takes it for longer than the look."""
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(fd)
        return True

    def holder(self) -> str:
        """The process id its holder wrote, for people; "unknown" if there is none to read."""
        try:
            return self.path.read_text().strip() or "unknown"
        except FileNotFoundError:
            return "unknown"

    def release(self) -> None:
        """Let go."""
        if self._fd is not None:
            os.close(self._fd)
        self._fd = None

    def __enter__(self) -> Self:
        """Hold it until the end of a `with` block; the caller has acquired it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go."""
        self.release()
