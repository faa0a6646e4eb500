"""The contract between the recorder and an exchange. An adapter does no I/O and reads no clock."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from typing import NamedTuple, Protocol

from collector.domain.records import Envelope, IdRule, StreamKey, TypedRow
from collector.exchanges.rest_adapter import RestAdapter


class Limits(NamedTuple):
    """What the exchange allows one IP address."""

    connections: int
    """Connection attempts in `window_secs`."""
    window_secs: float
    streams_per_connection: int
    messages_per_sec: float
    """Messages a client may send on one connection."""
    lifetime_secs: float
    """The exchange closes a connection of this age; a replacement is opened before."""


class Subscription(NamedTuple):
    """What a feed records: every data type of every symbol."""

    symbols: tuple[str, ...]
    data_types: tuple[str, ...]


class ConnectionPlan(NamedTuple):
    """One WebSocket connection: where to, and what to send once it stands (in this order, paced by the limits).

    Each message is answered by one frame that is an ACK or an ERROR.
    """

    url: str
    messages: tuple[str, ...]
    keys: tuple[StreamKey, ...]

    @property
    def streams(self) -> int:
        """How many streams it carries."""
        return len(self.keys)


class ControlKind(Enum):
    """What a frame that carries no market data means for the connection."""

    ACK = "ack"
    ERROR = "error"
    """The exchange refused a request; `text` says why. The connection stays."""
    SHUTDOWN = "shutdown"
    """The exchange will close this connection soon: open its replacement now."""
    HEARTBEAT = "heartbeat"
    NOISE = "noise"
    """Neither market data nor an answer: kept as undecoded like all that cannot be read, but it counts as no data."""


class Control(NamedTuple):
    """A control frame and what it says, for the log."""

    kind: ControlKind
    text: str


Decode = Callable[[bytes], list[Envelope]]
"""A frame's messages, in the order sent; an empty list for a control frame.

Raises UndecodableError, whose text becomes the `reason` column, for anything else.
"""


Speakers = Callable[[Sequence[bytes]], set[StreamKey | None]]
"""Who speaks in some frames, as far as it is seen at a glance.

None is among them if a frame is not surely market data of a stream that was subscribed.
"""


class Adapter(Protocol):
    """One exchange. All methods are pure; an instance is made by `registry.adapter(name)`."""

    @property
    def exchange(self) -> str:
        """The exchange's name in paths and rows."""
        ...

    @property
    def id_rules(self) -> Mapping[str, IdRule]:
        """The data types this adapter can record, each with what its ids promise."""
        ...

    @property
    def limits(self) -> Limits:
        """The exchange's budgets."""
        ...

    @property
    def rest(self) -> RestAdapter | None:
        """What can be had after the fact; None: nothing, so nothing can be mended."""
        ...

    def plan(self, subscription: Subscription, ws_url: str) -> list[ConnectionPlan]:
        """Spread the streams over as few connections as the limits allow; `ws_url` "" means the exchange's own.

        Raises ConfigError for symbols that are not written as the exchange's instrument list prints them, and for data
        types it does not offer; each problem begins with `symbols` or `data_types`.
        """
        ...

    def shares(self, subscription: Subscription) -> list[tuple[StreamKey, ...]]:
        """Whose streams each connection of `plan` carries; for what another version subscribed, too: nothing is checked,
        and data types that only that one knows have no streams.
        """
        ...

    def elsewhere(self, keys: Sequence[StreamKey], ws_url: str) -> list[ConnectionPlan]:
        """Where streams may be had that were acknowledged as planned and never came; empty where there is no such place."""
        ...

    def speakers(self, subscription: Subscription) -> Speakers:
        """Build a function that says which streams some frames begin with messages of. Cheap: runs on every frame."""
        ...

    def control(self, frame: bytes) -> Control | None:
        """What a frame means for the connection; None for what looks like market data. Asked where `speakers` says None."""
        ...

    def decoder(self, subscription: Subscription) -> Decode:
        """Build a function that reads a text frame into envelopes; streams outside `subscription` are undecodable, and so
        are those of data types that only another version knows: their frames are kept for it to read.
        """
        ...

    def rows(self, data_type: str, payloads: Sequence[bytes]) -> list[TypedRow | None]:
        """Type stored payloads, one row each: those of frames and those of REST answers alike.

        A number that is no finite decimal becomes None in its row; a payload without the shape of `data_type`
        becomes None as a whole.
        """
        ...

    def decimals(self, data_type: str, payload: bytes) -> Iterable[str]:
        """The text of every number of `payload` that `rows` turns into a double."""
        ...
