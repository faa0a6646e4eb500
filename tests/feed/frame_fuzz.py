"""Random streams of frames, cut at random places: what the recorder reads must be what websocket-client alone reads.

A stream holds every kind of frame: plain ones, fragments, control frames between them, masked ones, reserved bits,
opcodes nobody defined, lengths that lie, damaged bytes; it may end anywhere. Compared are the messages, which of them
are binary, the replies, and the error or end. The tests run a short form of this; a long one, at low priority:

    nice python -m tests.feed.frame_fuzz --streams 1000000
"""

import argparse
import os
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Final, NamedTuple, cast

from websocket import ABNF, WebSocket, WebSocketConnectionClosedException, WebSocketException
from websocket._abnf import frame_buffer
from websockets.frames import Opcode

from collector.feed.connection import Connection
from collector.feed.outbox import Pace
from collector.feed.socket import MAX_FRAME_BYTES, ConnectionOverError, RecorderSocket
from collector.processes.context import SystemClock

_FIN: Final = 0x80
_MASK: Final = 0x80
_SIZES: Final = (0, 0, 1, 2, 3, 5, 20, 100, 124, 125, 126, 127, 128, 200, 700)
_BIG_SIZES: Final = (65_535, 65_536, 70_000)
_LIES: Final = (1_000_000, MAX_FRAME_BYTES - 100, MAX_FRAME_BYTES, MAX_FRAME_BYTES + 1, 1 << 63, (1 << 64) - 1)
_DATA: Final = Random(0).randbytes(1 << 18)
_ALWAYS_READY: Final = os.open(os.devnull, os.O_RDONLY)
"""A descriptor that never lets a poll wait."""


class Reading(NamedTuple):
    """All that a reader makes of a stream."""

    frames: list[bytes]
    binary: list[int]
    replies: list[tuple[int, bytes]]
    """Opcode and payload of each frame that was sent."""
    reason: str
    text: str
    """How it ended, as in ConnectionOverError."""


class Stream:
    """Makes one random stream of frames."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.frame_sizes: list[int] = []
        self._kinds: tuple[tuple[Callable[[], bytes], float], ...] = (
            (self.plain, 60),
            (self.control, 8),
            (self.fragmented, 8),
            (self.masked, 4),
            (self.reserved_bits, 0.7),
            (self.undefined_opcode, 0.7),
            (self.out_of_order, 0.7),
            (self.bad_control, 0.7),
            (self.lying_length, 0.7),
            (self.garbage, 0.5),
            (self.closing, 0.7),
        )

    def make(self) -> bytes:
        """A stream of some ten frames; a few streams are damaged, and a few end too early."""
        random = self._random
        makers, weights = zip(*self._kinds, strict=True)
        stream = b"".join(maker() for maker in random.choices(makers, weights, k=random.randrange(1, 20)))
        if random.random() < 0.1:
            at = random.randrange(len(stream))
            stream = stream[:at] + random.randbytes(1) + stream[at + 1 :]
        return stream[: random.randrange(len(stream))] if random.random() < 0.3 else stream

    def plain(self) -> bytes:
        return self._frame(self._random.choice((Opcode.TEXT, Opcode.TEXT, Opcode.BINARY)), self._data())

    def control(self) -> bytes:
        return self._frame(self._random.choice((Opcode.PING, Opcode.PONG)), self._data()[:125])

    def fragmented(self) -> bytes:
        first = self._frame(self._random.choice((Opcode.TEXT, Opcode.BINARY)), self._data(), fin=False)
        middle = [
            self._frame(Opcode.CONT, self._data(), fin=False) if self._random.random() < 0.7 else self._between()
            for _ in range(self._random.randrange(4))
        ]
        return b"".join([first, *middle, self._frame(Opcode.CONT, self._data())])

    def _between(self) -> bytes:
        """What comes between two fragments: a control frame, or by mistake another message."""
        return self.plain() if self._random.random() < 0.1 else self.control()

    def masked(self) -> bytes:
        return self._frame(self._random.choice((Opcode.TEXT, Opcode.BINARY, Opcode.PING)), self._data(), mask=True)

    def reserved_bits(self) -> bytes:
        frame = self.plain()
        return bytes([frame[0] | self._random.choice((0x10, 0x20, 0x40, 0x70))]) + frame[1:]

    def undefined_opcode(self) -> bytes:
        return self._frame(self._random.choice((3, 4, 5, 6, 7, 11, 12, 13, 14, 15)), self._data())

    def out_of_order(self) -> bytes:
        """A rest without a beginning, or a beginning without a rest."""
        return self._frame(
            self._random.choice((Opcode.CONT, Opcode.TEXT)), self._data(), fin=self._random.random() < 0.5
        )

    def bad_control(self) -> bytes:
        """Too long, or a fragment."""
        opcode = self._random.choice((Opcode.PING, Opcode.PONG))
        return self._frame(opcode, _DATA[: self._random.choice((3, 126, 127, 300))], fin=self._random.random() < 0.5)

    def lying_length(self) -> bytes:
        head = self._random.choice((0x81, 0x82, 0x01, 0x80, 0x89))
        return struct.pack("!BBQ", head, 127, self._random.choice(_LIES)) + self._data()

    def garbage(self) -> bytes:
        return self._random.randbytes(self._random.randrange(1, 40))

    def closing(self) -> bytes:
        code = self._random.choice((1000, 1001, 1005, 1011, 2999, 3000, 4999, 5000, 0))
        payload = self._random.choice((b"", b"\x03", struct.pack("!H", code) + self._data()[:130]))
        return self._frame(Opcode.CLOSE, payload)

    def _data(self) -> bytes:
        sizes = _BIG_SIZES if self._random.random() < 0.002 else _SIZES
        at = self._random.randrange(1 << 16)
        return _DATA[at : at + self._random.choice(sizes)]

    def _frame(self, opcode: int, data: bytes, *, fin: bool = True, mask: bool = False) -> bytes:
        size, mask_bit = len(data), _MASK if mask else 0
        head = _FIN * fin | opcode
        wide = self._random.random() < 0.02  # a longer form than the length needs is understood, too
        if size > 65_535 or (wide and size % 2):
            start = struct.pack("!BBQ", head, mask_bit | 127, size)
        elif size > 125 or wide:
            start = struct.pack("!BBH", head, mask_bit | 126, size)
        else:
            start = struct.pack("!BB", head, mask_bit | size)
        key = self._random.randbytes(4) if mask else b""
        frame = start + key + (ABNF.mask(key, data) if mask else data)
        self.frame_sizes.append(len(frame))
        return frame


class ScriptedSocket:
    """Gives out a stream in pieces of the given sizes, then in larger ones, then its end; keeps what is sent."""

    def __init__(self, stream: bytes, sizes: list[int]) -> None:
        self._stream = stream
        self._sizes = iter(sizes)
        self._at = 0
        self.sent = b""

    def recv(self, size: int) -> bytes:
        piece = self._stream[self._at : self._at + size]
        self._at += len(piece)
        return piece

    def recv_into(self, memory: memoryview) -> int:
        piece = self.recv(next(self._sizes, 10_000))
        memory[: len(piece)] = piece
        return len(piece)

    def send(self, data: bytes) -> int:
        self.sent += data
        return len(data)

    def gettimeout(self) -> float:
        return 1.0

    def settimeout(self, secs: float) -> None: ...

    def fileno(self) -> int:
        return _ALWAYS_READY

    def close(self) -> None: ...


class _TooBigError(WebSocketException):
    pass


class _BoundedFrames(frame_buffer):
    """The library's own parser, and the one rule that the recorder adds to it."""

    ws: WebSocket

    def recv_length(self) -> None:
        super().recv_length()
        begun = self.ws.cont_frame.cont_data
        opcode, total = cast(tuple[int, ...], self.header)[4], cast(int, self.length)
        total += len(begun[1]) if begun and opcode == Opcode.CONT else 0
        if total > MAX_FRAME_BYTES:
            raise _TooBigError(f"a message of {total} bytes is above the limit of {MAX_FRAME_BYTES}")


def read_by_library(stream: bytes) -> Reading:
    """What websocket-client alone makes of it, reading as it always does."""
    sock = ScriptedSocket(stream, [])
    ws = WebSocket(skip_utf8_validation=True, enable_multithread=False)
    ws.sock = cast(socket.socket, sock)
    ws.frame_buffer = _BoundedFrames(ws._recv, skip_utf8_validation=True)
    ws.frame_buffer.ws = ws
    frames: list[bytes] = []
    binary: list[int] = []
    while True:
        try:
            opcode, data = ws.recv_data()
        except WebSocketConnectionClosedException:
            ending = "lost", "the peer hung up without a close frame"
            break
        except _TooBigError as error:
            ending = "too_big", str(error)
            break
        except WebSocketException as error:
            ending = "protocol", str(error)
            break
        if opcode == Opcode.CLOSE:
            code, reason = struct.unpack("!H", data[:2])[0] if data else None, data[2:].decode(errors="replace")
            ending = "closed", f"close frame {code} {reason}".rstrip()
            break
        if opcode == Opcode.BINARY:
            binary.append(len(frames))
        frames.append(data)
    return Reading(frames, binary, _sent(sock.sent), *ending)


def read_by_recorder(stream: bytes, sizes: list[int]) -> Reading:
    """What a Connection makes of it, with these sizes of the first reads."""
    sock = ScriptedSocket(stream, sizes)
    ws = RecorderSocket(skip_utf8_validation=True, enable_multithread=False)
    ws.sock = cast(socket.socket, sock)
    connection = Connection(ws, (), Pace(1), SystemClock())
    frames: list[bytes] = []
    binary: list[int] = []
    while True:
        try:
            batch = connection.read()
        except ConnectionOverError as over:
            return Reading(frames, binary, _sent(sock.sent), over.reason, str(over))
        if batch is None:
            raise AssertionError("a read found nothing, though the stream has not ended")
        binary += [len(frames) + index for index in batch.binary]
        frames += batch.frames


def compare(seed: int) -> Reading:
    """Make the stream of that seed and read it both ways; returns the reading. Raises AssertionError if they differ."""
    random = Random(seed)
    maker = Stream(random)
    stream = maker.make()
    most = random.choice((4, 40, 400, 1 << 18))
    at_random = [random.randrange(1, most) for _ in range(100)]
    sizes = maker.frame_sizes if random.random() < 0.2 else at_random
    expected, found = read_by_library(stream), read_by_recorder(stream, sizes)
    assert found == expected, f"seed {seed}: {found} instead of {expected}"
    return found


def _sent(data: bytes) -> list[tuple[int, bytes]]:
    frames: list[tuple[int, bytes]] = []
    at = 0
    while at < len(data):
        size = data[at + 1] & 0x7F
        assert size <= 125, "no reply is longer"
        key, payload = data[at + 2 : at + 6], data[at + 6 : at + 6 + size]
        frames.append((data[at] & 0x0F, bytes(ABNF.mask(key, payload))))
        at += 6 + size
    return frames


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare the recorder's reading of random streams with the library's.")
    parser.add_argument("--streams", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0, help="seed of the first stream; the others count up from it")
    args = parser.parse_args()
    began = time.process_time()
    endings: Counter[str] = Counter()
    frames = 0
    for seed in range(args.first, args.first + args.streams):
        reading = compare(seed)
        endings[reading.reason] += 1
        frames += len(reading.frames)
    spent_secs = time.process_time() - began
    result = (
        f"{args.streams:,} streams read alike, {frames:,} messages, endings {dict(endings)}, {spent_secs:,.0f} s CPU"
    )
    sys.stdout.write(result + "\n")


if __name__ == "__main__":
    main()
