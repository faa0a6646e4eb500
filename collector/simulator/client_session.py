"""One client's conversation with an exchange: what it asks for, what it is answered, and which frames are for it. No I/O."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from collector.simulator.frames import Frame


class ClientError(Exception):
    """The client did what the exchange ends a connection for; `str()` says what."""


class ClientSession(ABC):
    """The exchange's side of one connection."""

    wrapped = True
    """Whether payloads carry their stream's name, as they do on Binance's `/stream`."""
    idle_secs: float | None = None
    """The exchange ends a connection whose client sends no message for so long; None: it does not."""
    messages_per_sec: int | None = None
    """The exchange ends a connection whose client sends more, pings and pongs included; None: it does not."""

    @property
    def renders(self) -> bool:
        """Whether `render` changes anything: a fast source sends frames as they are where it does not."""
        return True

    @property
    @abstractmethod
    def streams(self) -> Sequence[str]:
        """What the client has subscribed, in the order of subscription."""

    @abstractmethod
    def handle(self, text: bytes) -> list[str]:
        """The replies to a message of the client. Raises ClientError."""

    @abstractmethod
    def wants(self, stream: str) -> bool:
        """Whether frames of this stream are for the client."""

    def greetings(self) -> list[str]:
        """What the exchange sends before the client says anything."""
        return []

    def render(self, frame: Frame) -> list[Frame]:
        """A frame that the client wants, in the form that it gets it; none if its subscription leaves it out."""
        return [frame]

    def due(self, now: float) -> list[str]:  # noqa: ARG002 -- most exchanges say nothing unasked
        """What the exchange sends at `now`, in monotonic seconds, unasked. Raises ClientError for a client that is late."""
        return []
