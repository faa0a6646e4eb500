"""A slice: whole journal records of one file of an edge, as one message. Pure.

    message  length(u32 little-endian) of the head, head (JSON), the records' bytes as a zstd frame with a checksum

The first slice of a file begins at offset 0, with the file's head. A slice may have no bytes: then it says that the file
ended, or which bytes of it are damaged. One that is too long for the servers, as of a record of many megabytes, comes in parts:
messages with the same head but for `part`, one after another, each with its share of the compressed bytes.
"""

import struct
from typing import Annotated, Final

import msgspec
from msgspec.structs import replace

from collector.domain.errors import DamagedError

_LENGTH: Final = struct.Struct("<I")
_PART_BYTES: Final = 64
"""More than what a head needs to name its part."""


MOST_BYTES: Final = 1 << 30
"""No slice is longer: the longest record of a journal is far shorter."""

Number = Annotated[int, msgspec.Meta(ge=0, le=(1 << 27) - 1)]
"""The number of a journal file, as `storage/journal/files.py` bounds it."""

Offset = Annotated[int, msgspec.Meta(ge=0, le=(1 << 62))]
"""An offset in a file, or a time in nanoseconds."""


class EndedFile(msgspec.Struct, frozen=True, array_like=True):
    """A file that is published to its end."""

    file_id: str
    number: Number
    end: Offset


class SliceHead(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which bytes of which file a slice brings."""

    edge: str
    feed: str
    epoch: str
    """Of the edge's journal: another one means that numbers may begin anew."""
    file_id: str
    number: Number
    """Of the file, in its feed's journal on the edge."""
    start: Offset
    end: Offset
    """Offsets in the file. Of a slice with damage: the damaged stretch."""
    newest_ns: Offset = 0
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
    part: int = 0
    parts: int = 1
    """Which part of the slice a message brings, from 0, and of how many."""
    sent_ns: int = 0
    """When it was sent, by the edge's clock; 0 if an earlier program sent it."""


def head_bytes(head: SliceHead) -> int:
    """How many bytes of a message are not its body."""
    return _LENGTH.size + len(msgspec.json.encode(head))


def encode_slice(head: SliceHead, body: bytes) -> bytes:
    """Build a message; `body` is compressed already, or empty."""
    text = msgspec.json.encode(head)
    return b"".join((_LENGTH.pack(len(text)), text, body))


def encode_parts(head: SliceHead, body: bytes, most_bytes: int) -> list[bytes]:
    """The messages of a slice, none longer than `most_bytes`; one, if it fits."""
    whole = encode_slice(head, body)
    if len(whole) <= most_bytes:
        return [whole]
    room = most_bytes - (len(whole) - len(body)) - _PART_BYTES
    if room <= 0:
        raise ValueError(f"messages of {most_bytes} bytes have no room for a slice")
    bodies = [body[at : at + room] for at in range(0, len(body), room)]
    return [encode_slice(replace(head, part=part, parts=len(bodies)), piece) for part, piece in enumerate(bodies)]


class Joiner:
    """Joins the parts of slices as they come; of what is not complete it holds one slice at most."""

    def __init__(self) -> None:
        self._head: SliceHead | None = None
        self._bodies: list[bytes] = []

    def take(self, head: SliceHead, body: bytes) -> tuple[SliceHead, bytes] | None:
        """A message's slice, if it is whole or this is its last part; else None.

        A slice of which a part did not come is dropped: what comes behind it then tells of the hole.
        """
        whole = replace(head, part=0, parts=1)
        if head.parts == 1:
            self._drop()
            return whole, body
        if head.part == 0:
            self._head, self._bodies = whole, []
        if self._head != whole or head.part != len(self._bodies):
            self._drop()
            return None
        self._bodies.append(body)
        if len(self._bodies) < head.parts:
            return None
        joined = b"".join(self._bodies)
        self._drop()
        return whole, joined

    def _drop(self) -> None:
        self._head, self._bodies = None, []


def decode_slice(message: bytes) -> tuple[SliceHead, bytes]:
    """The head of a message, and its body, still compressed. Raises DamagedError."""
    try:
        (length,) = _LENGTH.unpack_from(message)
        head = msgspec.json.decode(message[_LENGTH.size : _LENGTH.size + length], type=SliceHead)
    except (struct.error, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DamagedError("not a slice of a journal") from error
    brought_bytes = head.end - head.start
    if brought_bytes < 0 or (brought_bytes > MOST_BYTES and not head.damage):
        raise DamagedError("a slice of no possible length")
    return head, message[_LENGTH.size + length :]
