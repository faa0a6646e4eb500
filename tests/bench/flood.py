"""An exchange that sends made-up Binance frames as fast as they are taken, and then at a steady rate: nothing else."""

import base64
import hashlib
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from itertools import count

BLOCK_FRAMES = 256
ACCEPT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TYPES = ("trade", "book_ticker", "book_delta")


def symbols(number: int) -> list[str]:
    """Names of that many instruments."""
    return [f"S{index:04}USDT" for index in range(number)]


def frames(names: list[str]) -> Iterator[bytes]:
    """Frames of these symbols without end: of each a trade, a best price and a book update in turn; 150 to 480 bytes."""
    levels = b",".join(b'["%d.%02d000000","0.%05d000"]' % (64_000 + n, n, n * 7_919 % 99_999) for n in range(6))
    pairs = [(name.encode(), name.lower().encode()) for name in names]
    for id_ in count(1):
        for upper, lower in pairs:
            price = 64_000 + id_ % 97
            yield (
                b'{"stream":"%b@trade","data":{"e":"trade","E":%d,"s":"%b","t":%d,"p":"%d.10000000","q":"0.%05d000",'
                b'"T":%d,"m":true,"M":true}}' % (lower, id_, upper, id_, price, id_ % 99_999, id_)
            )
            yield (
                b'{"stream":"%b@bookTicker","data":{"u":%d,"s":"%b","b":"%d.10000000","B":"1.5","a":"%d.20000000",'
                b'"A":"2.5"}}' % (lower, id_, upper, price, price)
            )
            yield (
                b'{"stream":"%b@depth@100ms","data":{"e":"depthUpdate","E":%d,"s":"%b","U":%d,"u":%d,"b":[%b],"a":[%b]}}'
                % (lower, id_, upper, 10 * id_ + 1, 10 * id_ + 10, levels, levels)
            )


class Flood:
    """Serves `connections`, each with its share of the symbols. `sent` counts frames the kernel took."""

    def __init__(self, names: list[str], connections: int, flood_frames: int, steady_per_sec: float) -> None:
        self._names = names
        self._connections = connections
        self._share = flood_frames // connections
        self._steady_per_sec = steady_per_sec / connections
        self._sent = [0] * connections
        self._stop = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.ws_url = f"ws://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def sent(self) -> int:
        """Frames, over all connections."""
        return sum(self._sent)

    def hush(self) -> None:
        """Send nothing more; connections stay."""
        self._stop.set()

    def _serve(self) -> None:
        while True:
            client, _ = self._server.accept()
            threading.Thread(target=self._feed, args=(client,), daemon=True).start()

    def _feed(self, client: socket.socket) -> None:
        first = re.search(rb"streams=([a-z0-9]+)@", shake_hands(client))
        assert first is not None
        per_part = len(self._names) // self._connections
        part = self._names.index(first[1].decode().upper()) // per_part
        try:
            self._send_all(client, part, frames(self._names[part * per_part : (part + 1) * per_part]))
        except OSError:
            return  # the recorder has closed

    def _send_all(self, client: socket.socket, part: int, source: Iterator[bytes]) -> None:
        while self._sent[part] < self._share and not self._stop.is_set():
            self._send(client, part, source, min(BLOCK_FRAMES, self._share - self._sent[part]))
        started, before = time.monotonic(), self._sent[part]
        while not self._stop.wait(0.05):
            due = before + int((time.monotonic() - started) * self._steady_per_sec)
            self._send(client, part, source, due - self._sent[part])

    def _send(self, client: socket.socket, part: int, source: Iterator[bytes], number: int) -> None:
        client.sendall(b"".join(wire(next(source)) for _ in range(number)))
        self._sent[part] += number


def wire(frame: bytes) -> bytes:
    """A text frame as an exchange sends it, of 126 to 65,535 bytes."""
    return struct.pack(">BBH", 0x81, 126, len(frame)) + frame


def shake_hands(client: socket.socket) -> bytes:
    """Take a WebSocket request and accept it; returns the request."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += client.recv(65_536)
    key = re.search(rb"Sec-WebSocket-Key: *(\S+)", head, re.IGNORECASE)
    assert key is not None
    accept = base64.b64encode(hashlib.sha1(key[1] + ACCEPT).digest())
    client.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    return head
