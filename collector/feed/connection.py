"""One WebSocket connection from handshake to close, for one thread."""

import math
import select
from collections.abc import Iterable
from typing import Final, NamedTuple

from websocket import ABNF, WebSocketException

from collector.dial import mark_failed
from collector.domain.clock import Clock
from collector.feed.handshake import open_websocket
from collector.feed.outbox import Outbox, Pace
from collector.feed.socket import BufferEmptyError, ConnectionOverError, RecorderSocket

READ_WAIT_SECS: Final = 1.0
"""Longest wait of one read unless its thread sets another, so that it can check the time."""

LARGE_READ_BYTES: Final = 16 << 10
"""After a read of this size more is waiting, most likely."""

_CLOSE_STATUS = {"too_big": 1009, "protocol": 1002}
"""Close codes of RFC 6455 section 7.4.1, by reason; 1000 for every other one."""


class ReadBatch(NamedTuple):
    """The messages that one read of the socket completed, in order; may be none."""

    received_ns: int
    frames: list[bytes]
    binary: list[int]
    """Indexes of the frames with the binary opcode."""


class _Ending(NamedTuple):
    """How a connection ended.

    No exception, since one that was raised holds who raised it: the two would keep each other, and all buffers, alive.
    """

    reason: str
    text: str


class Connection:
    """An open connection. It answers pings, and sends its messages when the exchange allows and wants them.

    Messages are sent within `read`, whose wait ends when the next one is due.
    """

    def __init__(self, ws: RecorderSocket, requests: Iterable[str], pace: Pace, clock: Clock) -> None:
        self._ws = ws
        self._clock = clock
        self._outbox = Outbox(requests, pace, clock.monotonic())
        self._over: _Ending | None = None
        self._has_received = False
        self._buffer = ws.read_through(clock.now_ns)
        self.wait_secs = READ_WAIT_SECS
        """Longest wait of one read."""
        self._poll = select.poll()
        self._poll.register(ws.connected_sock, select.POLLIN)
        self._awaited_stop: int | None = None
        self._is_drained = True
        """Whether the last read seems to have taken all there was."""
        ws.settimeout(0.0)

    @property
    def unsent(self) -> int:
        """How many requests have not been sent yet."""
        return self._outbox.requests

    def request(self, texts: Iterable[str]) -> None:
        """Send these, after all requests that have not been sent yet."""
        self._outbox.request(texts)

    def reply(self, text: str) -> None:
        """Send this as soon as the pace allows."""
        self._outbox.reply(text)

    def read(self) -> ReadBatch | None:
        """Read the socket, waiting for it at most `wait_secs`; None if nothing was received.

        Returns every complete message: at most a part of one is kept for the next call.
        Raises ConnectionOverError, but only after everything received has been returned.
        """
        if self._over is not None:
            raise ConnectionOverError(*self._over)
        wait_secs = self.wait_secs if self._outbox.due_at == math.inf else self._send_due()
        try:
            if self._is_drained and not self._buffer.has_waiting:
                self._await_data(wait_secs)
            has_data = self._buffer.fill()
        except OSError as error:
            raise ConnectionOverError("lost", f"{type(error).__name__}: {error}") from error
        # To ask the kernel before a read that finds something would be one call more.
        self._is_drained = self._buffer.unread < LARGE_READ_BYTES
        if has_data:
            return self._drain()
        if self._ws.send_failure is not None:
            raise ConnectionOverError("lost", f"sending failed: {self._ws.send_failure}")
        return None

    def stop_waiting_on(self, stop: int) -> None:
        """Let no read wait once the descriptor `stop` is readable; see `leave`."""
        self._awaited_stop = stop
        self._poll.register(stop, select.POLLIN)

    def ping(self) -> None:
        """Send a ping. `read` returns a batch for the pong, as for anything received."""
        self._ws.ping()

    def leave(self) -> None:
        """Send a close frame, and nothing after it. Read on until ConnectionOverError to get all that the peer still sends.

        Reads wait again from now on, whatever `stop_waiting_on` was told.
        """
        if self._awaited_stop is not None:
            self._poll.unregister(self._awaited_stop)
            self._awaited_stop = None
        self._outbox.clear()
        self._ws.send_close()

    def close(self) -> None:
        """Close now, with a close frame if none was sent yet; what the peer still sends is lost.

        If the peer sent nothing at all, or only a close frame, the next attempt begins with another address.
        """
        if not self._has_received and self._ws.address is not None:
            mark_failed(self._ws.address)
        self._ws.send_close(_CLOSE_STATUS.get(self._over.reason, 1000) if self._over else 1000)
        self._ws.connected_sock.close()

    def _send_due(self) -> float:
        """Send the next message if it is time; returns how long to read until the next one."""
        outbox, now = self._outbox, self._clock.monotonic()
        if now >= outbox.due_at:
            self._ws.send(outbox.take(now))
        return min(self.wait_secs, max(0.0, outbox.due_at - now))

    def _await_data(self, secs: float) -> None:
        # Rounded up: a wait that ends before its time would be followed by many short ones.
        self._poll.poll(math.ceil(secs * 1_000))

    def _drain(self) -> ReadBatch:
        ws, buffer = self._ws, self._buffer
        frames: list[bytes] = []
        binary: list[int] = []
        try:
            while buffer.unread:
                if not ws.is_mid_message:
                    buffer.take_frames(frames, binary)
                    if not buffer.unread:
                        break
                opcode, data = ws.recv_data()
                if opcode == ABNF.OPCODE_CLOSE:
                    self._over = _closed(data)
                    break
                if opcode == ABNF.OPCODE_BINARY:
                    binary.append(len(frames))
                frames.append(data)
        except BufferEmptyError:
            pass  # a part of a frame is left: the library keeps it for the next read
        except ConnectionOverError as over:
            self._over = _Ending(over.reason, str(over))
        except WebSocketException as error:
            self._over = _Ending("protocol", str(error))
        if frames or self._over is None:
            self._has_received = True
        return ReadBatch(buffer.received_ns, frames, binary)


def open_connection(url: str, requests: Iterable[str], pace: Pace, clock: Clock) -> Connection:
    """Connect; see `open_websocket`. Raises HandshakeError."""
    return Connection(open_websocket(url, clock.monotonic), requests, pace, clock)


def _closed(payload: bytes) -> _Ending:
    code = int.from_bytes(payload[:2], "big") if payload else None
    return _Ending("closed", f"close frame {code} {payload[2:].decode(errors='replace')}".rstrip())
