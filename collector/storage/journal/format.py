"""The bytes of a journal file, as pure functions.

    file    header record*
    header  magic(8) length(u32) crc32(u32) JSON of that length: version, file_id, writer_id, incarnation, number, previous,
            feed, what is subscribed; of a relay's file: how far it had each edge's journal
    record  sync(u32) crc32(u32) length(u32) received_ns(i64) line(i8) kind(u8) connection(u16) payload of that length
    frames  count(u32), count lengths (u32, the top bit marks a binary frame), then the frames one after another
    relayed whole records of an edge's journal, and where they come from (`relayed.py`)
    events  a JSON object

All integers are little-endian. A record's crc32 covers everything after it in the record. The sync word lets a reader
find the next record behind damaged bytes. The header holds the feed's subscription, so a journal can be read whatever
the configuration is by then. The connection is the number of the one that brought the record, counted by its incarnation
of ingest (see `connection_in_head`); 0 for a record of no connection, or of a version that did not store it.
"""

import struct
import zlib
from collections.abc import Collection, Mapping, Sequence
from enum import IntEnum
from itertools import accumulate, pairwise
from typing import Any, Final, NamedTuple

import msgspec

from collector.domain.errors import DamagedError, NewerDataError
from collector.storage.journal.relayed import Source

MAGIC: Final = b"MDCJRNL\0"
VERSION: Final = 3
"""The newest version, of a relay's files. A file whose header says how its streams are divided has version 2, any other
version 1."""
SYNC: Final = b"\xd3JRC"
MAX_RECORD_BYTES: Final = 128 << 20
"""Longest record (a frame is at most 64 MiB): a greater length is damage, not a reason to wait for more bytes."""

_FILE_HEAD = struct.Struct("<8sII")
_RECORD_HEAD = struct.Struct("<4sIIqbBH")
_CHECKED_HEAD = struct.Struct("<IqbBH")
_BINARY_BIT = 0x80000000
_CONNECTIONS = 0xFFFF
_HEADER_LIMIT_BYTES = 16 << 20

RECORD_HEAD_BYTES: Final = _RECORD_HEAD.size

RELAY_LINE: Final = -2
"""The line of the CLOSE record of a relay's file, which tells it from those inside slices."""


class RecordKind(IntEnum):
    """The kinds of journal records."""

    FRAMES = 1
    CONNECT = 2
    DISCONNECT = 3
    REFUSING = 4
    RESUMED = 5
    CLOSE = 6
    RELAYED = 7


_KINDS = {int(kind): kind for kind in RecordKind}


class PlanShare(NamedTuple):
    """Streams of one plan: every data type of every symbol. A plan may have several shares."""

    plan: int
    symbols: tuple[str, ...]
    data_types: tuple[str, ...]


class FeedIdentity(NamedTuple):
    """The feed whose frames a journal holds, and its subscription."""

    feed: str
    exchange: str
    symbols: tuple[str, ...]
    """Every symbol of which there may be frames."""
    data_types: tuple[str, ...]
    shares: tuple[PlanShare, ...] = ()
    """The streams that the feed records from here on, by plan; empty if the adapter's own division holds, as it does in the
    first file of each incarnation of ingest. A plan keeps its number through all files of an incarnation."""


class JournalHeader(NamedTuple):
    """The head of one journal file."""

    file_id: str
    writer_id: str
    """The first incarnation that numbered plans and connections so: a successor that begins beside a living one goes on with
    its numbers. Empty if the head cannot be read."""
    number: int
    created_ns: int
    identity: FeedIdentity
    header_bytes: int
    """Length of the head: the offset of the first record."""
    incarnation: str = ""
    """The incarnation that wrote the file, which names its lock (`incarnations.py`); the writer id where the head names none."""
    previous: int | None = None
    """The number of the file that the incarnation wrote before; 0 for its first; None where the head names no incarnation."""
    sources: tuple[Source, ...] | None = None
    """How far the relay that wrote the file had the journals of edges when it began it; None if no relay wrote it."""


class Record(NamedTuple):
    """One journal record; `offset` is where it begins in its file, `end` where the next one begins."""

    kind: RecordKind
    line: int
    received_ns: int
    offset: int
    end: int
    payload: bytes
    connection: int


class Frame(NamedTuple):
    """One WebSocket message; the offset of its bytes in the file identifies it permanently."""

    offset: int
    data: bytes
    binary: bool


class RecordFrames(NamedTuple):
    """The WebSocket messages of a record, without an object for each."""

    data: list[bytes]
    binary: list[int]
    """Indexes of binary ones."""
    starts: list[int]
    """Where each one's bytes begin in the file, and where the last one's end."""


class Parsed(NamedTuple):
    """The whole records in some bytes, the offset where parsing stopped, and whether damage stopped it."""

    records: list[Record]
    end: int
    damaged: bool
    wanted_bytes: int
    """Length of the unfinished record at `end`; 0 if unknown."""


def encode_header(
    file_id: str,
    writer_id: str,
    number: int,
    created_ns: int,
    identity: FeedIdentity,
    incarnation: str = "",
    previous: int | None = None,
    sources: Sequence[Source] | None = None,
) -> bytes:
    """Build the head of a file; one of an earlier version names no incarnation, and only a relay's has `sources`."""
    shares = {"shares": identity.shares} if identity.shares else {}
    own = {"incarnation": incarnation, "previous": previous} if incarnation else {}
    relayed = {"sources": sources} if sources is not None else {}
    meta = {
        "version": VERSION if relayed else 2 if shares else 1,
        "file_id": file_id,
        "writer_id": writer_id,
        "number": number,
        "created_ns": created_ns,
        "feed": identity.feed,
        "exchange": identity.exchange,
        "symbols": identity.symbols,
        "data_types": identity.data_types,
        **shares,
        **own,
        **relayed,
    }
    body = msgspec.json.encode(meta)
    return _FILE_HEAD.pack(MAGIC, len(body), zlib.crc32(body)) + body


def decode_header(head: bytes) -> JournalHeader | None:
    """Read the head of a file; None while it is not complete. Raises DamagedError or NewerDataError."""
    if len(head) < _FILE_HEAD.size:
        return None
    header_bytes = head_bytes(head)
    if len(head) < header_bytes:
        return None
    crc, body = _FILE_HEAD.unpack_from(head)[2], head[_FILE_HEAD.size : header_bytes]
    if zlib.crc32(body) != crc:
        raise DamagedError("the header fails its checksum")
    try:
        return _header_of(body, header_bytes)
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise DamagedError("the header is not one of a journal file") from error


def _header_of(body: bytes, header_bytes: int) -> JournalHeader:
    meta = msgspec.json.decode(body)
    if meta["version"] > VERSION:
        raise NewerDataError(f"journal format {meta['version']} is newer than this program's {VERSION}")
    shares = tuple(PlanShare(plan, tuple(symbols), tuple(types)) for plan, symbols, types in meta.get("shares", ()))
    identity = FeedIdentity(meta["feed"], meta["exchange"], tuple(meta["symbols"]), tuple(meta["data_types"]), shares)
    writer_id = meta["writer_id"]
    return JournalHeader(
        meta["file_id"], writer_id, meta["number"], meta["created_ns"], identity, header_bytes,
        meta.get("incarnation", writer_id), meta.get("previous"),
        msgspec.convert(meta.get("sources"), tuple[Source, ...] | None),
    )  # fmt: skip


def connection_in_head(number: int) -> int:
    """A connection's number (from 1) as 16 bits: after 65,535 it begins at 1 again; 0 is no connection."""
    return (number - 1) % _CONNECTIONS + 1 if number else 0


def head_bytes(start: bytes) -> int:
    """Length of the head that begins with `start`; with fewer bytes than a head's fixed part, the length of that part.

    Raises DamagedError if this is not the head of a journal file.
    """
    if len(start) < _FILE_HEAD.size:
        return _FILE_HEAD.size
    magic: bytes
    length: int
    magic, length, _ = _FILE_HEAD.unpack_from(start)
    if magic != MAGIC or length > _HEADER_LIMIT_BYTES:
        raise DamagedError("not a journal file")
    return _FILE_HEAD.size + length


def encode_frames(
    received_ns: int, line: int, frames: Sequence[bytes], binary: Collection[int], connection: int = 0
) -> list[bytes]:
    """Build one record of whole frames, as pieces to be written in one go; `connection` 0: from no connection."""
    lengths = [len(frame) for frame in frames]
    for index in binary:
        lengths[index] |= _BINARY_BIT
    table = struct.pack(f"<I{len(lengths)}I", len(lengths), *lengths)
    return _seal(RecordKind.FRAMES, received_ns, line, connection_in_head(connection), table, b"".join(frames))


def encode_event(kind: RecordKind, received_ns: int, line: int, info: Mapping[str, Any]) -> list[bytes]:
    """Build one record of anything but frames."""
    return _seal(kind, received_ns, line, 0, msgspec.json.encode(info), b"")


def encode_relayed(received_ns: int, slot: int, head: bytes, body: bytes) -> list[bytes]:
    """Build one record of a slice; `head` as `relayed.encode_head` makes it."""
    return _seal(RecordKind.RELAYED, received_ns, slot, 0, head, body)


def _seal(kind: RecordKind, received_ns: int, line: int, connection: int, table: bytes, body: bytes) -> list[bytes]:
    length = len(table) + len(body)
    if length > MAX_RECORD_BYTES:
        raise ValueError(f"a record of {length} bytes is longer than {MAX_RECORD_BYTES}")
    crc = zlib.crc32(_CHECKED_HEAD.pack(length, received_ns, line, kind, connection))
    crc = zlib.crc32(body, zlib.crc32(table, crc))
    return [_RECORD_HEAD.pack(SYNC, crc, length, received_ns, line, kind, connection), table, body]


def parse_records(data: bytes, offset: int) -> Parsed:
    """Read the whole records at the start of `data`, which begins at `offset` of its file."""
    records: list[Record] = []
    view = memoryview(data)
    at = 0
    while len(data) - at >= RECORD_HEAD_BYTES:
        sync, crc, length, received_ns, line, kind, connection = _RECORD_HEAD.unpack_from(data, at)
        if sync != SYNC or length > MAX_RECORD_BYTES:
            return Parsed(records, offset + at, damaged=True, wanted_bytes=0)
        end = at + RECORD_HEAD_BYTES + length
        if end > len(data):
            return Parsed(records, offset + at, damaged=False, wanted_bytes=end - at)
        if zlib.crc32(view[at + 8 : end]) != crc or kind not in _KINDS:
            return Parsed(records, offset + at, damaged=True, wanted_bytes=0)
        payload = data[at + RECORD_HEAD_BYTES : end]
        records.append(Record(_KINDS[kind], line, received_ns, offset + at, offset + end, payload, connection))
        at = end
    cut = data[at : at + len(SYNC)]
    return Parsed(records, offset + at, damaged=not SYNC.startswith(cut), wanted_bytes=0)


def received_ns_of(head: bytes) -> int | None:
    """Receive time in a record's head, which is not checked for damage; None if this is not a whole head."""
    if len(head) < RECORD_HEAD_BYTES or not head.startswith(SYNC):
        return None
    received_ns: int = _RECORD_HEAD.unpack_from(head)[3]
    return received_ns


def find_record(data: bytes, start: int, *, of_relay: bool = False) -> int | None:
    """Index in `data`, from `start` on, of the next whole and undamaged record; None if there is none.

    `of_relay`: of a file that a relay wrote, where the records inside a slice are not the file's own.
    """
    at = data.find(SYNC, start)
    while at >= 0:
        head = data[at : at + RECORD_HEAD_BYTES]
        if len(head) == RECORD_HEAD_BYTES:
            _, _, length, _, line, kind, _ = _RECORD_HEAD.unpack(head)
            is_own = not of_relay or kind == RecordKind.RELAYED or line == RELAY_LINE
            if (
                is_own
                and length <= MAX_RECORD_BYTES
                and parse_records(data[at : at + RECORD_HEAD_BYTES + length], 0).records
            ):
                return at
        at = data.find(SYNC, at + 1)
    return None


def split_frames(record: Record) -> RecordFrames:
    """Split a record of kind FRAMES. Raises DamagedError if its own lengths do not add up."""
    payload = record.payload
    try:
        (count,) = struct.unpack_from("<I", payload)
        lengths = struct.unpack_from(f"<{count}I", payload, 4)
    except struct.error as error:
        raise DamagedError("a record's table of lengths is cut") from error
    binary = []
    if max(lengths, default=0) >= _BINARY_BIT:
        binary = [index for index, length in enumerate(lengths) if length >= _BINARY_BIT]
        lengths = tuple(length & ~_BINARY_BIT for length in lengths)
    base = record.offset + RECORD_HEAD_BYTES
    starts = list(accumulate(lengths, initial=base + 4 + 4 * count))
    if starts[-1] != base + len(payload):
        raise DamagedError("a record's lengths do not add up")
    data = [payload[start - base : end - base] for start, end in pairwise(starts)]
    return RecordFrames(data, binary, starts)


def frames_of(record: Record) -> list[Frame]:
    """The frames of a record of kind FRAMES, each by itself. Raises DamagedError as `split_frames`."""
    data, binary, starts = split_frames(record)
    binary_ones = set(binary)
    return [
        Frame(start, frame, index in binary_ones)
        for index, (start, frame) in enumerate(zip(starts, data, strict=False))
    ]


def event_of(record: Record) -> dict[str, Any]:
    """The JSON object of a record that holds no frames."""
    return msgspec.json.decode(record.payload, type=dict[str, Any])
