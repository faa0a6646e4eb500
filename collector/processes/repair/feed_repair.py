"""Repairs one feed: fetches books and trades that are missing, the most important first, several at a time.

It also fetches what no stream has: polled data types, and the exchange's list of instruments.

An answer is durable in the feed's repair journal before its request is removed; answers that came together are made durable
together. After a kill at any point the next process
asks again, and what comes twice is dropped as duplicates. Errors: temporary ones (a full disk, a slow or failing server, a
reached rate limit) are tried again for ever; a permanent refusal ends the request; other refusals and unreadable answers
end it after some tries (see RetryPolicy); a failed fsync ends the process.
"""

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple

from collector.domain.clock import Clock, Every
from collector.domain.errors import RetryError, UndecodableError
from collector.domain.log import Log
from collector.domain.repair_protocol import BookRequest, RepairAnswer, Request, TradesRequest
from collector.exchanges.rest_adapter import RestAdapter
from collector.feed.rest import RestError, RestResponse
from collector.logs import RateLimited
from collector.processes.repair.book_checkpoints import SAVE_SECS, BookCheckpoints
from collector.processes.repair.breaks import Answer
from collector.processes.repair.job import Job
from collector.processes.repair.polled_answers import PolledAnswers
from collector.processes.repair.repair_journal import RepairJournal
from collector.processes.repair.request_queue import RequestQueue
from collector.processes.repair.throttled_client import RefusedError, RetryLaterError, ThrottledClient
from collector.processes.repair.under_way import UnderWay
from collector.processes.rest_adapters import hole_of, read_response
from collector.reports import ClockOffset

POLL_SECS: Final = 1.0
"""How often the requests are read if no notice comes."""

SYNC_SECS: Final = 1.0
"""How often what was polled is made durable."""

CLOCK_LEAP_US: Final = 250_000
"""A clock offset that differs from the one before by more than this, and by more than the exchange's time steps, is
reported only once the next answer confirms it."""


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
        rest_adapter: RestAdapter,
        client: ThrottledClient,
        journal: RepairJournal,
        queue: RequestQueue,
        checkpoints: BookCheckpoints,
        polled: PolledAnswers,
        clock: Clock,
        log: Log,
        *,
        under_way: UnderWay,
    ) -> None:
        self._rest = rest_adapter
        self._client = client
        self._under_way = under_way
        self._journal = journal
        self._queue = queue
        self._checkpoints = checkpoints
        self._polled = polled
        self._clock = clock
        self._log = RateLimited(log, clock.monotonic)
        self._checkpoint_saves = Every(SAVE_SECS, clock.monotonic)
        self._syncs = Every(SYNC_SECS, clock.monotonic)
        self._answers: Counter[str] = Counter()
        self._finished: list[Request] = []
        """Requests whose answers are not durable yet."""
        self._offset: ClockOffset | None = None
        self._newest_offset_us = 0
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
        self._remove_finished()
        return bool(came)

    def _settle(self, job: Job, pauses: int, outcome: RestResponse | RestError, *, is_wanted: bool) -> None:
        try:
            answer = self._client.read(job.kind, pauses, outcome)
        except RefusedError as refusal:
            if is_wanted:
                self._note_refusal(job, "refused", str(refusal), refusal.status)
            return
        if is_wanted:
            self._process_answer(job, answer)

    def _process_answer(self, job: Job, answer: RestResponse) -> None:
        try:
            self._process(job, answer)
        except UndecodableError as error:
            if self._queue.is_first_unread(job):
                self._keep_unreadable(job, answer)
            self._note_refusal(job, "unreadable", str(error), answer.status)
        else:
            self._queue.answered(job)

    def _process(self, job: Job, answer: RestResponse) -> None:
        if job.kind == "clock":
            self._process_clock(answer)
        elif job.kind == "poll":
            self._polled.take_poll(job.stream, answer)
            self._answers["poll"] += 1
        elif job.kind == "list":
            self._process_list(answer)
        elif isinstance(job.request, TradesRequest):
            self._process_page(job.request, answer)
        else:
            self._process_book(job, job.request, answer)

    def _process_list(self, answer: RestResponse) -> None:
        unread = self._polled.take_list(answer)
        if unread is None:
            return
        self._answers["list"] += 1
        if unread.number:
            self._log.warning("list_entries_unread", "", entries=unread.number, first=unread.first)

    def _process_clock(self, answer: RestResponse) -> None:
        half_step_us = self._rest.clock_step_us // 2
        middle_us = (answer.asked_ns + answer.received_ns) // 2_000
        within_us = (answer.received_ns - answer.asked_ns) // 2_000 + half_step_us
        offset_us = middle_us - (self._rest.read_clock(answer.body) + half_step_us)
        if abs(offset_us - self._newest_offset_us) <= CLOCK_LEAP_US + self._rest.clock_step_us:
            self._offset = ClockOffset(offset_us=offset_us, within_us=within_us)
        else:
            # A single odd answer is not reported: the next one must confirm it.
            self._queue.ask_clock_soon()
        self._newest_offset_us = offset_us

    def _process_book(self, job: Job, request: BookRequest | None, answer: RestResponse) -> None:
        stream = job.stream
        book = read_response(lambda: self._rest.read_snapshot(stream, answer.body))
        if request is not None and (book.id is None or book.id + 1 < request.from_id):
            self._note_stale_book(request, answer)
            return
        series = request.series if request else None
        about = RepairAnswer(stream.symbol, stream.data_type, "snapshot", series, is_brief=job.is_brief)
        self._journal.append(answer.received_ns, about, answer.body)
        if book.id is not None:
            self._queue.book_came(stream, Answer(series, book.id, answer.asked_ns // 1_000))
        if job.is_brief:
            self._checkpoints.owe(stream.symbol)
        else:
            self._checkpoints.note(stream.symbol, self._clock.now_us())
        if request is not None:
            self._finish(request)
        else:
            self._journal.sync()
            self._answers["checkpoint"] += 1

    def _note_stale_book(self, request: BookRequest, answer: RestResponse) -> None:
        self._client.failures["book", "stale"] += 1
        self._queue.stale(request)
        self._client.renew(answer)

    def _process_page(self, request: TradesRequest, answer: RestResponse) -> None:
        hole, asked = hole_of(request), self._queue.pages.cursor(request.name)
        messages, cursor = read_response(lambda: self._rest.read_page(request.stream, hole, asked, answer.body))
        ids = [message.id for message in messages if message.id is not None]
        is_new = self._queue.pages.is_new(request.name, ids)
        if is_new and any(request.first <= id_ <= request.last for id_ in ids):
            self._journal.append(answer.received_ns, _about(request, "page"), answer.body)
        self._queue.pages.saw(request.name, ids)
        if cursor is None:
            self._end_trades(request, "")
        elif cursor != asked and is_new:
            self._queue.pages.advance(request.name, cursor)
        elif self._queue.retry_empty_page(request):
            self._client.renew(answer)
        else:
            self._end_trades(request, "the exchange has no more")

    def _note_refusal(self, job: Job, reason: str, text: str, status: int) -> None:
        retry_secs = self._queue.refused(job, status)
        self._client.failures[job.kind, reason] += 1
        about = {"stream": " ".join(job.stream), "error": text, "retry_secs": retry_secs}
        self._log.warning("rest_refused", f"{job.kind} {reason}", **about)
        if retry_secs is None:
            self._give_up(job, text)

    def _give_up(self, job: Job, text: str) -> None:
        if isinstance(job.request, TradesRequest):
            self._end_trades(job.request, text)
        elif job.kind in {"book", "checkpoint"}:
            # The next book of this stream comes with its next checkpoint.
            self._checkpoints.note(job.stream.symbol, self._clock.now_us())
            if job.request is not None:
                self._finish(job.request, answered=False)

    def _keep_unreadable(self, job: Job, answer: RestResponse) -> None:
        """Append it all the same: the writer makes an undecoded row of it."""
        if isinstance(job.request, TradesRequest):
            self._journal.append(answer.received_ns, _about(job.request, "page"), answer.body)
        elif job.kind == "poll":
            self._journal.append(answer.received_ns, self._polled.about(job.stream), answer.body)
        elif job.kind in {"book", "checkpoint"}:
            about = RepairAnswer(job.stream.symbol, job.stream.data_type, "snapshot")
            self._journal.append(answer.received_ns, about, answer.body)

    def _end_trades(self, request: TradesRequest, reason: str) -> None:
        self._journal.append(self._clock.now_ns(), _about(request, "end", reason))
        self._finish(request, answered=not reason)

    def _finish(self, request: Request, *, answered: bool = True) -> None:
        self._finished.append(request)
        if answered:
            self._answers["trades" if isinstance(request, TradesRequest) else "book"] += 1

    def _remove_finished(self) -> None:
        if self._finished:
            self._journal.sync()
        while self._finished:
            self._queue.remove(self._finished[-1])
            self._finished.pop()

    def _numbers(self) -> FeedNumbers:
        failures = [(*labels, count) for labels, count in self._client.failures.items()]
        failures += [("request", reason, count) for reason, count in self._queue.set_aside.items()]
        return FeedNumbers(
            dict(self._queue.waiting), dict(self._answers), failures, self._offset, self._polled.listed_us
        )


def _about(request: TradesRequest, answer: Literal["page", "end"], reason: str = "") -> RepairAnswer:
    stream = request.stream
    return RepairAnswer(stream.symbol, stream.data_type, answer, request.series, request.first, request.last, reason)
