"""The lock of an incarnation that appends to a journal: a file beside its journal files, named in the head of each.

During a handover two incarnations append to a feed's journal side by side, so no lock of the feed's says which of them
lives. The kernel releases the lock when its holder dies: none is ever stale.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from collector.storage.journal.files import journal_files
from collector.storage.journal.format import JournalHeader
from collector.storage.journal.head import header_at
from collector.storage.locks import is_at, is_free_at, locked
from collector.storage.regular_files import regular_files

SUFFIX: Final = ".lock"


class IncarnationLock:
    """Held from its making until `release`, or until the process dies."""

    def __init__(self, folder: Path, incarnation: str) -> None:
        """Raises OSError."""
        self._path = _path(folder, incarnation)
        self._fd: int | None = self._taken()

    def keep(self) -> None:
        """Make the file again if somebody removed it. Raises OSError."""
        if self._fd is None or is_at(self._fd, self._path):
            return
        removed, self._fd = self._fd, self._taken()
        os.close(removed)

    def release(self) -> None:
        """Release the lock, and remove its file."""
        if self._fd is None:
            return
        if is_at(self._fd, self._path):
            with suppress(FileNotFoundError):
                self._path.unlink()
        os.close(self._fd)
        self._fd = None

    def _taken(self) -> int:
        while True:
            # A new file each time: whoever checks or removes the one before, even if stopped right then, delays nobody.
            self._path.unlink(missing_ok=True)
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            if _is_taken(fd) and is_at(fd, self._path):
                return fd
            os.close(fd)


def is_alive(folder: Path, incarnation: str) -> bool:
    """Whether that incarnation still appends to the journal in this folder."""
    return not is_free_at(_path(folder, incarnation), os.O_RDONLY)


def remove_dead(folder: Path) -> None:
    """Remove the locks of incarnations that are dead. Raises OSError."""
    for path in regular_files(folder, f"*{SUFFIX}"):
        with suppress(FileNotFoundError):
            fd = locked(path, os.O_RDONLY, fcntl.LOCK_EX)
            if fd is not None:
                if is_at(fd, path):
                    path.unlink()
                os.close(fd)


def living(folder: Path) -> set[str]:
    """The incarnations that still append to the journal in this folder."""
    found = {path.stem for path in regular_files(folder, f"*{SUFFIX}")}
    return {incarnation for incarnation in found if is_alive(folder, incarnation)}


def living_beside(folder: Path, own: str) -> JournalHeader | None:
    """The head of the newest file of another incarnation that still appends to the journal; None if there is none.

    `own` is the incarnation that asks, or empty. Without another lock in the folder, this only lists it.
    """
    others = living(folder) - {own}
    if not others:
        return None
    heads = (header_at(path) for _, path in reversed(journal_files(folder)))
    return next((head for head in heads if head is not None and head.incarnation in others), None)


def _path(folder: Path, incarnation: str) -> Path:
    return folder / f"{incarnation}{SUFFIX}"


def _is_taken(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
