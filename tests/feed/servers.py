"""An exchange's end of a WebSocket that does exactly what a test says, byte by byte, over a real loopback socket."""

import socket
import struct
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, TypeVar

from websockets.frames import Close, CloseCode, Frame, Opcode
from websockets.utils import accept_key

TIMEOUT_SECS = 60.0

T = TypeVar("T")


class SentByClient(NamedTuple):
    """A frame the client sent, unmasked."""

    opcode: int
    data: bytes


def wire(data: bytes, opcode: Opcode = Opcode.TEXT, *, fin: bool = True) -> bytes:
    """The bytes of one frame as a server sends it."""
    return Frame(opcode, data, fin=fin).serialize(mask=False)


def close_frame(code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> bytes:
    return wire(Close(code, reason).serialize(), Opcode.CLOSE)


class Peer:
    """One accepted connection, past the handshake."""

    def __init__(self, sock: socket.socket, request: str) -> None:
        self.sock = sock
        self.request = request
        sock.settimeout(TIMEOUT_SECS)

    def send(self, *pieces: bytes) -> None:
        self.sock.sendall(b"".join(pieces))

    def receive(self) -> SentByClient:
        first, second = self._read(2)
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", self._read(2))
        mask = self._read(4)
        return SentByClient(first & 0x0F, bytes(byte ^ mask[at % 4] for at, byte in enumerate(self._read(size))))

    def hang_up(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        """Close with RST: what the client has not answered is forgotten."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self.sock.recv(size - len(data))
            if not piece:
                raise EOFError("the client hung up")
            data += piece
        return data


class Server:
    """Listens on a free loopback port; each connection is accepted when the test asks for it."""

    def __init__(
        self, wrap: Callable[[socket.socket], socket.socket] | None = None, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self._listener = socket.create_server((host, port))
        self._listener.settimeout(TIMEOUT_SECS)
        self._wrap = wrap or (lambda sock: sock)
        self._open: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/stream"

    def accept_silently(self) -> tuple[socket.socket, str]:
        """Take the request and answer nothing."""
        accepted, _ = self._listener.accept()
        accepted.settimeout(TIMEOUT_SECS)
        sock = self._wrap(accepted)
        self._open.append(sock)
        request = b""
        while b"\r\n\r\n" not in request:
            request += sock.recv(4096)
        return sock, request.decode()

    def accept(self, *and_at_once: bytes) -> Peer:
        """Complete a handshake; `and_at_once` goes out in the same write as the HTTP response."""
        sock, request = self.accept_silently()
        key = next(line.split(": ")[1] for line in request.split("\r\n") if line.startswith("Sec-WebSocket-Key"))
        response = (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept_key(key)}\r\n\r\n"
        )
        sock.sendall(response.encode() + b"".join(and_at_once))
        return Peer(sock, request)

    def refuse(self, status: str, headers: Iterable[str] = (), body: bytes = b"") -> None:
        """Answer the handshake with an HTTP error."""
        sock, _ = self.accept_silently()
        lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]
        sock.sendall("\r\n".join(lines).encode() + body)
        sock.close()

    def close(self) -> None:
        self._listener.close()
        for sock in self._open:
            sock.close()


def speak(peer: Peer, frame: bytes) -> threading.Event:
    """Say it again and again, until told to stop or the peer has gone."""
    stop = threading.Event()

    def talk() -> None:
        while not stop.wait(0.02):
            try:
                peer.send(wire(frame))
            except OSError:
                return

    threading.Thread(target=talk, daemon=True).start()
    return stop


def meanwhile(work: Callable[[], T]) -> "Future[T]":
    """Run blocking work in a thread of its own."""
    pool = ThreadPoolExecutor(1)
    future = pool.submit(work)
    pool.shutdown(wait=False)
    return future
