"""websocket-client, bent to a recorder's needs: big reads, bounded frames, sends that cannot spoil a read.

websocket-client reads the HTTP response of the handshake byte by byte, so nothing of the first frames is lost when a
ReadBuffer takes the socket over behind it. A frame that is half read stays in the library's `frame_buffer`, field by
field (header, length, mask), and in the FrameReader, so the next `recv_data` goes on where the last one stopped.
"""

import socket
import ssl
from collections.abc import Callable
from typing import Final, cast

from websocket import ABNF, WebSocket, WebSocketException
from websocket._abnf import continuous_frame, frame_buffer

from collector.dial import Address
from collector.domain.errors import RetryError

MAX_FRAME_BYTES: Final = 64 << 20
"""A longer message ends the connection: it would have to be held in memory whole."""

SEND_TIMEOUT_SECS: Final = 2.0

_READ_BYTES = 64 << 10
_TLS_READ_BYTES = 16 << 10
"""One TLS record, the most that one read of an SSL socket returns (RFC 8446 section 5.1)."""


class ConnectionOverError(RetryError):
    """The connection is over; `reason` is one word of: closed, lost, protocol, too_big."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class BufferEmptyError(Exception):
    """All that was read from the kernel has been taken; a frame may be half taken."""


class ReadBuffer:
    """What one read of the kernel brought, given out in the small pieces the library asks for.

    Only `fill` goes to the kernel, so between two fills no caller can wait for the peer. `received_ns` is the wall time
    right after the last one.
    """

    def __init__(self, sock: socket.socket, now_ns: Callable[[], int]) -> None:
        size = _TLS_READ_BYTES if isinstance(sock, ssl.SSLSocket) else _READ_BYTES
        self._read_into = sock.recv_into
        self._now_ns = now_ns
        # Filled again and again: a fresh buffer for each read costs more than the read itself.
        self._space = memoryview(bytearray(size))
        self._data = b""
        self._at = 0
        self.unread = 0
        self.received_ns = 0

    def fill(self) -> bool:
        """Read once, waiting as long as the socket's timeout; False if nothing came.

        Only for an empty buffer. Raises OSError, or ConnectionOverError at the end of the stream.
        """
        try:
            count = self._read_into(self._space)
        except TimeoutError:
            return False
        self.received_ns = self._now_ns()
        if not count:
            raise ConnectionOverError("lost", "the peer hung up without a close frame")
        self._data = bytes(self._space[:count])
        self._at = 0
        self.unread = count
        return True

    def take(self, size: int) -> bytes:
        """At most `size` bytes, at least one; none if `size` is 0. Raises BufferEmptyError."""
        if size and not self.unread:
            raise BufferEmptyError
        piece = self._data[self._at : self._at + size]
        self._at += len(piece)
        self.unread -= len(piece)
        return piece


class FrameReader(frame_buffer):
    """The library's frame parser, fed from a ReadBuffer and bounded in size."""

    def __init__(self, buffer: ReadBuffer) -> None:
        super().__init__(buffer.take, skip_utf8_validation=True)
        self._buffer = buffer
        self._gathered = bytearray()
        self._message_bytes = 0

    def recv_strict(self, bufsize: int) -> bytes:
        """So many bytes, or BufferEmptyError, after which what there was is kept for the next call.

        The library's own counts all pieces again at each call, which costs the square of their number.
        """
        if bufsize <= self._buffer.unread and not self._gathered:
            return self._buffer.take(bufsize)
        while (missing := bufsize - len(self._gathered)) > 0:
            self._gathered += self._buffer.take(missing)
        whole = bytes(self._gathered)
        self._gathered.clear()
        return whole

    def recv_length(self) -> None:
        """Refuse a frame, or a message of many frames, by its length, before its bytes are gathered."""
        super().recv_length()
        opcode, length = cast(tuple[int, ...], self.header)[4], cast(int, self.length)
        total = length + (self._message_bytes if opcode == ABNF.OPCODE_CONT else 0)
        if total > MAX_FRAME_BYTES:
            raise ConnectionOverError("too_big", f"a message of {total} bytes is above the limit of {MAX_FRAME_BYTES}")
        if opcode < ABNF.OPCODE_CLOSE:
            self._message_bytes = total


class Fragments(continuous_frame):
    """A message of many frames is put together in place: the library's own copies all of it with each frame."""

    def add(self, frame: ABNF) -> None:
        if frame.fin and self.cont_data is None:
            self.cont_data = [frame.opcode, frame.data]
            return
        if self.cont_data is None:
            self.recving_frames = frame.opcode
            self.cont_data = [frame.opcode, bytearray()]
        self.cont_data[1] += frame.data
        if frame.fin:
            self.recving_frames = None
            self.cont_data[1] = bytes(self.cont_data[1])


class RecorderSocket(WebSocket):
    """A WebSocket whose sends never raise: what was read before a failed send must still be recorded.

    A failure is kept in `send_failure`, after which nothing is sent any more. For one thread.
    """

    connected_sock: socket.socket
    address: Address | None = None
    """Where it was dialled."""

    send_failure: Exception | None = None
    close_sent: bool = False

    def read_through(self, now_ns: Callable[[], int]) -> ReadBuffer:
        """Read through a buffer from now on. Only right after the handshake."""
        if self.sock is None:
            raise ValueError("not connected")
        self.connected_sock = self.sock
        buffer = ReadBuffer(self.sock, now_ns)
        self.frame_buffer = FrameReader(buffer)
        self.cont_frame = Fragments(fire_cont_frame=False, skip_utf8_validation=True)
        return buffer

    def send_frame(self, frame: ABNF) -> int:
        """Send within SEND_TIMEOUT_SECS, whatever the timeout of reads is; a frame cut short would spoil all that follow."""
        if self.send_failure is not None:
            return 0
        read_timeout_secs = self.connected_sock.gettimeout()
        self.connected_sock.settimeout(SEND_TIMEOUT_SECS)
        try:
            sent: int = super().send_frame(frame)
        except (OSError, WebSocketException) as error:
            self.send_failure = error
            return 0
        finally:
            self.connected_sock.settimeout(read_timeout_secs)
        return sent

    def send_close(self, status: int = 1000, reason: str | bytes = b"") -> None:
        """Send the close frame, once: the library answers the peer's close also when it is the answer to ours."""
        if not self.close_sent:
            self.close_sent = True
            super().send_close(status, reason)
