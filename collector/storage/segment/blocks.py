"""Blocks: how a segment stores messages. A block holds what one commit brought of one stream, or of many small ones.

    columns   msgpack array: pieces, rows, ids, received_us, exchange_us, lines, lengths, late; compressed with zstd
    pieces    [stream_id, series, count] for each run of messages of one stream and series, which follow one another
    payloads  the texts of all messages, one after another; compressed with zstd

Both carry zstd's checksum, which tells damage that SQLite does not see. A stream with much text in a commit has blocks
of its own, of at most 1 MiB of text; all others share blocks. A row a message takes twice the CPU and seven times the room.
"""

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from operator import attrgetter
from typing import Annotated, Any, Final, NamedTuple

import msgspec
import zstandard

from collector.domain.errors import DamagedError
from collector.domain.records import BACKFILLED_LINE, INT64_MAX

MAX_TEXT_BYTES: Final = 1 << 20
"""Most text in a block, unless it is one message."""

OWN_TEXT_BYTES: Final = 8 << 10
"""A stream with this much text in a commit gets a block of its own."""

SHARED_TEXT_BYTES: Final = 64 << 10
"""Most text in a block that streams share."""

MAX_MESSAGES: Final = 65_536
"""Most messages in a block."""

_MAX_TEXT_BYTES: Final = 128 << 20
"""No texts of a block take more, decompressed: a greater size is damage."""

_MAX_COLUMNS_BYTES: Final = 8 << 20
"""The same of its columns: seven lists of integers of at most nine bytes each."""

_SHARED_MESSAGES: Final = MAX_MESSAGES // 8
_LEVEL: Final = 1


@dataclass(slots=True)
class Messages:
    """Messages of one stream and series, column by column, in the order of receipt. Times in µs."""

    stream_id: int
    series: int
    rows: list[int] = field(default_factory=list)
    """Numbers in the segment, from 1, ascending."""
    ids: list[int] = field(default_factory=list)
    received_us: list[int] = field(default_factory=list)
    exchange_us: list[int | None] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)
    is_late: bool = field(default=False, kw_only=True)
    """Whether they were received long before what had been stored before them."""

    def __len__(self) -> int:
        """Number of messages."""
        return len(self.rows)

    def part(self, start: int, end: int) -> "Messages":
        """The messages from index `start` to before `end`."""
        return Messages(
            self.stream_id, self.series, self.rows[start:end], self.ids[start:end], self.received_us[start:end],
            self.exchange_us[start:end], self.lines[start:end], self.payloads[start:end],
            is_late=self.is_late,
        )  # fmt: skip

    def parts(self, most_messages: int, most_bytes: int) -> Iterator["Messages"]:
        """Consecutive parts, each of at most so many messages and bytes of text, or of one longer message."""
        start = size = 0
        for index, payload in enumerate(self.payloads):
            size += len(payload)
            if index > start and (size > most_bytes or index - start == most_messages):
                yield self.part(start, index)
                start, size = index, len(payload)
        if start < len(self):
            yield self.part(start, len(self))

    def only(self, indexes: Sequence[int]) -> "Messages":
        """The messages at these indexes, in their order."""
        columns: list[list[Any]] = [
            self.rows, self.ids, self.received_us, self.exchange_us, self.lines, self.payloads,
        ]  # fmt: skip
        return Messages(self.stream_id, self.series, *([column[index] for index in indexes] for column in columns))

    def extend(self, other: "Messages") -> None:
        """Append messages of the same stream and series."""
        self.rows += other.rows
        self.ids += other.ids
        self.received_us += other.received_us
        self.exchange_us += other.exchange_us
        self.lines += other.lines
        self.payloads += other.payloads


class Block(NamedTuple):
    """A row of `blocks`, without its number, and the streams in it."""

    stream_id: int | None
    """None for a block that streams share; then `series`, `id_min` and `id_max` are None, too."""
    first_row: int
    rows: int
    series: int | None
    id_min: int | None
    id_max: int | None
    received_min: int
    received_max: int
    columns: bytes
    payloads: bytes
    shared: list[tuple[int, int]]
    """Stream id and number of messages of each stream in a block that streams share."""


_Integer = Annotated[int, msgspec.Meta(le=INT64_MAX)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=INT64_MAX)]
_Line = Annotated[int, msgspec.Meta(ge=BACKFILLED_LINE, le=127)]


class _Columns(msgspec.Struct, array_like=True):
    pieces: list[tuple[_Integer, _Integer, _Count]]
    rows: list[_Count]
    ids: list[_Integer]
    received_us: list[_Integer]
    exchange_us: list[_Integer | None]
    lines: list[_Line]
    lengths: list[_Count]
    late: list[_Count] = []
    """Which of the pieces are late."""


_stream_and_series: Final = attrgetter("stream_id", "series")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Columns).decode


class BlockEncoder:
    """Makes blocks of a commit's messages. For one thread."""

    def __init__(self) -> None:
        self._compress = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress

    def blocks(self, messages: Iterable[Messages]) -> Iterator[Block]:
        """The blocks of a commit, in order of stream ids: so streams share blocks with the same neighbours each time."""
        sharing: list[Messages] = []
        text_bytes = messages_shared = 0
        for piece in sorted(filter(len, messages), key=_stream_and_series):
            size = sum(map(len, piece.payloads))
            if size >= OWN_TEXT_BYTES or len(piece) > _SHARED_MESSAGES:
                yield from map(self._block, ([part] for part in piece.parts(MAX_MESSAGES, MAX_TEXT_BYTES)))
                continue
            if sharing and (text_bytes + size > SHARED_TEXT_BYTES or messages_shared + len(piece) > MAX_MESSAGES):
                yield self._block(sharing)
                sharing, text_bytes, messages_shared = [], 0, 0
            sharing.append(piece)
            text_bytes += size
            messages_shared += len(piece)
        if sharing:
            yield self._block(sharing)

    def _block(self, pieces: list[Messages]) -> Block:
        joined = pieces[0] if len(pieces) == 1 else _joined(pieces)
        columns = _Columns(
            [(piece.stream_id, piece.series, len(piece)) for piece in pieces],
            joined.rows, joined.ids, joined.received_us, joined.exchange_us, joined.lines,
            list(map(len, joined.payloads)),
            [index for index, piece in enumerate(pieces) if piece.is_late],
        )  # fmt: skip
        own = len(pieces) == 1
        return Block(
            stream_id=joined.stream_id if own else None,
            first_row=min(joined.rows),
            rows=len(joined),
            series=joined.series if own else None,
            id_min=min(joined.ids) if own else None,
            id_max=max(joined.ids) if own else None,
            received_min=min(joined.received_us),
            received_max=max(joined.received_us),
            columns=self._compress(_encode(columns)),
            payloads=self._compress(b"".join(joined.payloads)),
            shared=[] if own else _streams_of(pieces),
        )


class BlockDecoder:
    """Reads blocks. For one thread."""

    def __init__(self) -> None:
        self._decompress = zstandard.ZstdDecompressor().decompress

    def messages(self, columns: bytes, payloads: bytes, streams: Container[int] | None = None) -> list[Messages]:
        """The messages of a block, each stream's and series' apart; only those of `streams`, if given.

        Raises DamagedError.
        """
        read, text = self._columns(columns), self._plain(payloads, _MAX_TEXT_BYTES)
        ends = list(accumulate(read.lengths, initial=0))
        if ends[-1] != len(text):
            raise DamagedError("a block's texts do not have the lengths that it says")
        return list(_split(read, text, ends, streams))

    def live(self, columns: bytes) -> dict[int, int]:
        """How many messages of each stream in a block came over a socket, and not late. Raises DamagedError."""
        read = self._columns(columns)
        counts: dict[int, int] = {}
        start = 0
        for index, (stream_id, _, count) in enumerate(read.pieces):
            others = count if index in read.late else read.lines[start : start + count].count(BACKFILLED_LINE)
            counts[stream_id] = counts.get(stream_id, 0) + count - others
            start += count
        return counts

    def _columns(self, packed: bytes) -> _Columns:
        try:
            read = _decode(self._plain(packed, _MAX_COLUMNS_BYTES))
        except msgspec.DecodeError as error:
            raise DamagedError(f"a block cannot be read: {error}") from error
        count = sum(piece[2] for piece in read.pieces)
        if {count} != {
            len(read.rows),
            len(read.ids),
            len(read.received_us),
            len(read.exchange_us),
            len(read.lines),
            len(read.lengths),
        }:
            raise DamagedError("a block's columns differ in length")
        return read

    def _plain(self, packed: bytes, most_bytes: int) -> bytes:
        try:
            size = zstandard.get_frame_parameters(packed).content_size
            if size > most_bytes:
                raise DamagedError(f"a block says that it has {size} bytes")
            plain: bytes = self._decompress(packed)
        except (zstandard.ZstdError, TypeError) as error:  # SQLite may give a number or a text instead of bytes
            raise DamagedError(f"a block cannot be read: {error}") from error
        return plain


def _joined(pieces: list[Messages]) -> Messages:
    joined = Messages(0, 0)
    for piece in pieces:
        joined.extend(piece)
    return joined


def _streams_of(pieces: list[Messages]) -> list[tuple[int, int]]:
    counts: dict[int, int] = {}
    for piece in pieces:
        counts[piece.stream_id] = counts.get(piece.stream_id, 0) + len(piece)
    return list(counts.items())


def _split(read: _Columns, text: bytes, ends: list[int], streams: Container[int] | None) -> Iterator[Messages]:
    start = 0
    for index, (stream_id, series, count) in enumerate(read.pieces):
        end = start + count
        if streams is None or stream_id in streams:
            payloads = [text[first:last] for first, last in pairwise(ends[start : end + 1])]
            yield Messages(
                stream_id, series, read.rows[start:end], read.ids[start:end], read.received_us[start:end],
                read.exchange_us[start:end], read.lines[start:end], payloads,
                is_late=index in read.late,
            )  # fmt: skip
        start = end
