"""Writes to a non-blocking socket, and counts the bytes that the kernel took."""

import asyncio
import fcntl
import socket
import struct
import termios
import time
from dataclasses import dataclass
from typing import Final

SEND_BUFFER_BYTES: Final = 256 * 1024
"""Small and fixed, so that a client that stops reading soon blocks sends."""
STALL_SECS: Final = 0.05
"""A send that waits longer than this counts as a stall."""


@dataclass
class SendStalls:
    """How often and how long sends waited for a client."""

    count: int = 0
    secs: float = 0.0


class SocketWriter:
    """The sending side of a socket."""

    def __init__(self, sock: socket.socket, stalls: SendStalls) -> None:
        """Prepare a non-blocking TCP socket; long waits are counted in `stalls`."""
        self.written = 0
        """How many bytes of the last `write` the kernel took, also if it failed or was cancelled."""
        self._sock = sock
        self._stalls = stalls
        self._waiting_since: float | None = None
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @property
    def waiting_secs(self) -> float:
        """How long the current send has been waiting for the client."""
        return 0.0 if self._waiting_since is None else time.monotonic() - self._waiting_since

    async def write(self, data: bytes) -> None:
        """Send all bytes. Raises OSError if the client is gone."""
        view = memoryview(data)
        self.written = 0
        while self.written < len(data):
            try:
                self.written += self._sock.send(view[self.written :])
            except BlockingIOError:
                await self._writable()

    async def drained(self, timeout_secs: float) -> None:
        """Wait until the client's kernel has acknowledged every byte: a reset discards bytes that are not acknowledged."""
        deadline = time.monotonic() + timeout_secs
        while self._unacknowledged_bytes() and time.monotonic() < deadline:  # noqa: ASYNC110 - the kernel sends no event
            await asyncio.sleep(0.002)

    def reset_on_close(self) -> None:
        """Make the next `close` a reset."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _unacknowledged_bytes(self) -> int:
        answer = fcntl.ioctl(self._sock, termios.TIOCOUTQ, struct.pack("i", 0))
        return int(struct.unpack("i", answer)[0])

    async def _writable(self) -> None:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        self._waiting_since = time.monotonic()
        loop.add_writer(self._sock, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_writer(self._sock)
            if self.waiting_secs > STALL_SECS:
                self._stalls.count += 1
                self._stalls.secs += self.waiting_secs
            self._waiting_since = None
