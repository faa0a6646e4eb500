"""What becomes of a journal whose process is dead, though the test that plays it lives."""

import fcntl
from collections.abc import Iterable
from contextlib import suppress

from collector.storage.journal.writer import JournalWriter


def let_go(journals: Iterable[JournalWriter]) -> None:
    """None of their files and locks is held any more."""
    for journal in journals:
        for fd in (journal._living._fd, journal._fd, *journal._retired):
            if fd is None:
                continue
            with suppress(OSError):  # a journal that was closed holds nothing
                fcntl.flock(fd, fcntl.LOCK_UN)
