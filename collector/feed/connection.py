"""One WebSocket connection from handshake to close, for one thread."""

from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple

from websocket import ABNF, WebSocketException

from collector.dial import mark_failed
from collector.domain.clock import Clock
from collector.feed.handshake import shake_hands
from collector.feed.socket import BufferEmptyError, ConnectionOverError, RecorderSocket

READ_TIMEOUT_SECS: Final = 0.2
"""The longest a read waits, so that its thread can look at its stop flag and at the time."""

PACE_MARGIN: Final = 1.25
"""Our messages go out this much slower than allowed: pongs count as messages too."""

_CLOSE_STATUS = {"too_big": 1009, "protocol": 1002}
"""RFC 6455 section 7.4.1; 1000 for every other reason."""


class ReadBatch(NamedTuple):
    """The messages that one read of the socket made whole, in order; may be none."""

    received_ns: int
    frames: list[bytes]
    binary: list[int]
    """Indexes of the frames that came with the binary opcode."""


class Connection:
    """An open connection. It answers pings, and sends its first messages no faster than the exchange allows."""

    def __init__(self, ws: RecorderSocket, messages: Iterable[str], messages_per_sec: float, clock: Clock) -> None:
        self._ws = ws
        self._clock = clock
        self._messages = deque(messages)
        self._pause_secs = PACE_MARGIN / messages_per_sec
        self._send_at = clock.monotonic()
        self._over: ConnectionOverError | None = None
        self._is_proven = False
        self._buffer = ws.read_through(clock.now_ns)
        ws.settimeout(READ_TIMEOUT_SECS)

    @property
    def unsent(self) -> int:
        """How many of its first messages have not gone out yet."""
        return len(self._messages)

    def read(self) -> ReadBatch | None:
        """Read the socket once, waiting at most READ_TIMEOUT_SECS; None if nothing came.

        Never holds a whole message back: what stays inside until the next call is at most a part of one.
        Raises ConnectionOverError, only after everything received has been handed out.
        """
        if self._over is not None:
            raise self._over
        if self._messages:
            self._send_due()
        try:
            came = self._buffer.fill()
        except OSError as error:
            raise ConnectionOverError("lost", f"{type(error).__name__}: {error}") from error
        if came:
            return self._drain()
        if self._ws.send_failure is not None:
            raise ConnectionOverError("lost", f"the peer takes nothing: {self._ws.send_failure}")
        return None

    def ping(self) -> None:
        """Ask the peer for a sign of life; like whatever else comes, its pong makes `read` return a batch."""
        self._ws.ping()

    def leave(self) -> None:
        """Ask the peer to close; read on until ConnectionOverError to get all it sent before it answered."""
        self._ws.send_close()

    def close(self) -> None:
        """Close now, saying so if that has not been said; what the peer still sends is lost.

        Where the peer sent nothing at all, or only that it closes, the next attempt begins with another address.
        """
        if not self._is_proven and self._ws.address is not None:
            mark_failed(self._ws.address)
        self._ws.send_close(_CLOSE_STATUS.get(self._over.reason, 1000) if self._over else 1000)
        self._ws.connected_sock.close()

    def _send_due(self) -> None:
        now = self._clock.monotonic()
        if now >= self._send_at:
            self._ws.send(self._messages.popleft())
            self._send_at = now + self._pause_secs
        wait = READ_TIMEOUT_SECS if not self._messages else min(READ_TIMEOUT_SECS, self._send_at - now)
        self._ws.settimeout(wait)

    def _drain(self) -> ReadBatch:
        buffer, receive = self._buffer, self._ws.recv_data
        frames: list[bytes] = []
        binary: list[int] = []
        try:
            while buffer.unread:
                opcode, data = receive()
                if opcode == ABNF.OPCODE_CLOSE:
                    self._over = _closed(data)
                    break
                if opcode == ABNF.OPCODE_BINARY:
                    binary.append(len(frames))
                frames.append(data)
        except BufferEmptyError:
            pass  # half a frame: the library keeps it for the next read
        except ConnectionOverError as over:
            self._over = over
        except WebSocketException as error:
            self._over = ConnectionOverError("protocol", str(error))
        if frames or self._over is None:
            self._is_proven = True
        return ReadBatch(buffer.received_ns, frames, binary)


def open_connection(url: str, messages: Iterable[str], messages_per_sec: float, clock: Clock) -> Connection:
    """Connect; see `shake_hands`. Raises HandshakeError."""
    return Connection(shake_hands(url, clock.monotonic), messages, messages_per_sec, clock)


def _closed(payload: bytes) -> ConnectionOverError:
    code = int.from_bytes(payload[:2], "big") if payload else None
    return ConnectionOverError("closed", f"close frame {code} {payload[2:].decode(errors='replace')}".rstrip())
