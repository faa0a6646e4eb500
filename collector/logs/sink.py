"""Where log lines go: a bounded buffer, and one thread that writes them."""

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

BUFFERED_LINES: Final = 1_000

_BUSY_PAUSE_SECS: Final = 0.01
_BUSY_WAIT_MS: Final = 1_000

Write = Callable[[bytes], object]
"""Writes a whole line, however long that takes. Raises OSError when it cannot."""


class LineSink:
    """A bounded buffer of lines and the thread that writes them.

    `dropped_line(count)` makes the line that stands where `count` lines were dropped. A line that cannot be written
    (closed pipe, full disk) is dropped and counted, and the next one is tried all the same.
    """

    def __init__(self, write: Write, dropped_line: Callable[[int], bytes], capacity: int = BUFFERED_LINES) -> None:
        self._write_line = write
        self._dropped_line = dropped_line
        self._capacity = capacity
        self._changed = threading.Condition()
        self._waiting: deque[bytes | int] = deque()  # an int stands where that many lines were dropped
        self._dropped = 0
        self.dropped = 0
        """Lines dropped since the start."""
        self._refused = False
        self._writing = False
        threading.Thread(target=self._run, name="log", daemon=True).start()

    def offer(self, line: bytes) -> None:
        """Queue `line`, or count it as dropped when the buffer is full."""
        with self._changed:
            if len(self._waiting) >= self._capacity:
                self._dropped += 1
                self.dropped += 1
                return
            if self._dropped:
                self._waiting.append(self._take_dropped())
            self._waiting.append(line)
            self._changed.notify_all()

    def flush(self, timeout_secs: float) -> bool:
        """Wait until every line is written; false when `timeout_secs` were not enough."""
        with self._changed:
            return self._changed.wait_for(lambda: not (self._is_due() or self._writing), max(0.0, timeout_secs))

    def _is_due(self) -> bool:
        # After a refusal the count waits for the next line: trying it alone, again and again, would spin.
        return bool(self._waiting or (self._dropped and not self._refused))

    def _take_dropped(self) -> int:
        count, self._dropped = self._dropped, 0
        return count

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._is_due)
                entry = self._waiting.popleft() if self._waiting else self._take_dropped()
                self._writing = True
            written = self._write(self._dropped_line(entry) if isinstance(entry, int) else entry)
            with self._changed:
                self._writing = False
                self._refused = not written
                if not written:
                    self._dropped += entry if isinstance(entry, int) else 1
                    self.dropped += 0 if isinstance(entry, int) else 1
                self._changed.notify_all()

    def _write(self, line: bytes) -> bool:
        try:
            self._write_line(line)
        except OSError:
            return False
        return True


def descriptor_writer(fd: int) -> Write:
    """Writes lines to the descriptor `fd`."""
    return partial(_write_all, fd)


def _write_all(fd: int, line: bytes) -> None:
    while line:
        line = line[_write_some(fd, line) :]


def _write_some(fd: int, line: bytes) -> int:
    try:
        return os.write(fd, line)
    except BlockingIOError:  # another process that shares the descriptor made it non-blocking
        poll = select.poll()
        poll.register(fd, select.POLLOUT)
        poll.poll(_BUSY_WAIT_MS)
        time.sleep(_BUSY_PAUSE_SECS)
        return 0
