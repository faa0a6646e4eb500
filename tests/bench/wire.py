"""WebSocket frames as a server sends them, and the stream that a request of Binance's begins with."""

import re
import struct
from collections.abc import Iterator


def first_stream(url: str) -> str:
    """The first stream that a combined stream's address or request line names."""
    match = re.search(r"streams=([\w.@-]+)", url)
    if match is None:
        raise ValueError(f"no stream is named in {url[:200]}")
    return match[1]


def framed(payload: bytes) -> bytes:
    """A text frame from a server: one frame, not masked (RFC 6455 section 5.2)."""
    if len(payload) < 126:
        return bytes((0x81, len(payload))) + payload
    if len(payload) < 1 << 16:
        return struct.pack(">BBH", 0x81, 126, len(payload)) + payload
    return struct.pack(">BBQ", 0x81, 127, len(payload)) + payload


def frame_bounds(wire: bytes) -> Iterator[tuple[int, int]]:
    """Where each frame begins and ends."""
    start = 0
    while start < len(wire):
        length = wire[start + 1]
        body = start + 2
        if length == 126:
            length, body = int.from_bytes(wire[body : body + 2], "big"), body + 2
        elif length == 127:
            length, body = int.from_bytes(wire[body : body + 8], "big"), body + 8
        yield start, body + length
        start = body + length
