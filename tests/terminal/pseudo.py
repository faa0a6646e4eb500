"""A real pseudo-terminal: what a program writes to it, and a person's keys."""

import os
import select
import struct
import time
from collections.abc import Callable
from fcntl import ioctl
from termios import TIOCSCTTY, TIOCSWINSZ
from typing import Self

DEADLINE_SECS = 120.0


class PseudoTerminal:
    """`theirs` is the program's end; what arrives at the other end is kept in `screen`."""

    def __init__(self, columns: int, lines: int) -> None:
        self._ours, self.theirs = os.openpty()
        self._poll = select.poll()  # unlike select, of a descriptor of any number
        self._poll.register(self._ours, select.POLLIN)
        self.screen = b""
        self._is_open = True
        self.resize(columns, lines)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_open:
            self.hang_up()

    def hang_up(self) -> None:
        """Close it, as a person closes a window."""
        self._is_open = False
        os.close(self.theirs)
        os.close(self._ours)

    def resize(self, columns: int, lines: int) -> None:
        """Change its size, as a person who drags a window's corner does."""
        ioctl(self._ours, TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._ours, keys)

    def control(self) -> None:
        """Make it the controlling terminal of the calling process, which leads a new session."""
        ioctl(self.theirs, TIOCSCTTY, 0)

    def read(self, secs: float) -> None:
        """Take what the program writes within `secs`."""
        if self._poll.poll(secs * 1_000):
            self.screen += os.read(self._ours, 65_536)

    def read_until(self, what: Callable[[bytes], bool] | bytes, alive: Callable[[], bool] = lambda: True) -> None:
        """Take what the program writes until that was written; fails when it ends before."""
        is_there = (lambda screen: what in screen) if isinstance(what, bytes) else what
        ends_at = time.monotonic() + DEADLINE_SECS
        while not is_there(self.screen):
            assert time.monotonic() < ends_at, self.screen[-4_000:]
            assert alive(), self.screen[-4_000:]
            self.read(0.1)
