"""The walk takes plain frames, and stops before everything that the library is for."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Opcode

from collector.feed.frame_walk import walk
from tests.feed.servers import close_frame, wire


def walked(data: bytes, at: int = 0) -> tuple[list[bytes], list[int], int]:
    frames: list[bytes] = []
    binary: list[int] = []
    stopped_at = walk(data, at, frames, binary)
    return frames, binary, stopped_at


@pytest.mark.parametrize("size", [2, 3, 125, 126, 127, 128, 65_535, 65_536])
@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.BINARY])
def test_a_plain_frame_of_any_length_is_taken(opcode: Opcode, size: int) -> None:
    data = wire(b"x" * size, opcode)

    assert walked(data) == ([b"x" * size], [0] if opcode == Opcode.BINARY else [], len(data))


def test_frames_are_taken_in_order_from_where_it_begins() -> None:
    frames = [b"skipped", b"", b"a" * 200, b"b" * 100, b"", b"c" * 70_000, b"last"]
    kinds = [Opcode.TEXT, Opcode.TEXT, Opcode.BINARY, Opcode.TEXT, Opcode.BINARY, Opcode.TEXT, Opcode.BINARY]
    data = b"".join(map(wire, frames, kinds))

    assert walked(data, len(wire(b"skipped"))) == (frames[1:], [1, 3, 5], len(data))


@pytest.mark.parametrize(
    "other",
    [
        wire(b"part", fin=False),
        wire(b"part" * 40, Opcode.BINARY, fin=False),
        wire(b"rest", Opcode.CONT),
        wire(b"ping", Opcode.PING),
        wire(b"pong", Opcode.PONG),
        close_frame(),
        b"\x81\x84" + b"mask" + b"what",
        b"\x82\xfe\x00\x80" + b"mask" + b"what" * 32,
        *(bytes([0x80 | opcode, 4]) + b"what" for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]),
        *(bytes([0x81 | bit, 4]) + b"what" for bit in [0x40, 0x20, 0x10]),
        *(bytes([0x82 | bit, 4]) + b"what" for bit in [0x40, 0x20, 0x10]),
        b"\x81\x7f" + struct.pack(">Q", 1 << 63) + b"what",
        b"\x82\x7f" + struct.pack(">Q", (1 << 64) - 1) + b"what",
    ],
)
def test_everything_else_is_left_where_it_is(other: bytes) -> None:
    before = wire(b"before")

    assert walked(before + other + wire(b"after")) == ([b"before"], [], len(before))


@given(size=st.sampled_from([4, 125, 126, 300, 65_535, 65_536]), cut=st.integers(min_value=1))
def test_a_frame_that_is_cut_is_left_where_it_is(size: int, cut: int) -> None:
    before, frame = wire(b"before"), wire(b"x" * size)

    assert walked(before + frame[: cut % len(frame)]) == ([b"before"], [], len(before))


def test_a_length_in_more_bytes_than_it_needs_is_understood() -> None:
    frames = b"\x81\x7e\x00\x05short" + b"\x82\x7f" + struct.pack(">Q", 7) + b"shorter"

    assert walked(frames) == ([b"short", b"shorter"], [1], len(frames))
