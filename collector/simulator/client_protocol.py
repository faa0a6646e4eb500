"""What a client says and what it gets for it: bytes in, things to send out. No sockets; times are handed in."""

from typing import Final, NamedTuple

from websockets.frames import Frame as ClientFrame
from websockets.frames import Opcode
from websockets.protocol import OPEN, SEND_EOF
from websockets.server import ServerProtocol

from collector.simulator.client_limits import ClientLimits
from collector.simulator.frames import wire
from collector.simulator.outbox import Close, Control, End
from collector.simulator.subscriptions import Asked, answer

STREAMS_PER_CONNECTION: Final = 1024


class Verdict(NamedTuple):
    """The connection is over: why, and what is still to be sent."""

    why: str
    items: tuple[Control | Close | End, ...]


class ClientProtocol:
    """The client's side of a connection: its requests, its subscriptions, its manners."""

    def __init__(self, protocol: ServerProtocol, pong_timeout_secs: float, *, any_dialect: bool) -> None:
        """Take over an open protocol; with `any_dialect` requests are only kept, and not judged."""
        self.streams: dict[str, None] = {}
        self.wrapped = True
        self.requests: list[str] = []
        """What the client sent, for the log; whoever reads it empties it."""
        self.replies: list[Control] = []
        """What is to be sent back; whoever sends it empties it."""
        self.verdict: Verdict | None = None
        self.shaken = False
        """Whether nothing more will come from the client's side: its close frame is there, or it broke the protocol."""
        self._protocol = protocol
        self._manners = ClientLimits(pong_timeout_secs)
        self._any_dialect = any_dialect

    @property
    def open(self) -> bool:
        """Whether no side has begun to close."""
        return self._protocol.state is OPEN

    @property
    def close_code(self) -> int | None:
        """The code of whichever close frame there was."""
        close = self._protocol.close_sent or self._protocol.close_rcvd
        return None if close is None else int(close.code)

    def greet(self, asked: Asked) -> None:
        """Begin with what the URL asked for."""
        self.wrapped = asked.wrapped
        self._subscribe(dict.fromkeys(asked.streams))

    def receive(self, data: bytes, now: float) -> None:
        """Take in what the client sent at `now`, monotonic seconds."""
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, ClientFrame) and event.opcode is not Opcode.CLOSE:
                self._hear(event, now)
        out = self._protocol.data_to_send()
        controls = [Control(item) for item in out if item != SEND_EOF]
        if SEND_EOF in out:
            self.shaken = True
            self._end("closed by the client", *controls, End())
        else:
            self.replies += controls

    def ping(self, now_ms: int, now: float) -> bytes:
        """Make a ping that carries the time, as the exchange's do, and expect its pong."""
        payload = str(now_ms).encode()
        self._manners.pinged(payload, now)
        self._protocol.send_ping(payload)
        return b"".join(self._protocol.data_to_send())

    def close(self, code: int, why: str) -> bytes:
        """Make a close frame."""
        self._protocol.send_close(code, why)
        return b"".join(self._protocol.data_to_send())

    def overdue(self, now: float) -> bool:
        """Whether a ping has been left unanswered for too long."""
        return self._manners.overdue(now)

    def _hear(self, frame: ClientFrame, now: float) -> None:
        few = self._manners.heard(now)
        if frame.opcode is Opcode.PONG:
            self._manners.ponged(bytes(frame.data))
        elif frame.opcode is not Opcode.PING:
            self._obey(bytes(frame.data))
        if not few and not self._any_dialect:
            self._end("too many messages", Close(1008, "Too many requests"))

    def _obey(self, text: bytes) -> None:
        self.requests.append(text.decode(errors="replace"))
        if not self._any_dialect:
            reply, streams = answer(text, self.streams)
            self.replies.append(Control(wire(reply.encode())))
            self._subscribe(streams)

    def _subscribe(self, streams: dict[str, None]) -> None:
        self.streams = streams
        if len(streams) > STREAMS_PER_CONNECTION:
            self._end("too many streams", Close(1008, "Too many streams"))

    def _end(self, why: str, *items: Control | Close | End) -> None:
        if self.verdict is None:
            self.verdict = Verdict(why, items)
