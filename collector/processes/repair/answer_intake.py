"""What is done with an answer of the exchange: it is appended to the journal, and ends its request or leads to the next one."""

from collections import Counter
from typing import Final, Literal

from collector.domain.clock import Clock
from collector.domain.errors import UndecodableError
from collector.domain.repair_protocol import BookRequest, RepairAnswer, Request, TradesRequest
from collector.exchanges.rest_adapter import RestAdapter
from collector.feed.rest import RestResponse
from collector.logs import RateLimited
from collector.processes.repair.book_checkpoints import BookCheckpoints
from collector.processes.repair.breaks import Answer
from collector.processes.repair.job import Job
from collector.processes.repair.polled_answers import PolledAnswers
from collector.processes.repair.repair_journal import RepairJournal
from collector.processes.repair.request_queue import RequestQueue
from collector.processes.repair.throttled_client import ThrottledClient
from collector.processes.rest_adapters import hole_of, read_response
from collector.reports import ClockOffset

CLOCK_LEAP_US: Final = 250_000
"""A clock offset that differs from the one before by more than this, and by more than the exchange's time steps, is
reported only once the next answer confirms it."""


class AnswerIntake:
    """For the thread of its FeedRepair."""

    def __init__(
        self,
        rest_adapter: RestAdapter,
        client: ThrottledClient,
        journal: RepairJournal,
        queue: RequestQueue,
        checkpoints: BookCheckpoints,
        polled: PolledAnswers,
        clock: Clock,
        log: RateLimited,
    ) -> None:
        self._rest = rest_adapter
        self._client = client
        self._journal = journal
        self._queue = queue
        self._checkpoints = checkpoints
        self._polled = polled
        self._clock = clock
        self._log = log
        self._finished: list[Request] = []
        """Requests whose answers are not durable yet."""
        self._newest_offset_us = 0
        self.counts: Counter[str] = Counter()
        """Answered requests, by kind."""
        self.offset: ClockOffset | None = None
        """Of the exchange's clock, as of the last answer; None before the first one."""

    @property
    def listed_us(self) -> int | None:
        """When the exchange gave its last whole list of instruments; None before."""
        return self._polled.listed_us

    def take(self, job: Job, answer: RestResponse) -> None:
        """The exchange answered. Raises RetryError if the disk does not take it."""
        try:
            self._process(job, answer)
        except UndecodableError as error:
            if self._queue.is_first_unread(job):
                self._keep_unreadable(job, answer)
            self.refused(job, "unreadable", str(error), answer.status)
        else:
            self._queue.answered(job)

    def _process(self, job: Job, answer: RestResponse) -> None:
        if job.kind == "clock":
            self._process_clock(answer)
        elif job.kind == "poll":
            self._polled.take_poll(job.stream, answer)
            self.counts["poll"] += 1
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
        self.counts["list"] += 1
        if unread.number:
            self._log.warning("list_entries_unread", "", entries=unread.number, first=unread.first)

    def _process_clock(self, answer: RestResponse) -> None:
        half_step_us = self._rest.clock_step_us // 2
        middle_us = (answer.asked_ns + answer.received_ns) // 2_000
        within_us = (answer.received_ns - answer.asked_ns) // 2_000 + half_step_us
        offset_us = middle_us - (self._rest.read_clock(answer.body) + half_step_us)
        if abs(offset_us - self._newest_offset_us) <= CLOCK_LEAP_US + self._rest.clock_step_us:
            self.offset = ClockOffset(offset_us=offset_us, within_us=within_us)
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
            self.counts["checkpoint"] += 1

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

    def refused(self, job: Job, reason: str, text: str, status: int) -> None:
        """The answer is of no use: try again later, or give up. Raises RetryError if the disk does not take that."""
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
            self.counts["trades" if isinstance(request, TradesRequest) else "book"] += 1

    def remove_finished(self) -> None:
        """Make durable what was appended, and remove the requests that it answers. Raises OSError."""
        if self._finished:
            self._journal.sync()
        while self._finished:
            self._queue.remove(self._finished[-1])
            self._finished.pop()


def _about(request: TradesRequest, answer: Literal["page", "end"], reason: str = "") -> RepairAnswer:
    stream = request.stream
    return RepairAnswer(stream.symbol, stream.data_type, answer, request.series, request.first, request.last, reason)
