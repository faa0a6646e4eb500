"""Waiting for the disk: whoever does says so, so that nobody takes the wait for a hang."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, TypeVar, cast

T = TypeVar("T")

OnDiskWait = Callable[[bool], None]
"""Is told True before a wait and False after it."""


def _ignore(_waits: bool) -> None:
    pass


_on_disk_wait: Final[ContextVar[OnDiskWait]] = ContextVar("on_disk_wait", default=_ignore)
"""A thread that was told nothing tells nobody: the waits of a thread that is there to wait hold up nothing."""


def announce_disk_waits_to(announce: OnDiskWait) -> None:
    """Let `announce` hear of every wait of this thread from now on."""
    _on_disk_wait.set(announce)


@contextmanager
def disk_wait() -> Iterator[None]:
    """What is done meanwhile takes as long as the disk wishes. Waits within a wait are one."""
    announce = _on_disk_wait.get()
    token = _on_disk_wait.set(_ignore)
    announce(True)
    try:
        yield
    finally:
        _on_disk_wait.reset(token)
        announce(False)


def each_awaited(items: Iterable[T]) -> Iterator[T]:
    """The items, each of which the disk may let wait for."""
    iterator, end = iter(items), object()
    while True:
        with disk_wait():
            item = next(iterator, end)
        if item is end:
            return
        yield cast("T", item)
