"""Threads that requests are sent by: as many as requests were ever under way at once, kept, because to start one takes longer
than to wake it, and whoever starts it waits for that.
"""

from collections.abc import Callable
from queue import SimpleQueue
from threading import Semaphore

Start = Callable[[Callable[[], None], str], object]
"""Runs a function in a thread of that name; see WorkerThreads."""


class Lanes:
    """For one thread."""

    def __init__(self, start: Start, name: str) -> None:
        self._start = start
        self._name = name
        self._work = SimpleQueue[Callable[[], None]]()
        self._idle = Semaphore(0)

    def run(self, work: Callable[[], None]) -> None:
        """Run it now, in a thread that is idle, else in a new one. Does not wait."""
        self._work.put(work)
        if not self._idle.acquire(blocking=False):
            self._start(self._take_turns, self._name)

    def _take_turns(self) -> None:
        while True:
            self._work.get()()
            self._idle.release()
