"""Repairs one feed: fetches books and trades that are missing, the most important first, several at a time.

It also fetches what no stream has: polled data types, and the exchange's list of instruments.

An answer is durable in the feed's repair journal before its request is removed; answers that came together are made
durable together. After a kill at any point the next process asks again, and what comes twice is dropped as duplicates.
Errors: temporary ones (a full disk, a slow or failing server, a reached rate limit) are tried again for ever; a permanent
refusal ends the request; other refusals and unreadable answers end it after some tries (see RetryPolicy); a failed fsync
ends the process.
"""

import threading
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from collector.domain.clock import Clock, Every
from collector.domain.errors import RetryError
from collector.feed.rest import RestError, RestResponse
from collector.processes.repair.answer_intake import AnswerIntake
from collector.processes.repair.book_checkpoints import SAVE_SECS, BookCheckpoints
from collector.processes.repair.job import Job
from collector.processes.repair.repair_journal import RepairJournal
from collector.processes.repair.request_queue import RequestQueue
from collector.processes.repair.throttled_client import RefusedError, RetryLaterError, ThrottledClient
from collector.processes.repair.under_way import UnderWay
from collector.reports import ClockOffset

POLL_SECS: Final = 1.0
"""How often the requests are read if no notice comes."""

SYNC_SECS: Final = 1.0
"""How often what was polled is made durable."""


class FeedNumbers(NamedTuple):
    """One feed's part of the report."""

    waiting: Mapping[str, int]
    """Waiting requests, by kind."""
    answers: Mapping[str, int]
    """Answered requests, by kind."""
    failures: Sequence[tuple[str, str, int]]
    """Failed requests: kind, reason and count."""
    clock: ClockOffset | None
    """As of the last answer; None before the first one."""
    listed_us: int | None
    """When the exchange gave its last whole list of instruments, if the feed needs it and there is one."""


class FeedRepair:
    """One thread calls `step` again and again; another may read `numbers` and `position`."""

    def __init__(
        self,
        client: ThrottledClient,
        journal: RepairJournal,
        queue: RequestQueue,
        checkpoints: BookCheckpoints,
        intake: AnswerIntake,
        under_way: UnderWay,
        clock: Clock,
    ) -> None:
        self._client = client
        self._under_way = under_way
        self._journal = journal
        self._queue = queue
        self._checkpoints = checkpoints
        self._intake = intake
        self._checkpoint_saves = Every(SAVE_SECS, clock.monotonic)
        self._syncs = Every(SYNC_SECS, clock.monotonic)
        self.numbers = self._numbers()

    @property
    def position(self) -> tuple[int, int]:
        """The number of the journal file being written, and the bytes in it."""
        return self._journal.position

    @property
    def wake(self) -> threading.Event:
        """Set when an answer came, and by whoever wants `step` to be called."""
        return self._under_way.wake

    def step(self) -> float:
        """Ask for what is the most important, as far as it may be asked for now, and take the answers that came.

        Returns the seconds to wait before the next call, unless `wake` is set.
        """
        if self._checkpoint_saves.due():
            self._checkpoints.save()
        if self._syncs.due():
            self._journal.sync()
        wait_secs = self._send()
        has_come = self._take()
        self.numbers = self._numbers()
        return 0.0 if has_come else wait_secs

    def close(self) -> None:
        """Save the checkpoints and close the journal. Raises OSError."""
        self._checkpoints.save()
        self._journal.close()

    def _send(self) -> float:
        """Send what may be sent; returns the seconds until more may be."""
        if not self._has_room(is_urgent=True):
            return POLL_SECS
        for job in self._queue.jobs():
            if not self._has_room(is_urgent=job.is_urgent):
                break
            wait_secs = self._send_job(job)
            if wait_secs is not None:
                return wait_secs
        return POLL_SECS

    def _has_room(self, *, is_urgent: bool) -> bool:
        return self._under_way.has_room(one_at_a_time=self._client.is_in_doubt, is_urgent=is_urgent)

    def _send_job(self, job: Job) -> float | None:
        """None if it was sent, else the seconds that it and all after it must wait."""
        if job.kind == "clock" and self._client.pause_secs > 0:
            self._queue.clock_asked()  # the first request after a pause is for what is missing
        try:
            self._journal.require_room()
            pauses = self._client.admit(job.kind, job.get, self._queue.kept_weight(job))
        except RetryLaterError as error:
            if error.tried:
                self._queue.failed(job)
            elif job.kind == "checkpoint":
                self._queue.put_off_checkpoints(error.wait_secs)
                return 0.0
            return error.wait_secs
        except RetryError as error:
            return self._client.failed(job.kind, "disk", str(error)).wait_secs
        self._queue.sent(job)
        self._under_way.send(job, pauses)
        return None

    def _take(self) -> bool:
        """Take the answers that came; returns whether there were any."""
        came = self._under_way.take()
        for job, pauses, answer in came:
            is_wanted = self._queue.came(job)
            try:
                self._settle(job, pauses, answer, is_wanted=is_wanted)
            except RetryLaterError:
                if is_wanted:
                    self._queue.failed(job)
            except RetryError as error:
                self._client.failed(job.kind, "disk", str(error), pauses=pauses)
        self._intake.remove_finished()
        return bool(came)

    def _settle(self, job: Job, pauses: int, outcome: RestResponse | RestError, *, is_wanted: bool) -> None:
        try:
            answer = self._client.read(job.kind, pauses, outcome)
        except RefusedError as refusal:
            if is_wanted:
                self._intake.refused(job, "refused", str(refusal), refusal.status)
            return
        if is_wanted:
            self._intake.take(job, answer)

    def _numbers(self) -> FeedNumbers:
        failures = [(*labels, count) for labels, count in self._client.failures.items()]
        failures += [("request", reason, count) for reason, count in self._queue.set_aside.items()]
        return FeedNumbers(
            dict(self._queue.waiting), dict(self._intake.counts), failures, self._intake.offset, self._intake.listed_us
        )
