"""The contract between the recorder and an exchange. An adapter does no I/O and reads no clock.

Most exchanges are a subclass of `market.Market`, which fulfils this contract from a few tables.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from typing import NamedTuple, Protocol

from collector.domain.records import Envelope, IdRule, StreamKey, TypedColumns
from collector.exchanges.rest_adapter import Get, RestAdapter


class Limits(NamedTuple):
    """The exchange's limits for one IP address."""

    connections: int
    """Connection attempts in `window_secs`."""
    window_secs: float
    streams_per_connection: int
    messages_per_sec: float
    """Messages a client may send on one connection."""
    lifetime_secs: float
    """The exchange closes a connection at this age; its replacement is opened earlier."""
    budget: str = ""
    """Exchanges with the same name share the limits of connections; empty: the exchange's own name."""
    live: int | None = None
    """The most connections that may be open at once, if the exchange limits them."""
    requests_per_hour: int | None = None
    """Requests, such as subscriptions, that one connection may send in an hour, if the exchange limits them."""


class Subscription(NamedTuple):
    """What a feed records: every data type of every symbol."""

    symbols: tuple[str, ...]
    data_types: tuple[str, ...]


class Request(NamedTuple):
    """A message to send, and how many frames answer it: each an ACK or an ERROR."""

    text: str
    answers: int = 1


class Keepalive(NamedTuple):
    """A message to send every so often, whatever else is sent: without it the exchange closes the connection."""

    text: str
    every_secs: float


class ConnectionPlan(NamedTuple):
    """A WebSocket connection: its URL, what to send once it is open (in order, paced by the limits), its streams."""

    url: str
    requests: tuple[Request, ...]
    keys: tuple[StreamKey, ...]
    keepalive: Keepalive | None = None
    question: Get | None = None
    """An HTTP request to the exchange's REST server before each connect; `Adapter.dial` reads the answer."""

    @property
    def streams(self) -> int:
        """The number of streams it carries."""
        return len(self.keys)


class ControlKind(Enum):
    """The meaning of a frame that has no market data."""

    ACK = "ack"
    ERROR = "error"
    """The exchange refused a request; `text` says why. The connection stays open."""
    SHUTDOWN = "shutdown"
    """The exchange will close this connection soon: open its replacement now."""
    HEARTBEAT = "heartbeat"
    NOISE = "noise"
    """Neither market data nor an answer. Stored as undecoded, but does not count as data of the connection."""


class Control(NamedTuple):
    """A control frame's kind, and its text for the log."""

    kind: ControlKind
    text: str
    reply: str = ""
    """What the exchange wants to be sent back at once."""


Decode = Callable[[bytes], list[Envelope]]
"""Reads a text frame into its messages: in the order of their ids where these have one, else in the order sent.

Returns an empty list for a control frame, and for a frame of a channel that the adapter knows and nobody subscribed.
Raises UndecodableError for any other frame; its text becomes the `reason` column.
"""


class Conversation(ABC):
    """A `Decode` for one connection, whose frames can only be read with what earlier ones of that connection said."""

    @abstractmethod
    def __call__(self, frame: bytes) -> list[Envelope]:
        """See `Decode`."""

    @abstractmethod
    def state(self) -> bytes:
        """What earlier frames said, to be stored with the rows: `Adapter.decoder` continues from it. At most some kB."""


Speakers = Callable[[Sequence[bytes]], set[StreamKey | None]]
"""Returns the streams that some frames of one connection have messages of, judged by the beginning of each frame.

Contains None if any frame is not certainly market data of a subscribed stream.
"""

Levels = Sequence[tuple[str, str]]
"""Levels of one side of a book: price and size as the exchange wrote them."""


class BookUpdate(NamedTuple):
    """What a message does to a book, its numbers as the exchange wrote them; a size of zero removes a level."""

    is_snapshot: bool
    bids: Levels
    asks: Levels
    checksum: int | None
    """The exchange's checksum of the book after this message; None if the message has none."""


class BookCheck(NamedTuple):
    """How the books of a data type are verified by the exchange's checksums."""

    depth: int
    """The book is cut to so many levels a side after each message."""
    read: Callable[[bytes], BookUpdate]
    """Reads a payload. Raises what `typed_rows.UNREADABLE` names for anything else."""
    digest: Callable[[Levels, Levels], int]
    """The checksum of a book, from the best `levels` bids and asks, best first."""
    levels: int = 10
    """How many levels a side the checksum covers."""


class Adapter(Protocol):
    """One exchange, found with `registry.adapter(name)`. All methods are pure."""

    @property
    def exchange(self) -> str:
        """The exchange's name in paths and rows."""
        ...

    @property
    def id_rules(self) -> Mapping[str, IdRule]:
        """The data types that can be recorded, and the id rule of each."""
        ...

    @property
    def limits(self) -> Limits:
        """The exchange's limits."""
        ...

    @property
    def rest(self) -> RestAdapter | None:
        """The REST interface; None if the exchange has none, so that nothing can be fetched."""
        ...

    @property
    def hosts(self) -> Sequence[str]:
        """Scheme and host of each server with the same streams; the first one is that of `plan` without a `ws_url`."""
        ...

    @property
    def opens_with_books(self) -> bool:
        """Whether the subscriptions of a new connection begin with whole books."""
        ...

    @property
    def has_tickets(self) -> bool:
        """Whether the exchange numbers the frames of each connection, see `ticket`."""
        ...

    @property
    def checks(self) -> Mapping[str, BookCheck]:
        """The data types whose books the exchange's checksums verify."""
        ...

    def plan(self, subscription: Subscription, ws_url: str) -> list[ConnectionPlan]:
        """Distribute the streams over as few connections as the limits allow; an empty `ws_url` means the exchange's own.

        Raises ConfigError for symbols that are not spelled as in the exchange's instrument list, and for data types that
        it does not offer; each problem begins with `symbols` or `data_types`.
        """
        ...

    def shares(self, subscription: Subscription) -> list[tuple[StreamKey, ...]]:
        """The streams of each connection of `plan`, also for a subscription made by another version: nothing is checked,
        and data types that this version does not know have no streams.
        """
        ...

    def elsewhere(self, keys: Sequence[StreamKey], ws_url: str) -> list[ConnectionPlan]:
        """Connections that may deliver streams which `plan`'s connections acknowledged and never delivered; often none."""
        ...

    def connection(self, keys: Sequence[StreamKey], ws_url: str) -> ConnectionPlan:
        """One connection for these streams, which one connection of `plan` can carry; nothing is checked."""
        ...

    def dial(self, plan: ConnectionPlan, answer: bytes) -> ConnectionPlan:
        """The plan as the answer to its `question` completes it: with the URL to connect to, and the keepalive.

        Raises UndecodableError.
        """
        ...

    def again(self, keys: Sequence[StreamKey]) -> tuple[Request, ...]:
        """Requests that make a connection send these books anew; none if only a new connection can, see `opens_with_books`."""
        ...

    def apart(self, keys: Sequence[StreamKey]) -> tuple[Request, ...]:
        """Requests that subscribe these streams one by one, because an exchange that refused one may have refused all."""
        ...

    def speakers(self, subscription: Subscription) -> Speakers:
        """Build a function that finds the streams of some frames, for one connection. It must be cheap: it sees every frame."""
        ...

    def ticket(self, frame: bytes) -> int | None:
        """The number of a frame among all frames of its connection, which rises by one, control frames included.

        A number that is left out proves that a frame was lost, though not of which stream. None for a frame that has none.
        """
        ...

    def content(self, payload: bytes) -> bytes:
        """What a payload without an id has in common with its copies on other connections: all but numbers and times that
        belong to its connection. Never raises.
        """
        ...

    def inflate(self, frame: bytes) -> bytes:
        """The text that a binary frame holds. Raises UndecodableError, always if the exchange sends no binary frames."""
        ...

    def control(self, frame: bytes) -> Control | None:
        """What a frame means for the connection; None if it looks like market data. Called where `speakers` returns None."""
        ...

    def decoder(self, subscription: Subscription, state: bytes = b"") -> Decode:
        """Build a function that reads a text frame into envelopes. Frames of streams outside `subscription` are undecodable;
        so are those of data types that only another version knows, which can read the stored frames.

        If it is a `Conversation`, each connection needs one of its own, which continues from `state`.
        """
        ...

    def columns(self, data_type: str, payloads: Sequence[bytes]) -> TypedColumns:
        """Read stored payloads, from frames or REST responses, into one typed row each, returned as columns.

        A number that is not a finite decimal becomes None in its row; a payload that is not a message of `data_type` has
        no row.
        """
        ...

    def decimals(self, data_type: str, payload: bytes) -> Iterable[str]:
        """The text of every number in `payload` that `columns` converts to a double."""
        ...
