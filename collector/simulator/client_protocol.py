"""The client's side of a connection: bytes received in, replies out. No sockets; times are passed in."""

from collections.abc import Callable
from typing import NamedTuple

from websockets.frames import Frame as ClientFrame
from websockets.frames import Opcode
from websockets.protocol import OPEN, SEND_EOF
from websockets.server import ServerProtocol

from collector.simulator.client_limits import ClientLimits
from collector.simulator.client_session import ClientError, ClientSession
from collector.simulator.frames import wire
from collector.simulator.outbox import Close, Control, End


class ProtocolEnd(NamedTuple):
    """Why the connection ends, and what is still to be sent."""

    why: str
    items: tuple[Control | Close | End, ...]


class ClientProtocol:
    """A client's requests, its subscriptions, and whether it keeps the exchange's limits."""

    def __init__(
        self,
        protocol: ServerProtocol,
        session: ClientSession,
        pong_timeout_secs: float,
        now: float,
        *,
        send_all_streams: bool,
    ) -> None:
        """Take over an open protocol; with `send_all_streams` requests are only recorded, not answered."""
        self.session = session
        self.requests: list[str] = []
        """Messages from the client, for the log; the reader empties the list."""
        self.replies: list[Control] = []
        """Frames to send back; the sender empties the list."""
        self.end: ProtocolEnd | None = None
        self.peer_finished = False
        """Whether the client will send nothing more: its close frame came, or it violated the protocol."""
        self._protocol = protocol
        self._limits = ClientLimits(pong_timeout_secs, session.messages_per_sec)
        self._send_all_streams = send_all_streams
        self._last_said_at = now
        self._reply(session.greetings())

    @property
    def open(self) -> bool:
        """Whether neither side has begun to close."""
        return self._protocol.state is OPEN

    @property
    def close_code(self) -> int | None:
        """The code of the close frame sent or received, if any."""
        close = self._protocol.close_sent or self._protocol.close_rcvd
        return None if close is None else int(close.code)

    def receive(self, data: bytes, now: float) -> None:
        """Process bytes that the client sent at `now`, in monotonic seconds."""
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, ClientFrame) and event.opcode is not Opcode.CLOSE:
                self._handle_frame(event, now)
        out = self._protocol.data_to_send()
        controls = [Control(item) for item in out if item != SEND_EOF]
        if SEND_EOF in out:
            self.peer_finished = True
            self._end("closed by the client", *controls, End())
        else:
            self.replies += controls

    def ping(self, now_ms: int, now: float) -> bytes:
        """Make a ping that carries the time, as the exchange's do, and expect its pong."""
        payload = str(now_ms).encode()
        self._limits.note_ping(payload, now)
        self._protocol.send_ping(payload)
        return b"".join(self._protocol.data_to_send())

    def close(self, code: int, why: str) -> bytes:
        """Make a close frame."""
        self._protocol.send_close(code, why)
        return b"".join(self._protocol.data_to_send())

    def overdue(self, now: float) -> bool:
        """Whether a ping has been unanswered for too long."""
        return self._limits.overdue(now)

    def step(self, now: float) -> None:
        """Do what the exchange does unasked at `now`: its own messages, and the end of a client that was silent too long."""
        idle_secs = self.session.idle_secs
        if idle_secs is not None and now - self._last_said_at > idle_secs:
            self._end("idle", Close(1008, "No message for too long"))
        self._answered(lambda: self.session.due(now))

    def _handle_frame(self, frame: ClientFrame, now: float) -> None:
        within_limit = self._limits.count_message(now)
        if frame.opcode is Opcode.PONG:
            self._limits.note_pong(bytes(frame.data))
        elif frame.opcode is not Opcode.PING:
            self._last_said_at = now
            self._handle_request(bytes(frame.data))
        if not within_limit and not self._send_all_streams:
            self._end("too many messages", Close(1008, "Too many requests"))

    def _handle_request(self, text: bytes) -> None:
        self.requests.append(text.decode(errors="replace"))
        if not self._send_all_streams:
            self._answered(lambda: self.session.handle(text))

    def _answered(self, replies: Callable[[], list[str]]) -> None:
        try:
            self._reply(replies())
        except ClientError as error:
            self._end(str(error), Close(1008, str(error)[:100]))

    def _reply(self, texts: list[str]) -> None:
        self.replies += [Control(wire(text.encode())) for text in texts]

    def _end(self, why: str, *items: Control | Close | End) -> None:
        if self.end is None:
            self.end = ProtocolEnd(why, items)
