"""Code that may block on the disk announces it, so that the supervisor does not take the process for hung."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, TypeVar, cast

T = TypeVar("T")

OnDiskWait = Callable[[bool], None]
"""Called with True before code that may block on the disk, and with False after it."""


def _ignore(_waits: bool) -> None:
    pass


_on_disk_wait: Final[ContextVar[OnDiskWait]] = ContextVar("on_disk_wait", default=_ignore)
"""Default: no announcement. Worker threads whose job is to wait do not hold up the process."""


def announce_disk_waits_to(announce: OnDiskWait) -> None:
    """Call `announce` around everything this thread does from now on that may block on the disk."""
    _on_disk_wait.set(announce)


@contextmanager
def disk_wait() -> Iterator[None]:
    """Announce that the body may block on the disk. Nested calls announce once."""
    announce = _on_disk_wait.get()
    token = _on_disk_wait.set(_ignore)
    announce(True)
    try:
        yield
    finally:
        _on_disk_wait.reset(token)
        announce(False)


def each_awaited(items: Iterable[T]) -> Iterator[T]:
    """Yield the items; fetching each may block on the disk and is announced."""
    iterator, end = iter(items), object()
    while True:
        with disk_wait():
            item = next(iterator, end)
        if item is end:
            return
        yield cast("T", item)
