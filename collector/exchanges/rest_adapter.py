"""The contract between repair and an exchange's REST interface. No I/O: it builds requests and reads response bodies."""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import NamedTuple, Protocol

from collector.domain.records import Envelope, StreamKey


class Get(NamedTuple):
    """One HTTP request that changes nothing at the exchange."""

    target: str
    """Path and query."""
    weight: int
    """Request weight, counted against the limit."""
    method: str = "GET"
    body: str = ""
    """JSON, for a POST."""


class RestLimits(NamedTuple):
    """An exchange's REST address, and its limit for one IP address."""

    url: str
    """The exchange's own server: scheme and host."""
    budget: str
    """Name of the budget; exchanges with the same name share one."""
    weight: int
    """Weight allowed in `window_secs`."""
    window_secs: float
    used_header: str = ""
    """Response header with the weight that all programs at this IP address have used in the current window; empty if the
    exchange tells nobody.
    """


class Hole(NamedTuple):
    """Missing messages: their ids, and when the messages before and after them were received (µs since the epoch).

    These times are of this machine's clock and later than the exchange's: a page by time has to begin well before.
    """

    first: int
    last: int
    since_us: int | None = None
    until_us: int | None = None


class Page(NamedTuple):
    """A page of messages, in any order, and where the next page begins.

    `cursor` is None once the pages cover the hole. The cursor that this page was requested with means that the exchange
    has no more. Then, and after a page whose ids lie among those of earlier pages, the page is requested some more times,
    because a replica may lag.
    """

    messages: list[Envelope]
    cursor: str | None


class Refusal(Enum):
    """What a response with status 200 that is an error means."""

    PASSING = "passing"
    """The same request may succeed later."""
    LIMITED = "limited"
    """Too many requests: all requests pause."""
    FINAL = "final"
    """The same request will never succeed."""


class Listing(NamedTuple):
    """One instrument of the exchange's list."""

    symbol: str
    kind: str
    """`spot`, `perpetual`, `future` or `option`."""
    is_trading: bool
    """Whether it can be subscribed now."""
    payload: bytes
    """Its own text, from which `Adapter.columns` makes the row of data type `instrument`."""


class Unread(NamedTuple):
    """Entries of a list that cannot be read: how many, and what is wrong with the first."""

    number: int = 0
    first: str = ""


class ListPage(NamedTuple):
    """A part of the exchange's instruments, and the request for the next part, if there is one."""

    listings: list[Listing]
    following: Get | None = None
    unread: Unread = Unread()
    """Entries that are left out."""


class Poll(NamedTuple):
    """A data type that no stream has: it is requested again and again, for each symbol at its own time."""

    every_secs: float
    get: Callable[[str], Get]
    """The request for one symbol."""


class RestAdapter(Protocol):
    """Builds requests and reads the responses. `rest_market.RestMarket` has a default for each method."""

    @property
    def limits(self) -> RestLimits:
        """The server and its request limit."""
        ...

    @property
    def polls(self) -> Mapping[str, Poll]:
        """What is polled, by data type."""
        ...

    def snapshot(self, symbol: str) -> Get | None:
        """A request for the whole book, or for as many levels as the exchange returns; None if it has no such request whose
        answer fits into the stream of updates.
        """
        ...

    def brief_snapshot(self, symbol: str) -> Get | None:
        """A request for the best levels of a book, which weighs far less than `snapshot`; None if there is none.

        Its answer is read by `read_snapshot`.
        """
        ...

    def page(self, stream: StreamKey, hole: Hole, cursor: str) -> Get | None:
        """A request for a page of missing messages; `cursor` is that of the page before, or empty.

        None if the exchange has no such request, or only with a key. Pages may go up or down, by id or by time.
        """
        ...

    def read_page(self, stream: StreamKey, hole: Hole, cursor: str, body: bytes) -> Page:
        """The messages in a response to `page`, those outside the hole included. Raises UndecodableError for any other body.

        Each payload is the message's own unchanged text, which `Adapter.columns` can read. The messages follow from `body`
        alone: the writer reads a stored body again with an empty cursor, and a hole without times.
        """
        ...

    def read_snapshot(self, stream: StreamKey, body: bytes) -> Envelope:
        """The book in a response to `snapshot`; its id is the last update id it contains. Raises UndecodableError for any
        other body, and for a book with a level that cannot be read.
        """
        ...

    def read_poll(self, stream: StreamKey, body: bytes) -> Envelope | None:
        """The message in a response to a poll, without an id; None if the exchange has none now. It follows from `body` alone.

        Raises UndecodableError.
        """
        ...

    def refusal(self, body: bytes) -> tuple[Refusal, str] | None:
        """Whether a response with status 200 is an error, and its text for the log; None if it is none. May raise
        UndecodableError for what cannot be read, which is then read as an answer. Of a response with another status only
        the text is used.
        """
        ...

    def lists(self) -> tuple[Get, ...]:
        """The requests for the exchange's instruments; none if it has no list."""
        ...

    def read_list(self, get: Get, body: bytes) -> ListPage:
        """The instruments in a response to one of `lists`, or to a following request. An entry that cannot be read is left
        out. Raises UndecodableError if none can be read, and for any other body.
        """
        ...

    def volumes(self) -> tuple[Get, ...]:
        """The requests for the traded value of the last 24 hours; none if the exchange does not tell."""
        ...

    def read_volumes(self, get: Get, body: bytes) -> Mapping[str, float]:
        """The value traded in 24 hours by symbol, comparable among them. An entry that cannot be read is left out. Raises
        UndecodableError if none can be read, and for any other body.
        """
        ...

    def clock(self) -> Get | None:
        """A request for the exchange's time; None if it has none."""
        ...

    @property
    def clock_step_us(self) -> int:
        """In what steps the exchange tells its time: it was the time told, or later by less than this."""
        ...

    def read_clock(self, body: bytes) -> int:
        """The time in a response to `clock`, in microseconds. Raises UndecodableError."""
        ...
