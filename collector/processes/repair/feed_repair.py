"""Mends one feed: asks its exchange for books and trades that are missing, the most important first, one at a time.

An answer is durable in the feed's own journal before its request is removed: killed at any point, the next one asks
again, and what comes twice are copies. The fate of its errors: what may pass (a full disk, a slow or failing server, a
spent budget) is tried again for ever; what the exchange refuses for good ends the request, and so does in the end what it
refuses otherwise, or answers so that it cannot be read (see Patience); a failed fsync ends the process.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple

from structlog.typing import FilteringBoundLogger

from collector.domain.clock import Clock, Every
from collector.domain.errors import RetryError, UndecodableError
from collector.domain.records import StreamKey
from collector.domain.repair_protocol import BookRequest, RepairAnswer, Request, TradesRequest
from collector.exchanges.rest_adapter import RestAdapter
from collector.feed import rest
from collector.logs import RateLimited
from collector.processes.repair.book_checkpoints import SAVE_SECS, BookCheckpoints
from collector.processes.repair.repair_journal import RepairJournal
from collector.processes.repair.request_queue import Job, RequestQueue
from collector.processes.repair.throttled_client import RetryLaterError, ThrottledClient, is_good
from collector.processes.rest_adapters import read_answer
from collector.reports import ClockOffset

POLL_SECS: Final = 1.0
"""How often the requests are looked at when no notice comes."""


CLOCK_LEAP_US: Final = 250_000
"""An answer that puts this machine's clock off by so much more than the one before is told once another agrees."""


class FeedNumbers(NamedTuple):
    """One feed's part of the report."""

    waiting: Mapping[str, int]
    """Requests that wait, by kind."""
    answers: Mapping[str, int]
    """Requests that were answered, by kind."""
    failures: Sequence[tuple[str, str, int]]
    """Requests that brought nothing: kind, reason and count."""
    clock: ClockOffset | None
    """As last asked; None until the exchange has answered."""


class FeedRepair:
    """`step` is called again and again by one thread; `numbers` and `position` may be read by another."""

    def __init__(
        self,
        side: RestAdapter,
        host: ThrottledClient,
        log: RepairJournal,
        agenda: RequestQueue,
        checkpoints: BookCheckpoints,
        clock: Clock,
        logger: FilteringBoundLogger,
    ) -> None:
        self._side = side
        self._host = host
        self._log = log
        self._agenda = agenda
        self._checkpoints = checkpoints
        self._clock = clock
        self._limited = RateLimited(logger, clock.monotonic)
        self._checkpoint_saves = Every(SAVE_SECS, clock.monotonic)
        self._answers: Counter[str] = Counter()
        self._offset: ClockOffset | None = None
        self._newest_offset_us = 0
        self.numbers = self._numbers()

    @property
    def position(self) -> tuple[int, int]:
        """How far the journal has come."""
        return self._log.position

    def step(self) -> float:
        """Ask for what matters most, if anything may be asked now; the seconds after which to come again."""
        if self._checkpoint_saves.due():
            self._checkpoints.save()
        job = self._agenda.next()
        wait_secs = POLL_SECS if job is None else self._do(job)
        self.numbers = self._numbers()
        return wait_secs

    def close(self) -> None:
        """Keep what was learnt, and say in the journal that nothing more comes. Raises OSError."""
        self._checkpoints.save()
        self._log.close()

    def _do(self, job: Job) -> float:
        try:
            self._log.require_room()
            if job.kind == "clock":
                self._agenda.clock_asked()
            answer = self._host.ask(job.kind, job.get)
            self._heed(job, answer)
        except RetryLaterError as error:
            if error.tried:
                self._agenda.failed(job)
            return error.wait_secs
        except RetryError as error:
            return self._host.failed(job.kind, "disk", str(error)).wait_secs
        return 0.0

    def _heed(self, job: Job, answer: rest.RestResponse) -> None:
        if not is_good(answer):
            self._refused(job, "refused", f"HTTP {answer.status}", answer.status)
            return
        try:
            self._take(job, answer)
        except UndecodableError as error:
            if self._agenda.is_first_unread(job):
                self._keep_unread(job, answer)
            self._refused(job, "unreadable", str(error), answer.status)
        else:
            self._agenda.answered(job)

    def _take(self, job: Job, answer: rest.RestResponse) -> None:
        if job.kind == "clock":
            self._take_clock(answer)
        elif isinstance(job.request, TradesRequest):
            self._take_page(job.request, answer)
        else:
            self._take_book(job.stream, job.request, answer)

    def _take_clock(self, answer: rest.RestResponse) -> None:
        middle_us = (answer.asked_ns + answer.received_ns) // 2_000
        within_us = (answer.received_ns - answer.asked_ns) // 2_000
        offset_us = middle_us - self._side.read_clock(answer.body)
        if abs(offset_us - self._newest_offset_us) <= CLOCK_LEAP_US:
            self._offset = ClockOffset(offset_us=offset_us, within_us=within_us)
        else:
            # One odd answer is no alarm: the next one bears it out, or it was never told.
            self._agenda.ask_clock_soon()
        self._newest_offset_us = offset_us

    def _take_book(self, stream: StreamKey, request: BookRequest | None, answer: rest.RestResponse) -> None:
        (book,) = read_answer(self._side, stream, answer.body)
        if request is not None and (book.id is None or book.id + 1 < request.from_id):
            self._stale(request)
            return
        about = RepairAnswer(stream.symbol, stream.data_type, "snapshot", request.series if request else None)
        self._log.append(answer.received_ns, about, answer.body)
        self._checkpoints.note(stream.symbol, self._clock.now_us())
        if request is not None:
            self._done(request)
        else:
            self._log.sync()
            self._answers["checkpoint"] += 1

    def _stale(self, request: BookRequest) -> None:
        self._host.failures["book", "stale"] += 1
        self._agenda.stale(request)
        self._host.renew()

    def _take_page(self, request: TradesRequest, answer: rest.RestResponse) -> None:
        messages = read_answer(self._side, request.stream, answer.body)
        ids = [message.id for message in messages if message.id is not None]
        if any(request.first <= id_ <= request.last for id_ in ids):
            self._log.append(answer.received_ns, _about(request, "page"), answer.body)
        asked_from = self._agenda.next_id(request)
        newest = max(ids, default=asked_from - 1)
        if newest >= request.last:
            self._end(request, "")
        elif newest >= asked_from:
            self._agenda.advance(request, newest + 1)
        elif self._agenda.retry_empty_page(request):
            self._host.renew()
        else:
            self._end(request, "the exchange has no more")

    def _refused(self, job: Job, reason: str, text: str, status: int) -> None:
        again_secs = self._agenda.refused(job, status)
        self._host.failures[job.kind, reason] += 1
        about = {"stream": " ".join(job.stream), "error": text, "retry_secs": again_secs}
        self._limited.warning("rest_refused", f"{job.kind} {reason}", **about)
        if again_secs is None:
            self._give_up(job, text)

    def _give_up(self, job: Job, text: str) -> None:
        if isinstance(job.request, TradesRequest):
            self._end(job.request, text)
        elif job.kind != "clock":
            # The next book of this stream is fetched when its checkpoint is due.
            self._checkpoints.note(job.stream.symbol, self._clock.now_us())
            if job.request is not None:
                self._done(job.request, answered=False)

    def _keep_unread(self, job: Job, answer: rest.RestResponse) -> None:
        """The writer makes an undecoded row of it."""
        if isinstance(job.request, TradesRequest):
            self._log.append(answer.received_ns, _about(job.request, "page"), answer.body)
        elif job.kind != "clock":
            about = RepairAnswer(job.stream.symbol, job.stream.data_type, "snapshot")
            self._log.append(answer.received_ns, about, answer.body)

    def _end(self, request: TradesRequest, reason: str) -> None:
        self._log.append(self._clock.now_ns(), _about(request, "end", reason))
        self._done(request, answered=not reason)

    def _done(self, request: Request, *, answered: bool = True) -> None:
        self._log.sync()
        if answered:
            self._answers["trades" if isinstance(request, TradesRequest) else "book"] += 1
        self._agenda.remove(request)

    def _numbers(self) -> FeedNumbers:
        failures = [(*labels, count) for labels, count in self._host.failures.items()]
        failures += [("request", reason, count) for reason, count in self._agenda.set_aside.items()]
        return FeedNumbers(dict(self._agenda.waiting), dict(self._answers), failures, self._offset)


def _about(request: TradesRequest, answer: Literal["page", "end"], reason: str = "") -> RepairAnswer:
    stream = request.stream
    return RepairAnswer(stream.symbol, stream.data_type, answer, request.series, request.first, request.last, reason)
