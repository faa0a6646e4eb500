"""Stores that can also remove objects. Only a prune opens one, which a person starts with credentials of their own.

The stores that the recorder opens have no way to delete.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, Protocol

from collector.domain.errors import ConfigError, StoreError
from collector.domain.names import partition_in
from collector.storage.store.alone import alone_in
from collector.storage.store.directory import DirectoryStore, store_errors
from collector.storage.store.object_store import ObjectStore
from collector.storage.store.open import bucket_of, folder_of
from collector.storage.store.s3_options import S3Options

_NOT_TO_REMOVE: Final = frozenset({errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT})
"""Errors of a folder that is not empty, or that another thread has removed."""


class DeletingStore(ObjectStore, Protocol):
    """An archive's store whose objects can be removed; nothing else in it can."""

    def require_may_delete(self) -> None:
        """Raise StoreRefusedError if it can be told beforehand that deleting is forbidden. Removes nothing."""
        ...

    def alone(self) -> AbstractContextManager[None]:
        """Keep out whoever else would delete here, where the store can. Raises StoreError while somebody does."""
        ...

    def delete(self, key: str) -> None:
        """Remove the object under `key`, if there is one. Raises StoreError, also for a key that no object can have."""
        ...

    def object_keys(self) -> Iterator[str]:
        """The key of every object, in any order, without all of them in memory. A key may come twice. Raises StoreError."""
        ...


class DeletingDirectoryStore(DirectoryStore):
    """Implements `DeletingStore` in a folder."""

    def require_may_delete(self) -> None:
        """Nothing: whether a file may be removed shows when it is."""

    def alone(self) -> AbstractContextManager[None]:
        """Lock the folder."""
        return alone_in(self._root)

    def delete(self, key: str) -> None:
        """Remove the file, and its date's folder once that is empty."""
        require_object_key(key)
        path = self._path(key)
        with store_errors(key):
            path.unlink(missing_ok=True)
            _remove_if_empty(path.parent)

    def object_keys(self) -> Iterator[str]:
        """The key of every object, folder by folder."""
        with store_errors(self.url):
            for above, _, names in os.walk(self._root, onerror=_raise):
                folder = Path(above).relative_to(self._root).as_posix()
                yield from (key for name in names if partition_in(key := f"{folder}/{name}") is not None)


def open_deleting(url: str, options: S3Options) -> DeletingStore:
    """The store at `file:///folder` or `s3://bucket[/prefix]`, without calling it. Raises ConfigError for any other URL."""
    if (folder := folder_of(url)) is not None:
        return DeletingDirectoryStore(folder)
    if (found := bucket_of(url)) is not None:
        # Only now: boto3 takes 10 MB.
        from collector.storage.store.s3_deleting import DeletingS3Store  # noqa: PLC0415

        return DeletingS3Store(*found, options)
    raise ConfigError([f"{url} is neither file:///folder nor s3://bucket/prefix"])


def require_object_key(key: str) -> None:
    """Raise StoreError unless this can be the key of an object: no manifest and no record may ever be deleted."""
    if partition_in(key) is None:
        raise StoreError(f"{key!r} is not the key of an object")


def _raise(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError as error:
        if error.errno not in _NOT_TO_REMOVE:
            raise
