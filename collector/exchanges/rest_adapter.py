"""The contract between repair and an exchange's REST interface. No I/O: it builds requests and reads response bodies."""

from typing import NamedTuple, Protocol

from collector.domain.records import Envelope, StreamKey


class Get(NamedTuple):
    """One GET request."""

    target: str
    """Path and query."""
    weight: int
    """Request weight, counted against the limit."""


class RestLimits(NamedTuple):
    """An exchange's REST address, and its limit for one IP address."""

    url: str
    """The exchange's own server: scheme and host."""
    budget: str
    """Name of the budget; exchanges with the same name share one."""
    weight: int
    """Weight allowed in `window_secs`."""
    window_secs: float
    used_header: str
    """Response header with the weight that all programs at this IP address have used in the current window."""


class RestAdapter(Protocol):
    """Builds the requests for missing data and reads the responses."""

    @property
    def limits(self) -> RestLimits:
        """The server and its request limit."""
        ...

    def snapshot(self, symbol: str) -> Get:
        """A request for the whole book, or for as many levels as the exchange returns."""
        ...

    def page(self, stream: StreamKey, first_id: int) -> Get | None:
        """A request for one page of a stream's messages from this id on; None if that is impossible, or needs a key.

        An empty page means that the exchange has no messages from that id on, or no longer has them. A page that
        begins with a higher id means that those between never existed, or are no longer available.
        """
        ...

    def read(self, stream: StreamKey, body: bytes) -> list[Envelope]:
        """The messages in a response to `page`, or the book in a response to `snapshot` (a `book_delta` stream).

        Each payload is the message's own unchanged text, which `Adapter.rows` can read; a book's id is the last update id
        it contains. Raises UndecodableError for any other body, and for a book with a level that cannot be read.
        """
        ...

    def clock(self) -> Get:
        """A request for the exchange's time."""
        ...

    def read_clock(self, body: bytes) -> int:
        """The time in a response to `clock`, in microseconds. Raises UndecodableError."""
        ...
