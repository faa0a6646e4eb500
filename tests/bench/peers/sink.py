"""Reads the socket and throws everything away: how fast the sender is when nobody does anything with the messages."""

import base64
import os
import socket
import ssl
from urllib.parse import urlsplit

from telling import stay, task, tell, tell_process, tell_stored

PIECE_BYTES = 256 << 10
RECORD_BYTES = 16 << 10


def main() -> None:
    """Until as many bytes came as the number of messages says: it is the number of bytes here."""
    given = task()
    parts = urlsplit(given.url)
    assert parts.hostname is not None
    sock = socket.create_connection((parts.hostname, parts.port))
    if parts.scheme == "wss":
        sock = ssl.create_default_context().wrap_socket(sock, server_hostname=parts.hostname)
    key = base64.b64encode(os.urandom(16)).decode()
    sock.sendall(
        f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += sock.recv(1)
    tell(ready=True)
    buffer = bytearray(RECORD_BYTES if parts.scheme == "wss" else PIECE_BYTES)
    missing = given.messages
    while missing:
        missing -= sock.recv_into(buffer)
    tell_stored(given.messages)
    tell(done=given.messages)
    stay()


if __name__ == "__main__":
    tell_process("sink")
    main()
