"""Channels over multiprocessing Queues, used so that a kill of either end blocks nobody.

Each incarnation of a process has Queues of its own, which are discarded with it: a lock that a killed process held is never
waited for. A notice is smaller than an atomic pipe write, so a kill cannot tear one. While a Queue is full the sender keeps
the newest notice.
"""

import queue
from multiprocessing.queues import Queue

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


class QueueReceiver:
    """The receiving end of a Queue."""

    def __init__(self, queue_: "Queue[Notice]", capacity: int) -> None:
        self._queue = queue_
        self.capacity = capacity

    def wait(self, timeout_secs: float) -> Notice | None:
        """The newest of the notices that wait; None if none comes within `timeout_secs`."""
        try:
            notice = self._queue.get(timeout=timeout_secs) if timeout_secs > 0 else self._queue.get_nowait()
        except queue.Empty:
            return None
        for later in self.take_all():
            notice = later
        return notice

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
