"""What repair asks one feed's exchange for next: which request comes first, when, and where it continues."""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Final

from collector.domain.clock import Clock
from collector.domain.log import Log
from collector.domain.records import INSTRUMENT, StreamKey
from collector.domain.repair_protocol import BOOK, BookRequest, Request, TradesRequest
from collector.exchanges.rest_adapter import Get, RestAdapter
from collector.processes.repair.book_checkpoints import BookCheckpoints
from collector.processes.repair.book_choice import BookChoice
from collector.processes.repair.breaks import Answer, latest
from collector.processes.repair.instrument_lists import InstrumentLists
from collector.processes.repair.job import Job
from collector.processes.repair.pages import Pages
from collector.processes.repair.polls import Polls
from collector.processes.repair.repair_inbox import RepairInbox
from collector.processes.repair.tries import Tries
from collector.processes.rest_adapters import hole_of

CLOCK_SECS: Final = 300.0
"""How often the exchange's clock is read."""

CLOCK_CONFIRM_SECS: Final = 5.0
"""How soon the exchange's clock is read again to confirm a surprising offset."""

OWN_WAIT_SECS: Final = 10.0
"""How long the exchange's clock and its list of instruments wait for books, which updates wait for."""

LIST_DELAY_SECS: Final = 30.0
"""Delay before a request for the list of instruments is sent again after a failure, so that others have their turn."""

QUIET_SECS: Final = 5.0
"""For how long no book was asked for because of a break before checkpoints are: else they would use the weight for the books
of one break, which are asked for one by one, and of the next."""


class RequestQueue:
    """Keeps tries and progress of each request, until it is removed. In memory only: the requests alone are files."""

    def __init__(
        self,
        exchange: str,
        rest: RestAdapter,
        inbox: RepairInbox | None,
        checkpoints: BookCheckpoints,
        polls: Polls,
        lists: InstrumentLists | None,
        clock: Clock,
        log: Log,
        *,
        books: BookChoice,
    ) -> None:
        """`inbox` is None if nobody asks for anything."""
        self._exchange = exchange
        self._rest = rest
        self._inbox = inbox
        self._choice = books
        self._checkpoints = checkpoints
        self._checkpoints_at = 0.0
        self._polls = polls
        self._lists = lists
        self._clock = clock
        self._log = log
        self._under_way: dict[str, Job] = {}
        self._books_asked_us: dict[StreamKey, int] = {}
        """When the newest book that is under way was asked for."""
        self._tries = Tries(clock.monotonic)
        self.pages = Pages()
        self._clock_at = clock.monotonic()
        self.set_aside: Counter[str] = Counter()
        """How many requests were set aside, by reason: unreadable, misfit."""
        self._names: set[str] = set()
        self._books: dict[StreamKey, Answer] = {}
        self.waiting: Mapping[str, int] = {}
        """How many jobs wait or are under way, by kind, at the last call of `jobs`."""

    def jobs(self) -> Iterator[Job]:
        """What may be asked now: books, then the clock when it is due, the list of instruments, trades, checkpoints, polls;
        within a kind those that failed come last. Clock and list go before books once they have waited for OWN_WAIT_SECS.

        A job is made once it is its turn, so that it knows what weight those before it have left.
        """
        now = self._clock.monotonic()
        requests = self._read_inbox()
        books = self._newest_books([request for request in requests if isinstance(request, BookRequest)])
        trades = [request for request in requests if isinstance(request, TradesRequest)]
        due = self._due_checkpoints(now)
        polls = self._polls.due(now)
        self.waiting = {"book": len(books), "trades": len(trades), "checkpoint": len(due), "poll": len(polls)}
        jobs = chain(
            self._exchanges_own(now - OWN_WAIT_SECS),
            self._book_jobs([book for book in self._in_order(books) if self._is_due(book.name, now)]),
            self._exchanges_own(now),
            map(self._trades_job, sorted(trades, key=self._rank)),
            self._checkpoint_jobs(due),
            (Job("poll", self._polls.of(stream).get(stream.symbol), stream) for stream in polls),
        )
        yield from (job for job in jobs if self._is_due(job.name, now))

    def _is_due(self, name: str, now: float) -> bool:
        return name not in self._under_way and self._tries.may_begin(name, now)

    def sent(self, job: Job) -> None:
        """A job is under way, until it `came`."""
        self._under_way[job.name] = job
        if job.kind == "clock":
            self.clock_asked()
        elif job.kind == "book":
            self._books_asked_us[job.stream] = self._clock.now_us()
            self.put_off_checkpoints(QUIET_SECS)

    def came(self, job: Job) -> bool:
        """A job is under way no more; returns whether its answer is wanted.

        It is not if its request was withdrawn or put again meanwhile: then the writer does not keep what came before.
        """
        if job.kind == "book":
            self._books_asked_us.pop(job.stream, None)
        is_wanted = self._under_way.get(job.name) is job
        if is_wanted:
            del self._under_way[job.name]
        return is_wanted

    def _in_order(self, books: list[BookRequest]) -> list[BookRequest]:
        by_age = sorted(books, key=lambda book: (book.asked_us, book.from_id))
        return sorted(self._choice.busiest_first(by_age), key=lambda book: self._tries.count(book.name))

    def _due_checkpoints(self, now: float) -> list[str]:
        due = self._checkpoints.due(self._clock.now_us())
        if now < self._checkpoints_at:
            return []
        return [*self._choice.busiest_symbols_first(self._exchange, BOOK, self._checkpoints.owed), *due]

    def kept_weight(self, job: Job) -> int:
        """The weight that a job leaves alone, for books that updates wait for."""
        return 0 if job.is_urgent else self._choice.kept_weight()

    def put_off_checkpoints(self, secs: float) -> None:
        """There is no weight for a checkpoint for so long; others may be fetched meanwhile."""
        self._checkpoints_at = self._clock.monotonic() + secs

    def _read_inbox(self) -> list[Request]:
        if self._inbox is None:
            return []
        found = self._inbox.read()
        names = {request.name for request in found.waiting}
        # Names that are gone were withdrawn by the writer.
        for name in {*found.renewed, *(self._names - names)}:
            self._reset(name)
        self._names = names
        for name, reason in found.unreadable:
            self.set_aside["unreadable"] += 1
            self._log.error("request_unreadable", name=name, reason=reason)
        for name, reason in found.misfits:
            self.set_aside["misfit"] += 1
            self._log.warning("request_set_aside", name=name, reason=reason)
        return found.waiting

    def clock_asked(self) -> None:
        """The exchange was asked for its clock, or the turn for that has passed."""
        self._clock_at = self._clock.monotonic() + CLOCK_SECS

    def ask_clock_soon(self) -> None:
        """The exchange's clock must be read again soon, to confirm what it said."""
        self._clock_at = self._clock.monotonic() + CLOCK_CONFIRM_SECS

    def failed(self, job: Job) -> None:
        """The job was tried and failed. A poll, and the exchange's clock, is not tried again before its next time."""
        if job.kind == "poll":
            self._polls.asked(job.stream, self._clock.monotonic())
        elif job.kind == "clock":
            self.clock_asked()
        elif job.kind == "list":
            self._tries.put_off(job.name, LIST_DELAY_SECS)
        elif job.request is not None or job.kind == "checkpoint":
            self._tries.failed(job.name)

    def refused(self, job: Job, status: int) -> float | None:
        """The job was refused, or its answer was unreadable; returns the delay before the next try, or None to give up.

        Without a book its stream cannot be rebuilt, so a book is given up only after a permanent refusal.
        """
        if job.kind == "poll":
            return self._polls.asked(job.stream, self._clock.monotonic())
        if job.kind == "list" and self._lists is not None:
            return self._lists.give_up()
        self.failed(job)
        return self._tries.refused(job.name, status, never_give_up=job.kind == "book")

    def is_first_unread(self, job: Job) -> bool:
        """Whether this is the job's first unreadable answer; true once."""
        return self._tries.policy.is_first_unread(job.name)

    def answered(self, job: Job) -> None:
        """The job got a readable answer."""
        if job.kind == "poll":
            self._polls.asked(job.stream, self._clock.monotonic())
        self._tries.policy.forget(job.name)

    def book_came(self, stream: StreamKey, answer: Answer) -> None:
        """A book was stored, which also serves requests for breaks before it that come later."""
        self._books[stream] = answer

    def stale(self, request: BookRequest) -> None:
        """The book that came is older than the break."""
        self._tries.stale(request.name)

    def retry_empty_page(self, request: TradesRequest) -> bool:
        """A page brought nothing new; returns whether to request it again, after a delay."""
        delay_secs = self.pages.empty(request.name)
        if delay_secs is None:
            return False
        self._tries.put_off(request.name, delay_secs)
        return True

    def remove(self, request: Request) -> None:
        """The request is answered or given up."""
        if self._inbox is not None:
            self._inbox.remove(request)
        self._reset(request.name)

    def _reset(self, name: str) -> None:
        """Forget tries and progress: the request was put again, so the writer did not keep what earlier answers brought."""
        self.pages.forget(name)
        self._under_way.pop(name, None)
        self._tries.forget(name)

    def _exchanges_own(self, now: float) -> Iterator[Job]:
        clock = self._rest.clock() if now >= self._clock_at else None
        if clock is not None:
            yield Job("clock", clock, StreamKey(self._exchange, "", ""))
        get = self._lists.next() if self._lists is not None else None
        if get is not None:
            yield Job("list", get, StreamKey(self._exchange, "", INSTRUMENT))

    def _checkpoint_jobs(self, due: list[str]) -> Iterator[Job]:
        for stream in (StreamKey(self._exchange, symbol, BOOK) for symbol in due):
            get = self._rest.snapshot(stream.symbol)
            if get is not None:
                yield Job("checkpoint", get, stream)

    def _book_jobs(self, books: list[BookRequest]) -> Iterator[Job]:
        """Of those that no book which is under way may serve, too."""
        for index, book in enumerate(books):
            if self._books_asked_us.get(book.stream, -1) < book.asked_us:
                yield self._book_job(book, len(books) - index)

    def _book_job(self, request: BookRequest, waiting: int) -> Job:
        chosen = self._choice.get(request, waiting)
        get = _asked(request, None if chosen is None else chosen.get)
        return Job("book", get, request.stream, request, chosen is not None and chosen.is_brief)

    def _trades_job(self, request: TradesRequest) -> Job:
        get = self._rest.page(request.stream, hole_of(request), self.pages.cursor(request.name))
        return Job("trades", _asked(request, get), request.stream, request)

    def _rank(self, request: TradesRequest) -> tuple[int, int, int]:
        return self._tries.count(request.name), request.asked_us, request.first

    def _newest_books(self, books: list[BookRequest]) -> list[BookRequest]:
        """Keep one request a stream. One of which the book has come meanwhile, because another process asked for it, is done.

        What is under way stays until it has come.
        """
        found = latest(books)
        served = [book for book in found.books if self._is_served(book)]
        for book in (*found.earlier, *served):
            if book.name not in self._under_way:
                self.remove(book)
        return [book for book in found.books if not self._is_served(book)]

    def _is_served(self, book: BookRequest) -> bool:
        answer = self._books.get(book.stream)
        return answer is not None and answer.serves(book)


def _asked(request: Request, get: Get | None) -> Get:
    if get is None:
        raise ValueError(f"{request.name}: the exchange has no such request, and the inbox did not set it aside")
    return get
