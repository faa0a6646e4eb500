"""What becomes of a journal whose process is dead, though the test that plays it lives."""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from collector.storage.journal.writer import JournalWriter


def let_go(journals: Iterable[JournalWriter]) -> None:
    """None of their files and locks is held any more."""
    for journal in journals:
        for fd in (journal._living._fd, journal._fd, *journal._retired):
            if fd is None:
                continue
            with suppress(OSError):  # a journal that was closed holds nothing
                fcntl.flock(fd, fcntl.LOCK_UN)


@contextmanager
def closed_journals(below: Path) -> Iterator[None]:
    """Close what is left open of the journals below a folder: a real process closes it by ending.

    Only where no thread outlives its test: one that did would write into the next file with the same descriptor.
    """
    before = _open_journals()
    yield
    for fd, path in _open_journals().items():
        if path.startswith(f"{below}/") and before.get(fd) != path:
            os.close(fd)


def _open_journals() -> dict[int, str]:
    """Paths of the journal files and locks that this process has open, including removed ones."""
    found = {}
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the descriptor that lists the folder
            found[int(link.name)] = str(link.readlink())
    return {fd: path for fd, path in found.items() if ".journal" in path or "/journal/" in path or ".lock" in path}
