"""The contract between the recorder and an exchange. An adapter does no I/O and reads no clock."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from typing import NamedTuple, Protocol

from collector.domain.records import Envelope, IdRule, StreamKey, TypedColumns
from collector.exchanges.rest_adapter import RestAdapter


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


class Subscription(NamedTuple):
    """What a feed records: every data type of every symbol."""

    symbols: tuple[str, ...]
    data_types: tuple[str, ...]


class ConnectionPlan(NamedTuple):
    """A WebSocket connection: its URL, the messages to send once it is open (in order, paced by the limits), its streams.

    The exchange answers each message with one frame that is an ACK or an ERROR.
    """

    url: str
    messages: tuple[str, ...]
    keys: tuple[StreamKey, ...]

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


Decode = Callable[[bytes], list[Envelope]]
"""Reads a frame into its messages, in the order sent; into an empty list for a control frame.

Raises UndecodableError for any other frame; its text becomes the `reason` column.
"""


Speakers = Callable[[Sequence[bytes]], set[StreamKey | None]]
"""Returns the streams that some frames have messages of, judged by the beginning of each frame.

Contains None if any frame is not certainly market data of a subscribed stream.
"""


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
        """The REST interface for missing data; None if the exchange has none, so that nothing can be repaired."""
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

    def speakers(self, subscription: Subscription) -> Speakers:
        """Build a function that finds the streams of some frames. It must be cheap: it runs on every frame."""
        ...

    def control(self, frame: bytes) -> Control | None:
        """What a frame means for the connection; None if it looks like market data. Called where `speakers` returns None."""
        ...

    def decoder(self, subscription: Subscription) -> Decode:
        """Build a function that reads a text frame into envelopes. Frames of streams outside `subscription` are undecodable;
        so are those of data types that only another version knows, which can read the stored frames.
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
