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
"""How many requests are under way at most: 200 books take 0.5 s more than a round trip, if that takes 0.1 s."""

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
        self.most = most
        self._came = SimpleQueue[Came]()
        self.count = 0
        """How many requests were sent of which nothing was taken yet."""
        self.wake = threading.Event()

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
