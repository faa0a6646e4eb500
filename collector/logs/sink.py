"""Where log lines go: a bounded buffer, and one thread that writes them to a file descriptor."""

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

BUFFERED_LINES: Final = 1_000

_BUSY_PAUSE_SECS: Final = 0.01
_BUSY_WAIT_MS: Final = 1_000


class LineSink:
    """A bounded buffer of lines and the thread that writes them to a file descriptor.

    `dropped_line(count)` makes the line that stands where `count` lines were dropped. A descriptor that refuses a line
    (closed pipe, full disk) loses that line, and the next one is tried all the same.
    """

    def __init__(self, fd: int, dropped_line: Callable[[int], bytes], capacity: int = BUFFERED_LINES) -> None:
        self._fd = fd
        self._dropped_line = dropped_line
        self._capacity = capacity
        self._changed = threading.Condition()
        self._waiting: deque[bytes | int] = deque()  # an int stands where that many lines were dropped
        self._dropped = 0
        self.dropped = 0
        """Lines lost so far."""
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

    debug = info = warning = error = critical = offer

    def flush(self, timeout_secs: float) -> bool:
        """Wait until no line is left to write; false when `timeout_secs` were not enough."""
        with self._changed:
            return self._changed.wait_for(lambda: not (self._due() or self._writing), max(0.0, timeout_secs))

    def _due(self) -> bool:
        # After a refusal the count waits for the next line: trying it alone, again and again, would spin.
        return bool(self._waiting or (self._dropped and not self._refused))

    def _take_dropped(self) -> int:
        count, self._dropped = self._dropped, 0
        return count

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._due)
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
            while line:
                line = line[self._write_some(line) :]
        except OSError:
            return False
        return True

    def _write_some(self, line: bytes) -> int:
        try:
            return os.write(self._fd, line)
        except BlockingIOError:  # somebody who shares the descriptor made it non-blocking
            poll = select.poll()
            poll.register(self._fd, select.POLLOUT)
            poll.poll(_BUSY_WAIT_MS)
            time.sleep(_BUSY_PAUSE_SECS)
            return 0
