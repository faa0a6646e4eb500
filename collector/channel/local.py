"""Channels over multiprocessing Queues, used so that a kill of either end blocks nobody.

Each incarnation of a process has Queues of its own, which are discarded with it: a lock that a killed process held is never
waited for. A notice is smaller than an atomic pipe write, so a kill cannot tear one. While a Queue is full the sender keeps
the newest notice.
"""

import math
import queue
import select
from multiprocessing.connection import Connection
from multiprocessing.queues import Queue

from collector.channel.bell import Bell
from collector.channel.channel import Notice


class QueueSender:
    """The sending end of a Queue. No call blocks."""

    def __init__(self, queue_: "Queue[Notice]", capacity: int) -> None:
        self._queue = queue_
        self._kept: Notice | None = None
        self.capacity = capacity
        # This process may exit before all notices are written to the pipe: they are only wake-ups.
        queue_.cancel_join_thread()

    def offer(self, notice: Notice) -> None:
        """Send now, or keep this notice until there is room."""
        self._kept = notice
        self.retry()

    def retry(self) -> None:
        """Send the notice that is kept, if there is one, and room for it."""
        if self._kept is None:
            return
        try:
            self._queue.put_nowait(self._kept)
        except queue.Full:
            return
        self._kept = None

    def depth(self) -> int:
        """How many notices wait in the Queue; 0 if the platform cannot tell."""
        try:
            return self._queue.qsize()
        except NotImplementedError:
            return 0


class QueueReader:
    """Takes notices from a Queue; never waits."""

    def __init__(self, queue_: "Queue[Notice]", capacity: int) -> None:
        self._queue = queue_
        self.capacity = capacity

    def fileno(self) -> int:
        """The descriptor that is readable while a notice waits. No other process reads it."""
        reader: Connection = self._queue._reader  # type: ignore[attr-defined]  # noqa: SLF001 -- the Queue offers no wait for one of several
        return reader.fileno()

    def take_all(self) -> list[Notice]:
        """All notices that wait, at most `capacity`."""
        notices: list[Notice] = []
        while len(notices) < self.capacity:
            try:
                notices.append(self._queue.get_nowait())
            except queue.Empty:
                break
        return notices

    def depth(self) -> int:
        """How many notices wait in the Queue; 0 if the platform cannot tell."""
        try:
            return self._queue.qsize()
        except NotImplementedError:
            return 0


class QueueReceiver(QueueReader):
    """The receiving end of a Queue, for one thread that waits."""

    def __init__(self, queue_: "Queue[Notice]", capacity: int, bell: Bell | None = None) -> None:
        """Whatever rings `bell` ends a wait."""
        super().__init__(queue_, capacity)
        self._bell = bell or Bell()
        self._poll = select.poll()
        self._poll.register(self, select.POLLIN)
        self._poll.register(self._bell, select.POLLIN)

    def wait(self, timeout_secs: float) -> Notice | None:
        """The newest of the notices that wait; None if none comes within `timeout_secs`, or before the bell rings."""
        ready = {fd for fd, _ in self._poll.poll(math.ceil(max(0.0, timeout_secs) * 1_000))}
        if self._bell.fileno() in ready:
            self._bell.clear()
        notices = self.take_all() if self.fileno() in ready else []
        return notices[-1] if notices else None

    def wake(self) -> None:
        """End the present wait, or the next one."""
        self._bell.ring()

    def descriptors(self) -> tuple[int, ...]:
        """Those of the Queue and of the bell."""
        return self.fileno(), self._bell.fileno()
