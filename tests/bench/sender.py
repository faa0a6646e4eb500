"""The exchange of the benchmarks, a process of its own: sends whole frames, made before, as fast as they are taken.

    python -m tests.bench.sender FOLDER [--certificate PEM --key PEM] [--rate FRAMES]

FOLDER has a file of frames for each connection, named by the first stream of its request; a file that stands alone is
sent whatever is asked for. Nothing is made while the clock runs: over TLS each frame is encrypted before, as a record of
its own. Once each connection stands, the line "go" on standard input starts the clock. With a rate, of frames a second and connection, frames are sent at an even
pace. Prints lines of JSON: the port,
each connection that stands, and in the end what sending took.
"""

import argparse
import base64
import hashlib
import json
import os
import re
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Final, TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench.wire import first_stream, frame_bounds

T = TypeVar("T")

ACCEPT: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
PIECE_BYTES: Final = 256 << 10
READ_BYTES: Final = 64 << 10
CLOSE: Final = 0x88
PACE_SECS: Final = 0.005
HEADER_BYTES: Final = 6
"""Of a short frame with its mask."""


def say(**facts: object) -> None:
    """One line, in one piece: each connection has a thread of its own."""
    os.write(1, json.dumps(facts).encode() + b"\n")


class Plain:
    """A connection without TLS."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    def receive(self) -> bytes:
        """Nothing at the end of the stream."""
        return self.sock.recv(READ_BYTES)

    def send(self, data: bytes) -> None:
        """Now."""
        self.sock.sendall(data)

    def ready(self, wire: bytes) -> list[memoryview]:
        """The frames as they go to the kernel."""
        whole = memoryview(wire)
        return [whole[start : start + PIECE_BYTES] for start in range(0, len(wire), PIECE_BYTES)]


class Tls:
    """A connection over TLS; encryption is apart from sending."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        self.sock = sock
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)
        self._until_done(self._tls.do_handshake)

    def receive(self) -> bytes:
        """Nothing at the end of the stream."""
        return self._until_done(lambda: self._tls.read(READ_BYTES))

    def send(self, data: bytes) -> None:
        """Now."""
        self._tls.write(data)
        self.sock.sendall(self._out.read())

    def ready(self, wire: bytes) -> list[memoryview]:
        """The frames as they go to the kernel, each a record."""
        pieces = []
        for start, end in frame_bounds(wire):
            self._tls.write(wire[start:end])
            if self._out.pending >= PIECE_BYTES:
                pieces.append(memoryview(self._out.read()))
        return [*pieces, memoryview(self._out.read())]

    def _until_done(self, act: Callable[[], T]) -> T:
        while True:
            try:
                done = act()
            except ssl.SSLWantReadError:
                self._flush()
                data = self.sock.recv(READ_BYTES)
                if data:
                    self._in.write(data)
                else:
                    self._in.write_eof()
            else:
                self._flush()
                return done

    def _flush(self) -> None:
        if self._out.pending:
            self.sock.sendall(self._out.read())


class Exchange:
    """Serves the connections, each once."""

    def __init__(self, folder: Path, context: ssl.SSLContext | None, rate: float | None = None) -> None:
        self._wires = {path.name: path for path in folder.iterdir()}
        self._alone = next(iter(self._wires)) if len(self._wires) == 1 else None
        self._context = context
        self._rate = rate
        self._go = threading.Event()
        self._sent = threading.Barrier(len(self._wires) + 1)
        self._server = socket.create_server(("127.0.0.1", 0))

    def run(self) -> None:
        """Until standard input ends."""
        say(port=self._server.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()
        if not sys.stdin.readline():
            return
        began_ns, cpu_before = time.time_ns(), time.process_time()
        self._go.set()
        self._sent.wait()
        say(began_ns=began_ns, ended_ns=time.time_ns(), cpu_secs=time.process_time() - cpu_before)
        sys.stdin.readline()

    def _accept(self) -> None:
        while True:
            client, _ = self._server.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            try:
                self._feed(Plain(client) if self._context is None else Tls(client, self._context))
            except OSError as error:
                say(lost=f"{type(error).__name__}: {error}")

    def _feed(self, line: Plain | Tls) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            more = line.receive()
            if not more:
                return
            head += more
        key = re.search(rb"Sec-WebSocket-Key: *(\S+)", head, re.IGNORECASE)
        assert key is not None, head
        accept = base64.b64encode(hashlib.sha1(key[1] + ACCEPT).digest())
        line.send(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        name = first_stream(head.decode()) if self._alone is None else self._alone
        path = self._wires.pop(name, None)
        if path is None:
            raise OSError(f"{name} is asked for again")
        wire = path.read_bytes()
        pieces = line.ready(wire) if self._rate is None else paced(wire, self._rate)
        say(stands=name)
        self._go.wait()
        began = time.monotonic()
        for number, piece in enumerate(pieces):
            if self._rate is not None:
                time.sleep(max(0.0, began + number * PACE_SECS - time.monotonic()))
            line.sock.sendall(piece)
        self._sent.wait()
        self._answer_close(line)

    @staticmethod
    def _answer_close(line: Plain | Tls) -> None:
        """Pings and requests are left unanswered."""
        while data := line.receive():
            if CLOSE in first_bytes(data):
                line.send(bytes((CLOSE, 2, 3, 232)))
                return


def paced(wire: bytes, rate: float) -> list[memoryview]:
    """The frames of each `PACE_SECS`."""
    whole = memoryview(wire)
    ends = [0, *(end for _, end in frame_bounds(wire))]
    marks = [
        ends[min(len(ends) - 1, round(number * rate * PACE_SECS))]
        for number in range(ceil(len(ends) / (rate * PACE_SECS)) + 1)
    ]
    return [whole[start:end] for start, end in pairwise(marks) if end > start]


def first_bytes(data: bytes) -> Iterator[int]:
    """The first byte of each frame of a client, which are masked, in what was read at once."""
    start = 0
    while len(data) - start >= HEADER_BYTES:
        length, body = data[start + 1] & 127, start + HEADER_BYTES
        if length == 126:
            length, body = int.from_bytes(data[start + 2 : start + 4], "big"), body + 2
        yield data[start]
        start = body + length


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--certificate", type=Path)
    parser.add_argument("--key", type=Path)
    parser.add_argument("--rate", type=float)
    options = parser.parse_args()
    context = None
    if options.certificate and options.rate:
        parser.error("--rate is for connections without TLS")
    if options.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.certificate, options.key)
    Exchange(options.folder, context, options.rate).run()


if __name__ == "__main__":
    main()
