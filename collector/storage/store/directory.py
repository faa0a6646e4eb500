"""An archive store in a plain folder."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedIOBase
from pathlib import Path
from stat import S_ISREG
from typing import Final

from collector.domain.errors import StoreError
from collector.storage.durable import sync
from collector.storage.store.object_store import ObjectInfo, require_key

_INCOMING: Final = "_incoming"
"""Where files are written before they are renamed: below the root, so that renaming is atomic, but not beside their
final place, because Polars refuses a folder that has files with other suffixes."""

_PROBE_KEY: Final = "_probe"
_COPY_BYTES: Final = 1 << 20

_KNOWN_FOLDERS: Final = 10_000
"""Folders remembered to be durable; each stream gets a new one a day."""

_LEFT_SECS: Final = 3_600.0
"""A temporary file not written to for this long is a leftover."""


class DirectoryStore:
    """Implements `collector.storage.store.object_store.ObjectStore`.

    A file is copied to a temporary name, made durable, and renamed. Temporary names never end in `.parquet`.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self._incoming = self._root / _INCOMING
        self._durable: set[Path] = set()

    @property
    def url(self) -> str:
        """The folder as a file URL."""
        return self._root.as_uri()

    def check(self) -> None:
        """Prove that objects can be put; also removes temporary files that a killed process left behind.

        Only old ones: younger ones may be in use by another thread or another recorder.
        """
        probe = self._path(_PROBE_KEY)
        with store_errors(self.url):
            self._make_folder(self._incoming)
            self._write_durably(probe, lambda path: path.write_bytes(b"probe"))
            probe.unlink(missing_ok=True)
            # The probe was just renamed out of it, so its mtime is the present time by the disk's clock, maybe a file server's.
            self._sweep(self._incoming.stat().st_mtime)

    def put(self, key: str, source: Path, sha256: str) -> None:
        """Store the file under `key`; on return it and its name are durable."""
        target = self._path(key)
        with store_errors(key):
            self._make_folder(self._incoming)
            self._make_folder(target.parent)
            self._write_durably(target, lambda path: _copy(source, path, sha256))

    def head(self, key: str) -> ObjectInfo | None:
        """Size and checksum, from reading the whole file."""
        with store_errors(key):
            try:
                file = self._opened(key)
            except (FileNotFoundError, NotADirectoryError):
                return None
            with file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
                return ObjectInfo(file.tell(), sha256)

    def read(self, key: str) -> bytes | None:
        """The file's bytes; None if there is none."""
        with store_errors(key):
            try:
                with self._opened(key) as file:
                    return file.read()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def fetch(self, key: str, target: Path) -> ObjectInfo | None:
        """Copy the file; returns size and checksum of the copied bytes."""
        with store_errors(key):
            try:
                with self._opened(key) as file:
                    return _copied(file, target)
            except (FileNotFoundError, NotADirectoryError):
                if not target.parent.is_dir():
                    raise
                return None

    def keys(self, prefix: str) -> Iterator[str]:
        """Every key that begins with `prefix`, in order."""
        with store_errors(prefix):
            above = self._root / prefix.rpartition("/")[0]
            files = (path for path in above.rglob("*") if path.is_file() and path.parent != self._incoming)
            found = sorted(path.relative_to(self._root).as_posix() for path in files)
        return (key for key in found if key.startswith(prefix))

    def _sweep(self, now: float) -> None:
        for path in self._incoming.iterdir():
            with suppress(FileNotFoundError):
                if now - path.stat().st_mtime > _LEFT_SECS:
                    path.unlink()

    def _opened(self, key: str) -> BufferedIOBase:
        path = self._path(key)
        if not S_ISREG(path.stat().st_mode):
            # Opening a pipe would wait for its writer.
            raise StoreError(f"{key}: this is not a regular file")
        return path.open("rb")

    def _path(self, key: str) -> Path:
        require_key(key)
        return self._root / key

    def _make_folder(self, folder: Path) -> None:
        """Make a folder and its parents durably.

        An existing folder may have been made by a process killed before it was synced, so its first use syncs it, too.
        """
        if folder in self._durable and folder.is_dir():
            return
        if folder != self._root:
            self._make_folder(folder.parent)
        folder.mkdir(parents=folder == self._root, exist_ok=True)
        sync(folder.parent)
        if len(self._durable) >= _KNOWN_FOLDERS:
            self._durable.clear()
        self._durable.add(folder)

    def _write_durably(self, target: Path, write: Callable[[Path], object]) -> None:
        name = hashlib.sha256(bytes(target.relative_to(self._root))).hexdigest()
        temporary = self._incoming / f"{name}.tmp"
        try:
            write(temporary)
            sync(temporary)
            temporary.replace(target)
        except (OSError, StoreError):
            temporary.unlink(missing_ok=True)
            raise
        sync(target.parent)


@contextmanager
def store_errors(what: str) -> Iterator[None]:
    """Raise StoreError for an OSError of the file or folder `what`."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{what}: {error}") from error


def _copy(source: Path, target: Path, sha256: str) -> None:
    with source.open("rb") as file:
        copied = _copied(file, target)
    if copied.sha256 != sha256:
        raise StoreError(f"{source.name} has changed since it was staged: its sha256 is {copied.sha256}, not {sha256}")


def _copied(source: BufferedIOBase, target: Path) -> ObjectInfo:
    digest = hashlib.sha256()
    with target.open("wb") as writer:
        while block := source.read(_COPY_BYTES):
            digest.update(block)
            writer.write(block)
        return ObjectInfo(writer.tell(), digest.hexdigest())
