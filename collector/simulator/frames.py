"""Data frames as they go over the wire: header and payload in one piece, framed once however often they are sent.

A server's frames are not masked (RFC 6455, section 5.1), so the same bytes serve every connection.
"""

import json
import struct
from typing import Final, NamedTuple

TEXT: Final = 0x81
BINARY: Final = 0x82

_SHORT: Final = 126
_LONG: Final = 1 << 16


class Frame(NamedTuple):
    """A data frame of a stream ("" if unknown), and the fault that made or moved it."""

    stream: str
    wire: bytes
    fault: str = ""


def wire(payload: bytes, first: int = TEXT) -> bytes:
    """Frame a payload as one final, unmasked frame; `first` is its first byte."""
    size = len(payload)
    if size < _SHORT:
        return struct.pack("!BB", first, size) + payload
    if size < _LONG:
        return struct.pack("!BBH", first, 126, size) + payload
    return struct.pack("!BBQ", first, 127, size) + payload


def payload(framed: bytes) -> bytes:
    """The payload of a frame that `wire` made."""
    return framed[{126: 4, 127: 10}.get(framed[1], 2) :]


def is_text(framed: bytes) -> bool:
    """Whether the frame is a text frame."""
    return framed[0] == TEXT


def combined(stream: str, data: str) -> Frame:
    """Wrap a payload with its stream's name, as `/stream` connections get it."""
    return Frame(stream, wire(f'{{"stream":{json.dumps(stream, ensure_ascii=False)},"data":{data}}}'.encode()))


def bare(frame: Frame) -> Frame:
    """Remove the wrap, as `/ws` connections get it; a frame without its stream's wrap is returned unchanged."""
    whole = payload(frame.wire)
    prefix = f'{{"stream":"{frame.stream}","data":'.encode()
    if whole.startswith(prefix) and whole.endswith(b"}"):
        return frame._replace(wire=wire(whole[len(prefix) : -1], frame.wire[0]))
    return frame
