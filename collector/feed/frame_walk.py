"""Cuts the frames that nearly all of a stream consists of: whole, unmasked text and binary messages of one frame each.

The layout of a frame: RFC 6455 section 5.2. Everything else is left to websocket-client, frame by frame.
"""

from struct import Struct
from typing import Final

_HEAD: Final = Struct(">HH")
"""The first two bytes of a frame, and the two that follow: its length, if that is from 126 to 65,535."""

_TEXT: Final = 0x8100
_BINARY: Final = 0x8200
"""The head of a final, unmasked frame; its lower byte is the length, or says how many of the next bytes hold it."""

_LENGTH_IN_HEAD: Final = frozenset(kind + length for kind in (_TEXT, _BINARY) for length in range(126))
_LENGTH_OF_2_BYTES: Final = frozenset({_TEXT + 126, _BINARY + 126})
_LENGTH_OF_8_BYTES: Final = frozenset({_TEXT + 127, _BINARY + 127})


def walk(data: bytes, at: int, frames: list[bytes], binary: list[int]) -> int:
    """Append the messages of the plain frames that begin at `at`, and the index of each binary one to `binary`.

    Returns where it stopped: at the end, or at a frame that is not whole or not plain.
    """
    # One pass over every frame received: local names, and the most frequent case first.
    read_head, append = _HEAD.unpack_from, frames.append
    end = len(data)
    last = end - _HEAD.size
    while at <= last:
        head, length = read_head(data, at)
        if head in _LENGTH_OF_2_BYTES:
            start = at + 4
        elif head in _LENGTH_IN_HEAD:
            start, length = at + 2, head & 0x7F
        elif head in _LENGTH_OF_8_BYTES:
            start = at + 10
            length = int.from_bytes(data[at + 2 : start], "big")
        else:
            break
        stop = start + length
        if stop > end:
            break
        if head >= _BINARY:
            binary.append(len(frames))
        append(data[start:stop])
        at = stop
    return at
