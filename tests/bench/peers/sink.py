"""Reads the socket and throws everything away: how fast the sender is when nobody does anything with the messages.

Over TLS nothing is decrypted either, once the connection stands.
"""

import base64
import os
import socket
import ssl
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit

from telling import stay, task, tell, tell_process, tell_stored

T = TypeVar("T")
PIECE_BYTES = 256 << 10


class Tls:
    """TLS beside the socket, so that what comes after the handshake can be left as it is."""

    def __init__(self, sock: socket.socket, host: str) -> None:
        self._sock = sock
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = ssl.create_default_context().wrap_bio(self._in, self._out, server_hostname=host)
        self._until_done(self._tls.do_handshake)

    def sendall(self, data: bytes) -> None:
        """As a socket does."""
        self._until_done(lambda: self._tls.write(data))

    def recv(self, size: int) -> bytes:
        """As a socket does."""
        return self._until_done(lambda: self._tls.read(size))

    def _until_done(self, act: Callable[[], T]) -> T:
        while True:
            try:
                done = act()
            except ssl.SSLWantReadError:
                self._sock.sendall(self._out.read())
                self._in.write(self._sock.recv(PIECE_BYTES))
            else:
                self._sock.sendall(self._out.read())
                return done


def main() -> None:
    """Until as many bytes came as the number of messages says: it is the number of bytes here."""
    given = task()
    parts = urlsplit(given.url)
    assert parts.hostname is not None
    sock = socket.create_connection((parts.hostname, parts.port))
    line = Tls(sock, parts.hostname) if parts.scheme == "wss" else sock
    key = base64.b64encode(os.urandom(16)).decode()
    line.sendall(
        f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += line.recv(1)
    tell(ready=True)
    buffer = bytearray(PIECE_BYTES)
    missing = given.messages
    while missing > 0:
        received = sock.recv_into(buffer)
        assert received, f"the sender hung up with {missing} bytes missing"
        missing -= received
    assert missing == 0
    tell_stored(given.messages)
    tell(done=given.messages)
    stay()


if __name__ == "__main__":
    tell_process("sink")
    main()
