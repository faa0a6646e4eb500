"""Asks a store about one object, and tells the object's trouble from the store's."""

import errno
from collections.abc import Callable
from typing import Final, TypeVar

from collector.domain.errors import DamagedError, StoreError
from collector.domain.names import MANIFEST_FOLDER
from collector.storage.store.object_store import ObjectStore

T = TypeVar("T")

_NOTHING: Final = f"{MANIFEST_FOLDER}/date=none/"
"""No key begins so: to list it costs next to nothing."""

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})


def retry_once(store: ObjectStore, ask: Callable[[], T]) -> T:
    """What the store answers about an object; asked twice, for one lost answer among many is nothing.

    Raises DamagedError if it does not answer although it lists, StoreError if it does not list either, or if there is
    no room for what it brings.
    """
    try:
        return ask()
    except StoreError:
        return _asked_again(store, ask)


def _asked_again(store: ObjectStore, ask: Callable[[], T]) -> T:
    try:
        return ask()
    except StoreError as error:
        cause = error.__cause__
        if isinstance(cause, OSError) and cause.errno in _FULL:
            raise
        next(store.keys(_NOTHING), None)
        raise DamagedError(f"it cannot be read: {(isinstance(cause, OSError) and cause.strerror) or error}") from error
