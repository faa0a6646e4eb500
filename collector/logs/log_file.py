"""The log file that all processes of a recorder append to: rotated by whichever process finds it full first."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

LIMIT_BYTES: Final = 10 * 1024 * 1024
"""Size of one file; a line that would exceed it goes to a new file.

A file exceeds the limit only by lines that other processes append while one process rotates: none waits for another.
"""

FILES: Final = 5
"""Files in all: `recorder.log`, then `recorder.log.1` (the newest of the older ones) to `recorder.log.4`."""


class LogFile(NamedTuple):
    """Where a process logs to; it pickles, so that children log to the same file."""

    path: Path
    standard: tuple[int, ...] = ()
    """Standard descriptors (1, 2) that lead to the file too, so that a crash's own words on them end up in it."""
    limit_bytes: int = LIMIT_BYTES
    files: int = FILES


class LogFileWriter:
    """Appends whole lines to a LogFile.

    Each process holds its own writer. A writer that finds the file renamed or removed opens the path again, so no
    process depends on another one to rotate.
    """

    def __init__(self, file: LogFile) -> None:
        self._file = file
        self._fd = -1

    def open(self) -> None:
        """Open the file, and make it if it is not there. Raises OSError."""
        self._file.path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(self._file.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self.close()
        self._fd = fd
        for standard in self._file.standard:
            os.dup2(fd, standard)

    def write(self, line: bytes) -> None:
        """Append `line`. Raises OSError: on a full disk, or when the file is full and cannot be renamed."""
        if not self._is_current():
            self.open()
        if os.fstat(self._fd).st_size + len(line) > self._file.limit_bytes:
            self._rotate()
        while line:
            line = line[os.write(self._fd, line) :]

    def close(self) -> None:
        """Give the descriptor back."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def _is_current(self) -> bool:
        """Whether the path still leads to the file that is open here."""
        if self._fd < 0:
            return False
        try:
            return os.path.samestat(self._file.path.stat(), os.fstat(self._fd))
        except FileNotFoundError:
            return False

    def _rotate(self) -> None:
        """Rename the full file and open a new one. If another process is doing so, the line may go to either file."""
        with _lock(self._fd) as locked:
            if locked and self._is_current():
                _shift(self._file.path, self._file.files)
                self.open()


@contextmanager
def _lock(fd: int) -> Iterator[bool]:
    """Lock the file behind `fd`; false when another process has locked it."""
    held = os.dup(fd)  # the writer closes its own when it opens the new file
    try:
        locked = _try_lock(held)
        try:
            yield locked
        finally:
            if locked:
                # Closing would not unlock it: children share this open file as their standard output.
                fcntl.flock(held, fcntl.LOCK_UN)
    finally:
        os.close(held)


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _shift(path: Path, files: int) -> None:
    """Rename `path` to `path.1`, `path.1` to `path.2` and so on; the oldest goes."""
    names = [path, *(path.with_name(f"{path.name}.{number}") for number in range(1, files))]
    for older, newer in zip(reversed(names[1:]), reversed(names[:-1]), strict=True):
        with suppress(FileNotFoundError):
            newer.replace(older)
