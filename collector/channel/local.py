"""Notices over multiprocessing Queues, in the form that survives a kill of either end.

Each incarnation of a process has Queues of its own, thrown away with it, so a lock a killed process held wedges nobody.
A notice is smaller than an atomic pipe write, so a kill cannot tear one; a full Queue keeps the newest notice back.
"""

import queue
from multiprocessing.queues import Queue

from collector.channel.channel import Notice


class QueueSender:
    """The sending end of a Queue; it never waits."""

    def __init__(self, queue_: "Queue[Notice]", capacity: int) -> None:
        self._queue = queue_
        self._kept: Notice | None = None
        self.capacity = capacity
        # What is still buffered when this process leaves may be lost: nobody waits for a wake-up to be written.
        queue_.cancel_join_thread()

    def offer(self, notice: Notice) -> None:
        """Send now, or keep the newest until there is room."""
        self._kept = notice
        self.retry()

    def retry(self) -> None:
        """Send what is kept, if there is room now."""
        if self._kept is None:
            return
        try:
            self._queue.put_nowait(self._kept)
        except queue.Full:
            return
        self._kept = None

    def depth(self) -> int:
        """How many notices wait in the Queue; 0 where the platform cannot tell."""
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
        """The newest notice of those that came, or None; waits at most `timeout_secs`."""
        try:
            notice = self._queue.get(timeout=timeout_secs) if timeout_secs > 0 else self._queue.get_nowait()
        except queue.Empty:
            return None
        for later in self.take_all():
            notice = later
        return notice

    def take_all(self) -> list[Notice]:
        """Everything that waits, at most a Queue's worth."""
        notices: list[Notice] = []
        while len(notices) < self.capacity:
            try:
                notices.append(self._queue.get_nowait())
            except queue.Empty:
                break
        return notices

    def depth(self) -> int:
        """How many notices wait in the Queue; 0 where the platform cannot tell."""
        try:
            return self._queue.qsize()
        except NotImplementedError:
            return 0
