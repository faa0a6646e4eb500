"""As much of HTTP/1.1 as REST clients and WebSocket handshakes need."""

import asyncio
import http
from dataclasses import dataclass
from socket import socket
from typing import Final

from collector.simulator.response import Response

MAX_HEAD_BYTES: Final = 256 * 1024
"""A URL with 1,024 streams has about 25 kB."""
MAX_BODY_BYTES: Final = 1 << 20


@dataclass(frozen=True)
class Request:
    """A request; header names in lower case. `head` is all of it up to the body, as received."""

    method: str
    target: str
    headers: dict[str, str]
    head: bytes
    body: bytes

    @property
    def upgrades(self) -> bool:
        """Whether it asks for a WebSocket."""
        return self.headers.get("upgrade", "").lower() == "websocket"


class Reader:
    """Reads requests from one socket, and keeps the bytes after the last one."""

    def __init__(self, sock: socket) -> None:
        """Read a non-blocking socket."""
        self.unread = b""
        self._sock = sock

    async def request(self) -> Request | None:
        """The next request, or None at the end. Raises ValueError for bytes that are not a request."""
        while (end := self.unread.find(b"\r\n\r\n")) < 0:
            if not await self._more(MAX_HEAD_BYTES):
                return None
        head, self.unread = self.unread[: end + 4], self.unread[end + 4 :]
        first, *lines = head[:-4].decode("latin-1").split("\r\n")
        method, target, _version = first.split(" ")
        pairs = (line.split(":", 1) for line in lines)
        headers = {name.strip().lower(): value.strip() for name, value in pairs}
        size = int(headers.get("content-length", "0"))
        while len(self.unread) < size:
            if not await self._more(MAX_BODY_BYTES):
                return None
        body, self.unread = self.unread[:size], self.unread[size:]
        return Request(method, target, headers, head, body)

    async def _more(self, most: int) -> bool:
        if len(self.unread) > most:
            raise ValueError("request too large")
        data = await asyncio.get_running_loop().sock_recv(self._sock, 64 * 1024)
        self.unread += data
        return bool(data)


def encode(response: Response) -> bytes:
    """Render a response."""
    body = response.body.encode()
    headers = (
        ("Content-Type", "application/json;charset=UTF-8"),
        ("Content-Length", str(len(body))),
        *response.headers,
    )
    status = f"HTTP/1.1 {response.status} {http.HTTPStatus(response.status).phrase}"
    return "\r\n".join((status, *(f"{name}: {value}" for name, value in headers), "", "")).encode() + body
