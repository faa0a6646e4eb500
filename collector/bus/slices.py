"""A slice: whole journal records of one file of an edge, as one message. Pure.

    message  length(u32 little-endian) of the head, head (JSON), the records' bytes as a zstd frame with a checksum

The first slice of a file begins at offset 0, with the file's head. A slice may have no bytes: then it says that the file
ended, or which bytes of it are damaged.
"""

import struct
from typing import Final

import msgspec

from collector.domain.errors import DamagedError

_LENGTH: Final = struct.Struct("<I")


class EndedFile(msgspec.Struct, frozen=True, array_like=True):
    """A file that is published to its end."""

    file_id: str
    number: int
    end: int


class SliceHead(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which bytes of which file a slice brings."""

    edge: str
    feed: str
    epoch: str
    """Of the edge's journal: another one means that numbers may begin anew."""
    file_id: str
    number: int
    """Of the file, in its feed's journal on the edge."""
    start: int
    end: int
    """Offsets in the file. Of a slice with damage: the damaged stretch."""
    newest_ns: int = 0
    """Receive time of its newest record; 0 if it has none."""
    ended: bool = False
    """Whether nothing more will be appended to the file."""
    is_last: bool = False
    """With `ended`: whether its incarnation writes nothing more at all."""
    damage: str = ""
    """Why these bytes are not sent, if they are damaged."""
    lost: bool = False
    """Whether the edge no longer has what stands before this slice and behind the position that it was told."""
    before: tuple[EndedFile, ...] = ()
    """Files that ended before this slice, the newest last: so the loss of a file's end is noticed."""


def encode_slice(head: SliceHead, body: bytes) -> bytes:
    """Build a message; `body` is compressed already, or empty."""
    text = msgspec.json.encode(head)
    return b"".join((_LENGTH.pack(len(text)), text, body))


def decode_slice(message: bytes) -> tuple[SliceHead, bytes]:
    """The head of a message, and its body, still compressed. Raises DamagedError."""
    try:
        (length,) = _LENGTH.unpack_from(message)
        head = msgspec.json.decode(message[_LENGTH.size : _LENGTH.size + length], type=SliceHead)
    except (struct.error, msgspec.DecodeError) as error:
        raise DamagedError("not a slice of a journal") from error
    return head, message[_LENGTH.size + length :]
