"""What a relay appends for a slice of an edge's journal: a record of kind RELAYED. Pure.

    payload  length(u32 little-endian) of the head, head (JSON), the slice's bytes as they stand in the edge's file

The slice's bytes are whole records, the first of a file with the file's head before them, so the place of a frame in the
storage host's file identifies it permanently, as in any journal.
"""

import struct
from collections.abc import Iterator
from typing import Annotated, Final, NamedTuple

import msgspec

from collector.domain.errors import DamagedError
from collector.storage.journal.files import MAX_NUMBER

_LENGTH: Final = struct.Struct("<I")

IN_HEAD: Final = -1
"""`head_at` of an edge's file whose head stands in the head of the storage host's own file."""

IN_SLICE: Final = -2
"""`head_at` of an edge's file whose head stands at the beginning of the slice itself."""

LINES_OF_SLOT: Final = 16
"""So many lines a feed may have on one edge (`feed.lines`)."""

SLOTS: Final = 8
"""So many edges may bring one feed: lines are stored as int8."""


_Number = Annotated[int, msgspec.Meta(ge=0, le=MAX_NUMBER)]
_Offset = Annotated[int, msgspec.Meta(ge=0, le=1 << 62)]


class RelayedHead(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a slice comes from; `SliceHead` in `bus/slices.py` says what the like-named fields mean."""

    edge: str
    slot: Annotated[int, msgspec.Meta(ge=0, lt=SLOTS)]
    """The number of the edge in this feed: its lines are counted from `LINES_OF_SLOT` times that."""
    epoch: str
    file_id: str
    number: _Number
    start: _Offset
    end: _Offset
    head_at: int
    """Offset in this file of the first byte of the edge's file's head, or IN_HEAD, or IN_SLICE."""
    newest_ns: int = 0
    """Receive time of its newest record by the clock of NATS, 0 if it has none."""
    ended: bool = False
    is_last: bool = False
    damage: str = ""
    lost: bool = False
    late: bool = False
    """Whether another edge has long brought the same time: only what fills a hole is wanted."""
    ahead_ns: int = 0
    """How far the edge's clock was ahead of that of NATS when it was sent; see `domain/clock_steps`."""


class SourceFile(msgspec.Struct, frozen=True, array_like=True):
    """How far a relay has one file of an edge's journal."""

    file_id: str
    number: int
    offset: int
    ended: bool
    head: bytes = b""
    """The file's head; empty if it cannot be read."""
    is_gone: bool = False
    """Whether the edge said that something is lost, which may have been the rest of this file."""


class PastEpoch(msgspec.Struct, frozen=True, array_like=True):
    """How far a relay had a journal of an edge when the edge began another one."""

    epoch: str
    files: tuple[SourceFile, ...]
    done_below: int


class Source(msgspec.Struct, frozen=True, array_like=True):
    """How far a relay has the journal of its feed on one edge."""

    edge: str
    slot: int
    epoch: str
    files: tuple[SourceFile, ...]
    """Those that have not ended, and the newest that have."""
    done_below: int
    """Files of lower numbers are all there to their ends."""
    newest_ns: int
    """Receive time of the newest record."""
    seen_us: int
    """When its newest slice came."""
    is_broken: bool = False
    """Whether the edge lost its journal before all of it was here, and nothing came since."""
    past: tuple[PastEpoch, ...] = ()
    """Epochs that ended, the newest last: what still comes of them is not wanted, unless it turns out that another host had
    the edge's name for a while; then one goes on from there."""

    def was_in(self, epoch: str) -> bool:
        """Whether that epoch ended."""
        return any(past.epoch == epoch for past in self.past)

    def all_files(self) -> Iterator[SourceFile]:
        """Those of this epoch and of the past ones."""
        yield from self.files
        for past in self.past:
            yield from past.files


class Relayed(NamedTuple):
    """A decoded payload; `body_at` is the offset of the slice's bytes in the payload."""

    head: RelayedHead
    body_at: int


def encode_head(head: RelayedHead) -> bytes:
    """What stands before the slice's bytes in a payload."""
    text = msgspec.json.encode(head)
    return _LENGTH.pack(len(text)) + text


def decode_relayed(payload: bytes) -> Relayed:
    """Read the payload of a record. Raises DamagedError."""
    try:
        (length,) = _LENGTH.unpack_from(payload)
        head = msgspec.json.decode(payload[_LENGTH.size : _LENGTH.size + length], type=RelayedHead)
    except (struct.error, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DamagedError("a relayed record without a readable head") from error
    return Relayed(head, _LENGTH.size + length)


def source_name(feed: str, edge: str) -> str:
    """The name of a feed on an edge, as the writer keeps its state; no feed or host has `@` in its name."""
    return f"{feed}@{edge}"


def is_source(name: str) -> bool:
    """Whether this is the name of a feed on an edge."""
    return "@" in name


def feed_of_source(source: str) -> str:
    """The feed of a source, or the feed itself if it is not one of an edge."""
    return source.partition("@")[0]
