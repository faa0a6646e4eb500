"""Requests that are under way, several at once, so that a slow answer holds up no other."""

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Final, NamedTuple

from collector.feed.rest import RestError, RestResponse
from collector.processes.repair.job import Job
from collector.processes.repair.throttled_client import Client

AT_ONCE: Final = 32
"""How many requests are under way at most: 200 books take seven round trips."""

PATIENT_SHARE: Final = 0.25
"""Only while fewer than this share are under way is anything sent that no update waits for: where answers take long, a book
then finds a thread.
"""

Run = Callable[[Callable[[], None]], None]
"""Runs a function in another thread; see Lanes."""


class Came(NamedTuple):
    """What came of a request."""

    job: Job
    pauses: int
    """As `send` was told."""
    answer: RestResponse | RestError


class UnderWay:
    """For one thread, which `wake` wakes when something came."""

    def __init__(self, client: Client, run: Run, most: int = AT_ONCE) -> None:
        """Threads share `client`; at most `most` of its requests may be under way."""
        self._client = client
        self._run = run
        self._most = most
        self._came = SimpleQueue[Came]()
        self.count = 0
        """How many requests were sent of which nothing was taken yet."""
        self.wake = threading.Event()

    def has_room(self, *, one_at_a_time: bool, is_urgent: bool) -> bool:
        """Whether one more may be sent; `is_urgent` if updates wait for its answer."""
        most = 1 if one_at_a_time else self._most
        return self.count < (most if is_urgent else max(1, int(most * PATIENT_SHARE)))

    def send(self, job: Job, pauses: int) -> None:
        """Send a request; `pauses` comes back with its answer."""
        self.count += 1
        self._run(partial(self._get, job, pauses))

    def take(self) -> list[Came]:
        """All that came meanwhile."""
        came: list[Came] = []
        with suppress(Empty):
            while True:
                came.append(self._came.get_nowait())
        self.count -= len(came)
        return came

    def _get(self, job: Job, pauses: int) -> None:
        answer: RestResponse | RestError
        try:
            answer = self._client.get(job.get.target, job.get.method, job.get.body)
        except RestError as error:
            answer = error
        self._came.put(Came(job, pauses, answer))
        self.wake.set()
