"""How far storage has an edge's journal: what a relay tells the edge, as JSON. Pure."""

import msgspec

from collector.domain.errors import DamagedError


class FilePlace(msgspec.Struct, frozen=True, array_like=True):
    """How far storage has one file."""

    file_id: str
    number: int
    offset: int
    ended: bool


class EdgePlace(msgspec.Struct, frozen=True):
    """How far storage has the journal of one feed of one edge; durable on the storage host."""

    epoch: str
    files: tuple[FilePlace, ...] = ()
    """Those that have not ended, and the newest that have."""
    done_below: int = 0
    """Files of lower numbers are all there to their ends."""
    hole: bool = False
    """Whether a slice is missing before those that came since: the edge is to begin again from here."""


def encode_place(place: EdgePlace) -> bytes:
    """As the value of a key."""
    return msgspec.json.encode(place)


def decode_place(value: bytes) -> EdgePlace:
    """Raises DamagedError."""
    try:
        return msgspec.json.decode(value, type=EdgePlace)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DamagedError("not a place in a journal") from error
