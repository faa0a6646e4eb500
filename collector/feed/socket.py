"""websocket-client, adapted to recording: large reads, bounded frames, and sends that cannot disturb reads.

websocket-client reads the HTTP response of the handshake byte by byte, so no part of the first frames is lost when a
ReadBuffer reads the socket after it. From then on `frame_walk` cuts the plain frames out of each read, and the library
gets whatever else there is: control frames, fragments, errors, and a frame that one read did not bring as a whole. Such a
frame stays in the library's `frame_buffer`, field by field (header, length, mask), and in the FrameReader, so the next
`recv_data` continues where the last one stopped.
"""

import socket
from collections.abc import Callable
from typing import Final, cast

from websocket import ABNF, WebSocket, WebSocketException
from websocket._abnf import continuous_frame, frame_buffer

from collector.dial import Address
from collector.domain.errors import RetryError
from collector.feed.frame_walk import walk
from collector.feed.tls import READ_BYTES, TlsSocket

MAX_FRAME_BYTES: Final = 64 << 20
"""A longer message ends the connection, because a message is kept in memory as a whole."""

SEND_TIMEOUT_SECS: Final = 2.0
"""Timeout of sending one frame."""

ConnectedSocket = socket.socket | TlsSocket


class ConnectionOverError(RetryError):
    """The connection is over; `reason` is one word of: closed, lost, protocol, too_big."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class BufferEmptyError(Exception):
    """Everything received has been consumed; a part of a frame may be among it."""


class PlainSource:
    """Large reads of a socket without TLS; those with TLS are in TlsSocket."""

    has_waiting: Final = False
    """Everything that was read has been returned."""

    def __init__(self, sock: socket.socket) -> None:
        self._read_into = sock.recv_into
        # Reused for every read: allocating a buffer for each costs more than the read itself.
        self._memory = memoryview(bytearray(READ_BYTES))
        self._count = 0

    def receive(self) -> bool:
        """Read once, waiting at most the socket's timeout; False at the end of the stream. Raises OSError."""
        self._count = self._read_into(self._memory)
        return self._count > 0

    def received(self) -> bytes:
        """What the last `receive` brought."""
        return bytes(self._memory[: self._count])


class ReadBuffer:
    """The bytes of one read of the socket, handed out as whole frames, or in the small pieces that the library asks for.

    Only `fill` reads the socket, so `take` never waits for the peer. `received_ns` is the wall time right after the last
    read, before anything is done with it.
    """

    def __init__(self, sock: ConnectedSocket, now_ns: Callable[[], int]) -> None:
        self._source = sock if isinstance(sock, TlsSocket) else PlainSource(sock)
        self._now_ns = now_ns
        self._data = b""
        self._offset = 0
        self.unread = 0
        self.received_ns = 0

    @property
    def has_waiting(self) -> bool:
        """Whether `fill` has something to return, or to raise, whatever the socket has."""
        return self._source.has_waiting

    def fill(self) -> bool:
        """Read once, waiting at most the socket's timeout, which may be 0; False if nothing was received.

        A part of a TLS record counts as nothing.

        Only for an empty buffer. Raises OSError, or ConnectionOverError at the end of the stream.
        """
        try:
            is_open = self._source.receive()
        except (TimeoutError, BlockingIOError):
            return False
        self.received_ns = self._now_ns()
        if not is_open:
            raise ConnectionOverError("lost", "the peer hung up without a close frame")
        self._data = self._source.received()
        self._offset = 0
        self.unread = len(self._data)
        return self.unread > 0

    def take_frames(self, frames: list[bytes], binary: list[int]) -> None:
        """Append the messages of all plain frames up to the first other one; see `walk`."""
        start, self._offset = self._offset, walk(self._data, self._offset, frames, binary)
        self.unread -= self._offset - start

    def take(self, size: int) -> bytes:
        """At most `size` bytes, at least one; none if `size` is 0. Raises BufferEmptyError."""
        if size and not self.unread:
            raise BufferEmptyError
        piece = self._data[self._offset : self._offset + size]
        self._offset += len(piece)
        self.unread -= len(piece)
        return piece


class FrameReader(frame_buffer):
    """The library's frame parser, reading from a ReadBuffer, with a limit on the size of messages."""

    def __init__(self, buffer: ReadBuffer) -> None:
        super().__init__(buffer.take, skip_utf8_validation=True)
        self._buffer = buffer
        self._partial = bytearray()
        self._message_bytes = 0

    @property
    def is_mid_frame(self) -> bool:
        """Whether the last frame has not been received as a whole."""
        return self.header is not None or bool(self._partial)

    def recv_strict(self, bufsize: int) -> bytes:
        """Exactly `bufsize` bytes. Raises BufferEmptyError if there are fewer; they are kept for the next call.

        The library's own method adds up all pieces at each call, which costs the square of their number.
        """
        if bufsize <= self._buffer.unread and not self._partial:
            return self._buffer.take(bufsize)
        while (missing := bufsize - len(self._partial)) > 0:
            self._partial += self._buffer.take(missing)
        whole = bytes(self._partial)
        self._partial.clear()
        return whole

    def recv_length(self) -> None:
        """Check the length of a frame, or of a message of many frames, before its bytes are read."""
        super().recv_length()
        header, length = cast(tuple[int, ...], self.header), cast(int, self.length)
        is_final, opcode = header[0], header[4]
        total = length + (self._message_bytes if opcode == ABNF.OPCODE_CONT else 0)
        if total > MAX_FRAME_BYTES:
            raise ConnectionOverError("too_big", f"a message of {total} bytes is above the limit of {MAX_FRAME_BYTES}")
        if opcode < ABNF.OPCODE_CLOSE:
            self._message_bytes = 0 if is_final else total


class Fragments(continuous_frame):
    """Joins a message of many frames in place: the library's own class copies the whole message with each frame."""

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
    """A WebSocket whose sends never raise, so that what was received before a failed send is still recorded.

    The text of the failure is kept in `send_failure`, and nothing is sent after it. For one thread.
    """

    connected_sock: ConnectedSocket
    address: Address | None = None
    """The address it is connected to."""

    send_failure: str | None = None
    close_sent: bool = False

    def read_through(self, now_ns: Callable[[], int]) -> ReadBuffer:
        """Read through a ReadBuffer from now on. To be called right after the handshake."""
        if self.sock is None:
            raise ValueError("not connected")
        self.connected_sock = self.sock
        buffer = ReadBuffer(self.sock, now_ns)
        self.frame_buffer: FrameReader = FrameReader(buffer)
        self.cont_frame = Fragments(fire_cont_frame=False, skip_utf8_validation=True)
        return buffer

    @property
    def is_mid_message(self) -> bool:
        """Whether the library has a part of a message, so that what comes next is for the library, too."""
        return self.frame_buffer.is_mid_frame or self.cont_frame.cont_data is not None

    def send_frame(self, frame: ABNF) -> int:
        """Send within SEND_TIMEOUT_SECS, whatever the timeout of reads is: a frame cut short would corrupt all that follow."""
        if self.send_failure is not None:
            return 0
        read_timeout_secs = self.connected_sock.gettimeout()
        self.connected_sock.settimeout(SEND_TIMEOUT_SECS)
        try:
            sent: int = super().send_frame(frame)
        except (OSError, WebSocketException) as error:
            self.send_failure = str(error)
            return 0
        finally:
            self.connected_sock.settimeout(read_timeout_secs)
        return sent

    def send_close(self, status: int = 1000, reason: str | bytes = b"") -> None:
        """Send the close frame, once: the library would answer the peer's close even if that answers ours."""
        if not self.close_sent:
            self.close_sent = True
            super().send_close(status, reason)
