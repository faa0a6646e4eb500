"""Waiting for the disk: whoever does says so, so that nobody takes the wait for a hang."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, TypeVar, cast

T = TypeVar("T")

Tell = Callable[[bool], None]
"""Is told True before a wait and False after it."""


def _unheard(_waits: bool) -> None:
    pass


_tell: Final[ContextVar[Tell]] = ContextVar("tell_disk_waits", default=_unheard)
"""A thread that was told nothing tells nobody: the waits of a thread that is there to wait hold up nothing."""


def tell_disk_waits(tell: Tell) -> None:
    """Let `tell` hear of every wait of this thread from now on."""
    _tell.set(tell)


@contextmanager
def disk_wait() -> Iterator[None]:
    """What is done meanwhile takes as long as the disk wishes. Waits within a wait are one."""
    tell = _tell.get()
    outermost = _tell.set(_unheard)
    tell(True)
    try:
        yield
    finally:
        _tell.reset(outermost)
        tell(False)


def each_awaited(items: Iterable[T]) -> Iterator[T]:
    """The items, each of which the disk may let wait for."""
    iterator, end = iter(items), object()
    while True:
        with disk_wait():
            item = next(iterator, end)
        if item is end:
            return
        yield cast("T", item)
