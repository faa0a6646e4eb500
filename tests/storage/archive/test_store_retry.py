import errno
import os
from collections.abc import Iterator
from typing import Any

import pytest

from collector.domain.errors import DamagedError, StoreError
from collector.storage.archive.store_retry import retry_once


class Listing:
    """Of a store only what is listed: nothing, or an error."""

    def __init__(self, *, there: bool) -> None:
        self._there = there

    def keys(self, _prefix: str) -> Iterator[str]:
        if not self._there:
            raise StoreError("away")
        return iter(())


def failing(*errors: Exception) -> Any:
    """Raises these in turn, then answers."""
    left = list(errors)

    def ask() -> str:
        if left:
            raise left.pop(0)
        return "answer"

    return ask


def full() -> StoreError:
    error = StoreError("full")
    error.__cause__ = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return error


def asked_of(ask: Any, *, there: bool = True) -> Any:
    return retry_once(Listing(there=there), ask)  # type: ignore[arg-type]


def test_a_single_lost_answer_is_no_error() -> None:
    assert asked_of(failing(StoreError("lost"))) == "answer"


def test_if_the_store_still_lists_the_object_is_damaged() -> None:
    with pytest.raises(DamagedError, match="cannot be read: second"):
        asked_of(failing(StoreError("first"), StoreError("second")))


def test_if_the_store_does_not_list_the_store_is_away() -> None:
    with pytest.raises(StoreError, match="away"):
        asked_of(failing(StoreError("first"), StoreError("second")), there=False)


def test_a_full_disk_is_not_damage_of_the_object() -> None:
    with pytest.raises(StoreError, match="full"):
        asked_of(failing(full(), full()))
