"""The folder that a restore writes into: locked by one restore at a time, and cleared of a killed one's leftovers."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from collector.domain.errors import ConfigError
from collector.storage.archive.manifest import Manifest
from collector.storage.archive.restore import require_room_for
from collector.storage.store.directory import DirectoryStore

_LOCK: Final = "_restore.lock"
_SCRATCH: Final = "_restore-"


class Destination(NamedTuple):
    """The store to copy into, and a scratch folder for objects being copied."""

    store: DirectoryStore
    scratch: Path


@contextmanager
def destination(folder: Path, manifests: list[Manifest]) -> Iterator[Destination]:
    """Make the folder if necessary, prove that it is writable, and lock it.

    Raises ConfigError for one that cannot be made or locked, or that holds something else than a part of these
    manifests; StoreError for a full disk.
    """
    store = DirectoryStore(folder)
    with _held(folder):
        _require_no_links(folder)
        require_room_for(manifests, store)
        for leftover in folder.glob(f"{_SCRATCH}*/"):
            shutil.rmtree(leftover)
        store.check()
        with tempfile.TemporaryDirectory(dir=folder, prefix=_SCRATCH, ignore_cleanup_errors=True) as scratch:
            yield Destination(store, Path(scratch))


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    path = folder / _LOCK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        fd = _locked(path)
    except OSError as error:
        raise ConfigError([f"{folder}: {error.strerror}: name a folder that can be written"]) from error
    if fd is None:
        raise ConfigError([f"{folder}: another restore is writing there"])
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(fd)


def _locked(path: Path) -> int | None:
    """The descriptor that holds the lock; None while somebody else holds it. Raises OSError."""
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(fd)
            if isinstance(error, BlockingIOError):
                return None
            raise
        if _is_the_file(fd, path):
            return fd
        # Its holder removed the file between our opening and locking it.
        os.close(fd)


def _is_the_file(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False


def _require_no_links(folder: Path) -> None:
    for above, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(above, name)
            if path.is_symlink():
                raise ConfigError(
                    [f"{path} is a link, and a restore must not write outside {folder}: name an empty folder"]
                )
