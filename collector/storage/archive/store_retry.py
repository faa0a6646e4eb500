"""Calls a store about one object, and tells a fault of the object from a fault of the store."""

import errno
from collections.abc import Callable
from typing import Final, TypeVar

from collector.domain.errors import DamagedError, StoreError
from collector.domain.names import MANIFEST_FOLDER
from collector.storage.store.object_store import ObjectStore

T = TypeVar("T")

_NOTHING: Final = f"{MANIFEST_FOLDER}/date=none/"
"""A prefix of no key: listing it costs next to nothing."""

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})


def retry_once(store: ObjectStore, ask: Callable[[], T]) -> T:
    """The result of `ask`. After a StoreError it asks once more: a single lost response is no evidence.

    Raises DamagedError if that fails too although the store can list, StoreError if it cannot, or if the disk has no
    room for the object.
    """
    try:
        return ask()
    except StoreError:
        return _ask_again(store, ask)


def _ask_again(store: ObjectStore, ask: Callable[[], T]) -> T:
    try:
        return ask()
    except StoreError as error:
        cause = error.__cause__
        if isinstance(cause, OSError) and cause.errno in _FULL:
            raise
        next(store.keys(_NOTHING), None)
        raise DamagedError(f"it cannot be read: {(isinstance(cause, OSError) and cause.strerror) or error}") from error
