"""The exchange's side of a connection while a recording of it is played: the recorded frames, acknowledgements included."""

from collections.abc import Sequence

from collector.simulator.client_session import ClientError, ClientSession
from collector.simulator.dialects import Dialect


class RecordedSession(ClientSession):
    """A client gets what the recorded connections of its path received, from its first subscription on."""

    def __init__(self, path: str, dialect: Dialect | None) -> None:
        """Play what was recorded at `path`; without a dialect the client may say anything."""
        self._path = path
        self._dialect = dialect
        self._has_subscribed = False
        if dialect is not None:
            self.idle_secs, self.messages_per_sec = dialect.idle_secs, dialect.messages_per_sec

    @property
    def renders(self) -> bool:
        """Frames are sent as recorded."""
        return False

    @property
    def streams(self) -> Sequence[str]:
        """The path, once the client has subscribed to something."""
        return [self._path] if self._has_subscribed else []

    def handle(self, text: bytes) -> list[str]:
        """Only pings are answered: the recording has the answers to everything else."""
        if self._dialect is None:
            self._has_subscribed = True
            return []
        pong = self._dialect.pong(text)
        if pong is not None:
            return [pong]
        if not self._dialect.understands(text):
            raise ClientError(f"{self._dialect.exchange} does not understand {text[:100].decode(errors='replace')}")
        self._has_subscribed = True
        return []

    def wants(self, stream: str) -> bool:
        """Everything that was recorded at the path."""
        return self._has_subscribed and stream == self._path
