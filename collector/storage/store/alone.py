"""Keeps a second program from changing the same folder at the same time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from collector.domain.errors import StoreError
from collector.storage.store.directory import store_errors


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Lock a store's folder; the kernel releases it when its holder dies, however it dies. Raises StoreError while somebody holds it."""
    with store_errors(folder.as_uri()):
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _lock(fd, folder.as_uri())
        yield
    finally:
        os.close(fd)


def _lock(fd: int, url: str) -> None:
    with store_errors(url):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreError(f"another prune or compaction is at work in {url}") from error
