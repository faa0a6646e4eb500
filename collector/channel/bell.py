"""Wakes a thread that waits for descriptors, as a Condition wakes one that waits for a lock."""

import os
import threading
import weakref
from contextlib import suppress
from typing import Final

_DRAINED_BYTES: Final = 4_096


class Bell:
    """Once it was rung its descriptor is readable, until `clear`. For any thread; no call blocks."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def fileno(self) -> int:
        """The descriptor to wait for."""
        return self._read

    @property
    def ringing_end(self) -> int:
        """The descriptor that any byte rings at: for `signal.set_wakeup_fd`."""
        return self._write

    def ring(self) -> None:
        """Make the descriptor readable."""
        with suppress(BlockingIOError):  # full of rings that nobody has heard yet
            os.write(self._write, b"\0")

    def clear(self) -> None:
        """Take back all rings so far. Clear first and look for work then: a ring in between is heard the next time."""
        with suppress(BlockingIOError):
            while len(os.read(self._read, _DRAINED_BYTES)) == _DRAINED_BYTES:
                pass

    def close(self) -> None:
        """Give the descriptors back; it must not be rung any more."""
        os.close(self._read)
        os.close(self._write)


class RingingEvent(threading.Event):
    """An Event that is never cleared and also wakes threads that wait for descriptors: its own stays readable.

    Its descriptors are given back once nobody holds it any more.
    """

    def __init__(self) -> None:
        super().__init__()
        self._bell = Bell()
        # Not at the end of the process, when a thread may still hold it.
        weakref.finalize(self, self._bell.close).atexit = False

    def fileno(self) -> int:
        """Readable from `set` on."""
        return self._bell.fileno()

    def set(self) -> None:
        """Wake all who wait."""
        super().set()
        self._bell.ring()
