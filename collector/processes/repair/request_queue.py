"""What repair asks of one feed's exchange next: which request comes first, when it may be tried, where it goes on."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final, Literal, NamedTuple

from structlog.typing import FilteringBoundLogger

from collector.domain.clock import Clock
from collector.domain.records import StreamKey
from collector.domain.repair_protocol import BOOK, BookRequest, Request, TradesRequest
from collector.exchanges.rest_adapter import Get, RestAdapter
from collector.processes.repair.book_checkpoints import BookCheckpoints
from collector.processes.repair.repair_inbox import RepairInbox
from collector.processes.repair.retry_policy import RetryPolicy

STALE_SECS: Final = 1.0
"""A book that is older than the break is asked for again after so long;"""

STALE_TRIES: Final = 5
"""but after so many tries only every"""

STALE_LATER_SECS: Final = 60.0

SHORT_SECS: Final = 2.0
"""Trades that the exchange does not have while it has none behind them either may still come: an answer may be made
from a copy of its data that is not up to date. They are asked for again after so long, then twice as long each time;"""

SHORT_TRIES: Final = 6
"""but only so many times in a row."""

CLOCK_SECS: Final = 300.0
"""How often the exchange is asked what time it is."""

CLOCK_AGAIN_SECS: Final = 5.0
"""After how long it is asked again where its answer is to be borne out."""


class Job(NamedTuple):
    """One GET, and what it is for."""

    kind: Literal["clock", "book", "trades", "checkpoint"]
    get: Get
    stream: StreamKey
    request: Request | None = None

    @property
    def name(self) -> str:
        """The same for the same need."""
        return self.request.name if self.request else f"{self.kind} {self.stream.symbol}"


class RequestQueue:
    """Keeps its knowledge of a request until that is removed. Nothing of it outlives the process but the requests."""

    def __init__(
        self,
        exchange: str,
        side: RestAdapter,
        requests: RepairInbox,
        checkpoints: BookCheckpoints,
        clock: Clock,
        logger: FilteringBoundLogger,
    ) -> None:
        self._exchange = exchange
        self._side = side
        self._requests = requests
        self._checkpoints = checkpoints
        self._clock = clock
        self._logger = logger
        self._not_before: dict[str, float] = {}
        self._tries: Counter[str] = Counter()
        self._next_id: dict[str, int] = {}
        self._short: Counter[str] = Counter()
        self._patience = RetryPolicy()
        self._clock_at = clock.monotonic()
        self.set_aside: Counter[str] = Counter()
        """How many requests could not be asked, by what was wrong with them: unreadable, or a misfit."""
        self._names: set[str] = set()
        self.waiting: Mapping[str, int] = {}
        """How much waits, by kind, as of the last look."""

    def next(self) -> Job | None:
        """The clock now and then, then books, trades and checkpoints; what failed before stands behind its like."""
        now = self._clock.monotonic()
        requests = self._look()
        books = self._newest_books([request for request in requests if isinstance(request, BookRequest)])
        trades = [request for request in requests if isinstance(request, TradesRequest)]
        due = self._checkpoints.due(self._clock.now_us())
        self.waiting = {"book": len(books), "trades": len(trades), "checkpoint": len(due)}
        if now >= self._clock_at:
            return Job("clock", self._side.clock(), StreamKey(self._exchange, "", ""))
        jobs = self._jobs(sorted(books, key=self._rank), sorted(trades, key=self._rank), due)
        return next((job for job in jobs if self._not_before.get(job.name, 0.0) <= now), None)

    def _look(self) -> list[Request]:
        found = self._requests.look()
        names = {request.name for request in found.waiting}
        # The writer has withdrawn those that are gone.
        for name in {*found.put_again, *(self._names - names)}:
            self._begin_anew(name)
        self._names = names
        for name, reason in found.unreadable:
            self.set_aside["unreadable"] += 1
            self._logger.error("request_unreadable", name=name, reason=reason)
        for name, reason in found.misfits:
            self.set_aside["misfit"] += 1
            self._logger.warning("request_set_aside", name=name, reason=reason)
        return found.waiting

    def clock_asked(self) -> None:
        """The clock is asked, whatever comes of it."""
        self._clock_at = self._clock.monotonic() + CLOCK_SECS

    def ask_clock_soon(self) -> None:
        """What it said is to be borne out."""
        self._clock_at = self._clock.monotonic() + CLOCK_AGAIN_SECS

    def failed(self, job: Job) -> None:
        """It was tried, and brought nothing."""
        self._tries[job.name] += 1

    def refused(self, job: Job, status: int) -> float | None:
        """It was refused, or answered unreadably; after how many seconds it is asked again, None: not again.

        Without its book a stream cannot be rebuilt, so one is asked for as long as there is hope.
        """
        now = self._clock.monotonic()
        self.failed(job)
        again_secs = self._patience.retry_delay_secs(job.name, status, now, never_give_up=job.kind == "book")
        if again_secs is None:
            self._forget(job.name)
        else:
            self._not_before[job.name] = now + again_secs
        return again_secs

    def is_first_unread(self, job: Job) -> bool:
        """Whether nothing unreadable came before; true once."""
        return self._patience.is_first_unread(job.name)

    def answered(self, job: Job) -> None:
        """It was answered so that it could be read."""
        self._patience.forget(job.name)

    def stale(self, request: BookRequest) -> None:
        """The book is older than the break."""
        self._tries[request.name] += 1
        few = self._tries[request.name] < STALE_TRIES
        self._not_before[request.name] = self._clock.monotonic() + (STALE_SECS if few else STALE_LATER_SECS)

    def next_id(self, request: TradesRequest) -> int:
        """From which id on it is asked."""
        return self._next_id.get(request.name, request.first)

    def advance(self, request: TradesRequest, next_id: int) -> None:
        """A page came; the next begins there."""
        self._next_id[request.name] = next_id
        del self._short[request.name]

    def retry_empty_page(self, request: TradesRequest) -> bool:
        """A page brought nothing; whether it is asked for again."""
        tries = self._short[request.name]
        if tries == SHORT_TRIES:
            return False
        self._short[request.name] += 1
        self._not_before[request.name] = self._clock.monotonic() + SHORT_SECS * 2**tries
        return True

    def remove(self, request: Request) -> None:
        """It is answered, or will never be."""
        self._requests.remove(request)
        self._begin_anew(request.name)

    def _begin_anew(self, name: str) -> None:
        """What is known of a request concerns one before: the writer did not keep what that brought."""
        self._next_id.pop(name, None)
        del self._short[name]
        self._forget(name)

    def _forget(self, name: str) -> None:
        self._not_before.pop(name, None)
        del self._tries[name]
        self._patience.forget(name)

    def _jobs(self, books: list[BookRequest], trades: list[TradesRequest], due: list[str]) -> Iterator[Job]:
        yield from map(self._job, books)
        yield from map(self._job, trades)
        for stream in (StreamKey(self._exchange, symbol, BOOK) for symbol in due):
            yield Job("checkpoint", self._side.snapshot(stream.symbol), stream)

    def _job(self, request: Request) -> Job:
        if isinstance(request, BookRequest):
            return Job("book", self._side.snapshot(request.stream.symbol), request.stream, request)
        get = self._side.page(request.stream, self.next_id(request))
        if get is None:
            raise ValueError(f"{request.name} is a misfit, and was let in")
        return Job("trades", get, request.stream, request)

    def _rank(self, request: Request) -> tuple[int, int, int]:
        first_id = request.from_id if isinstance(request, BookRequest) else request.first
        return self._tries[request.name], request.asked_us, first_id

    def _newest_books(self, books: list[BookRequest]) -> list[BookRequest]:
        """One a stream: a later break makes an earlier one's snapshot needless. The clock may have been set back since."""
        newest: dict[StreamKey, BookRequest] = {}
        for book in sorted(books, key=lambda book: (book.series, book.from_id, book.asked_us)):
            if book.stream in newest:
                self.remove(newest[book.stream])
            newest[book.stream] = book
        return list(newest.values())
