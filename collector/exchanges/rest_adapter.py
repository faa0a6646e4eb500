"""The contract between repair and an exchange's REST side. It does no I/O: requests out as text, answers in as bytes."""

from typing import NamedTuple, Protocol

from collector.domain.records import Envelope, StreamKey


class Get(NamedTuple):
    """One GET request."""

    target: str
    """Path and query."""
    weight: int
    """What it costs of the budget."""


class RestLimits(NamedTuple):
    """Where an exchange answers, and how much it allows one IP address."""

    url: str
    """The exchange's own, scheme and host."""
    budget: str
    """Exchanges of one name share one budget."""
    weight: int
    """In `window_secs`."""
    window_secs: float
    used_header: str
    """The response header with the weight that everybody at this address has used in this window."""


class RestAdapter(Protocol):
    """What can be had from an exchange after the fact."""

    @property
    def limits(self) -> RestLimits:
        """The address and the budget."""
        ...

    def snapshot(self, symbol: str) -> Get:
        """Ask for the whole book, or as many levels of it as the exchange gives."""
        ...

    def page(self, stream: StreamKey, first_id: int) -> Get | None:
        """Ask for a stream's messages from this id on, as many as one answer holds; None: not without a key, or never.

        An answer without messages says that the exchange has none from that id on, or no longer has them. One that
        begins with a higher id says that those between never were, or are no longer to be had.
        """
        ...

    def read(self, stream: StreamKey, body: bytes) -> list[Envelope]:
        """The messages of an answer to `page`, or the one book of an answer to `snapshot` (a `book_delta` stream).

        Each payload is the message's own untouched text, which `Adapter.rows` types; a book's id is the last update id
        it holds. Raises UndecodableError for anything else, and for a book with a level that cannot be read.
        """
        ...

    def clock(self) -> Get:
        """Ask for the exchange's time."""
        ...

    def read_clock(self, body: bytes) -> int:
        """The time in an answer to `clock`, in microseconds. Raises UndecodableError."""
        ...
