"""How many connections to an exchange may be open at once, over all feeds of this host: each holds a slot.

A slot is a lock (flock) on a small file. The kernel releases it when its holder dies, however it dies.
"""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Final, Self

SLOT_WAIT_SECS: Final = 1.0
"""How long to wait before looking for a free slot again."""


class LiveSlots:
    """The slots of one budget: all recorders and feeds that use the same folder share them."""

    def __init__(self, folder: Path, count: int | None) -> None:
        """`count` is None if the exchange sets no limit: then there is always a slot."""
        self._folder = folder
        self._count = count

    def slot(self) -> "LiveSlot":
        """For one connection; it holds nothing yet."""
        return LiveSlot(self._folder, self._count)


class LiveSlot:
    """Held from `take` until the end of a `with` block."""

    def __init__(self, folder: Path, count: int | None) -> None:
        self._folder = folder
        self._count = count
        self._fd: int | None = None

    def take(self) -> float:
        """0.0 once a slot is held; else the seconds to wait before the next call. Raises OSError."""
        if self._count is None or self._fd is not None:
            return 0.0
        self._folder.mkdir(parents=True, exist_ok=True)
        for number in range(self._count):
            self._fd = _locked(self._folder / f"{number}.lock")
            if self._fd is not None:
                return 0.0
        return SLOT_WAIT_SECS

    def __enter__(self) -> Self:
        """The slot itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the slot to others."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _locked(path: Path) -> int | None:
    """The descriptor that holds the lock; None while somebody else holds it."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        if isinstance(error, BlockingIOError):
            return None
        raise
    return fd
