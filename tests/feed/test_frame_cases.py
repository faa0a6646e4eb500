"""The cases of RFC 6455 that the Autobahn test suite asks of a client, in our words, each over a real pair of sockets.

Text is not decoded here, so a message that is not UTF-8 is returned as it is (`test_text_is_returned_undecoded`): the
writer checks it where it decodes.
"""

import itertools
import socket
import struct
from typing import NamedTuple

import pytest
from websockets.frames import Opcode

from collector.feed.connection import Connection
from collector.feed.outbox import Pace
from collector.feed.socket import ConnectionOverError, RecorderSocket
from collector.processes.context import SystemClock
from tests.feed.servers import TIMEOUT_SECS, Peer, close_frame, meanwhile, wire


class Case(NamedTuple):
    """What a peer sends before it hangs up, and what comes of it."""

    name: str
    sent: tuple[bytes, ...]
    frames: tuple[bytes, ...] = ()
    pongs: tuple[bytes, ...] = ()
    reason: str = "lost"
    text: str = "the peer hung up without a close frame"


def text(data: bytes, *, fin: bool = True) -> bytes:
    return wire(data, fin=fin)


def binary(data: bytes, *, fin: bool = True) -> bytes:
    return wire(data, Opcode.BINARY, fin=fin)


def rest(data: bytes, *, fin: bool = True) -> bytes:
    return wire(data, Opcode.CONT, fin=fin)


def ping(data: bytes = b"", *, fin: bool = True) -> bytes:
    return b"%c%c" % (0x89 if fin else 0x09, len(data)) + data


def pong(data: bytes = b"") -> bytes:
    return wire(data, Opcode.PONG)


def refused(name: str, *sent: bytes, text: str, frames: tuple[bytes, ...] = (), pongs: tuple[bytes, ...] = ()) -> Case:
    return Case(name, sent, frames, pongs, "protocol", text)


def closed(name: str, *sent: bytes, text: str, frames: tuple[bytes, ...] = ()) -> Case:
    return Case(name, sent, frames, (), "closed", text)


SIZES = [0, 125, 126, 127, 128, 65_535, 65_536]

LENGTHS = [
    *(Case(f"text of {size} bytes", (text(b"*" * size),), (b"*" * size,)) for size in SIZES),
    *(Case(f"binary of {size} bytes", (binary(b"\xfe" * size),), (b"\xfe" * size,)) for size in SIZES),
]

PINGS = [
    *(
        Case(f"ping of {size} bytes", (ping(b"\xfe" * size), text(b"after")), (b"after",), (b"\xfe" * size,))
        for size in (0, 1, 5, 124, 125)
    ),
    refused(
        "ping of 126 bytes",
        text(b"before"),
        b"\x89\x7e\x00\x7e" + b"x" * 126,
        text="Ping message is too long",
        frames=(b"before",),
    ),
    Case("ten pings", tuple(ping(b"%d" % number) for number in range(10)), (), tuple(b"%d" % n for n in range(10))),
    Case("pong that nobody asked for", (pong(), pong(b"unasked"), text(b"after")), (b"after",)),
    Case("pong, then ping", (pong(b"unasked"), ping(b"asked"), text(b"after")), (b"after",), (b"asked",)),
    refused("ping in two frames", ping(b"fragment", fin=False), rest(b"rest"), text="Invalid ping frame."),
]

RESERVED = [
    *(
        refused(
            f"reserved bits {bits}",
            text(b"before"),
            ping(b"before"),
            bytes([0x80 | bits << 4 | opcode, 1]) + b"x",
            text(b"after"),
            text="rsv is not implemented, yet",
            frames=(b"before",),
            pongs=(b"before",),
        )
        for bits in range(1, 8)
        for opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.PING, Opcode.PONG, Opcode.CLOSE)
    ),
    *(
        refused(
            f"opcode {opcode}",
            text(b"before"),
            ping(b"before"),
            bytes([0x80 | opcode, len(data)]) + data,
            text(b"after"),
            text=f"Invalid opcode {opcode}",
            frames=(b"before",),
            pongs=(b"before",),
        )
        for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
        for data in (b"", b"with data")
    ),
]

FRAGMENTS = [
    Case("two fragments", (text(b"one ", fin=False), rest(b"two")), (b"one two",)),
    Case("empty fragments", (text(b"", fin=False), rest(b"", fin=False), rest(b"")), (b"",)),
    Case("empty fragments around one", (text(b"", fin=False), rest(b"middle", fin=False), rest(b"")), (b"middle",)),
    Case(
        "pings between fragments",
        (text(b"a", fin=False), ping(b"1"), rest(b"b", fin=False), ping(b"2"), pong(), rest(b"c"), text(b"after")),
        (b"abc", b"after"),
        (b"1", b"2"),
    ),
    Case("fragments, plain, fragments", (binary(b"a", fin=False), rest(b"b"), text(b"c"), text(b"d", fin=False), rest(b"e")),
         (b"ab", b"c", b"de")),
    Case("a message that never ends", (text(b"before"), text(b"a", fin=False), rest(b"b", fin=False)), (b"before",)),
    refused("a rest without a beginning", text(b"before"), rest(b"rest"), text="Illegal frame", frames=(b"before",)),
    refused("a rest after a whole message", text(b"a", fin=False), rest(b"b"), rest(b"c"), text="Illegal frame",
            frames=(b"ab",)),
    refused("an unfinished rest without a beginning", rest(b"rest", fin=False), rest(b"rest"), text="Illegal frame"),
    refused("a message inside another", text(b"a", fin=False), text(b"b"), rest(b"c"), text="Illegal frame"),
    refused("a long message inside another", text(b"a", fin=False), binary(b"b" * 300), text="Illegal frame"),
    refused("a beginning inside another", text(b"a", fin=False), rest(b"b", fin=False), binary(b"c", fin=False),
            text="Illegal frame"),
]  # fmt: skip

CLOSES = [
    closed("without a code", wire(b"", Opcode.CLOSE), text="close frame None"),
    closed("with a reason", close_frame(1000, "bye"), text="close frame 1000 bye"),
    closed("with the longest reason", close_frame(1000, "x" * 123), text=f"close frame 1000 {'x' * 123}"),
    closed("after messages, before others", text(b"a"), text(b"b"), close_frame(1001), text(b"c"), ping(b"late"),
           text="close frame 1001", frames=(b"a", b"b")),
    closed("twice", close_frame(), close_frame(), text="close frame 1000"),
    closed("inside a message", text(b"a", fin=False), close_frame(), text="close frame 1000"),
    closed("with a reason that is not UTF-8", wire(struct.pack("!H", 1000) + b"\xce\xba\xff", Opcode.CLOSE),
           text="close frame 1000 κ�"),
    *(closed(f"with code {code}", wire(struct.pack("!H", code), Opcode.CLOSE), text=f"close frame {code}")
      for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)),
    refused("with one byte", wire(b"\x03", Opcode.CLOSE), text="Invalid close frame."),
    refused("too long", b"\x88\x7e\x00\x7e\x03\xe8" + b"x" * 124, text="Invalid close frame."),
    *(refused(f"with code {code}", wire(struct.pack("!H", code), Opcode.CLOSE), text=f"Invalid close opcode {code}")
      for code in (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65_535)),
]  # fmt: skip

CASES = [*LENGTHS, *PINGS, *RESERVED, *FRAGMENTS, *CLOSES]


class Met(NamedTuple):
    frames: tuple[bytes, ...]
    pongs: tuple[bytes, ...]
    reason: str
    text: str
    closes: tuple[bytes, ...]
    """Codes of the close frames that were sent."""


def meet(*writes: bytes) -> Met:
    """Let a peer make these writes and hang up; returns what a connection makes of it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ws = RecorderSocket(skip_utf8_validation=True, enable_multithread=False)
        ws.sock = ours
        connection = Connection(ws, (), Pace(1), SystemClock())
        peer = Peer(theirs, "")

        def send() -> None:
            for write in writes:
                peer.send(write)
            theirs.shutdown(socket.SHUT_WR)

        sending = meanwhile(send)
        frames: list[bytes] = []
        while True:
            try:
                batch = connection.read()
            except ConnectionOverError as error:
                over = error
                break
            frames += batch.frames if batch else []
        sending.result(TIMEOUT_SECS)
        while ours.recv(1 << 16):
            pass  # closing with unread data would reset the connection, and lose what was sent
        connection.close()
        replies = list(iter(lambda: _reply(peer), None))
    pongs = tuple(data for opcode, data in replies if opcode == Opcode.PONG)
    closes = tuple(data for opcode, data in replies if opcode == Opcode.CLOSE)
    assert len(pongs) + len(closes) == len(replies)
    return Met(tuple(frames), pongs, over.reason, str(over), closes)


def _reply(peer: Peer) -> tuple[int, bytes] | None:
    try:
        return peer.receive()
    except EOFError:
        return None


@pytest.mark.parametrize("at_once", [True, False], ids=["in one write", "in a write a frame"])
@pytest.mark.parametrize("case", CASES, ids=[f"{number} {case.name}" for number, case in enumerate(CASES)])
def test_each_case_ends_as_the_protocol_says(case: Case, *, at_once: bool) -> None:
    met = meet(b"".join(case.sent)) if at_once else meet(*case.sent)

    assert met[:4] == case[2:]
    assert met.closes == (struct.pack("!H", 1002 if case.reason == "protocol" else 1000),)


@pytest.mark.parametrize("case", [case for case in CASES if sum(map(len, case.sent)) < 400], ids=lambda case: case.name)
def test_each_case_ends_the_same_byte_by_byte(case: Case) -> None:
    met = meet(*(bytes([byte]) for byte in itertools.chain.from_iterable(case.sent)))

    assert met[:4] == case[2:]


def test_text_is_returned_undecoded() -> None:
    broken = [b"\xce\xba\xff", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80", b"cut \xf0\x9f"]

    assert meet(*map(text, broken)).frames == tuple(broken)
    assert meet(text(broken[0][:1], fin=False), rest(broken[0][1:])).frames == (broken[0],)
