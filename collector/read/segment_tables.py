"""Types the messages of a segment that is no set yet, as the archiver will."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pyarrow as pa

from collector.domain.errors import ConfigError, DamagedError
from collector.domain.records import UNDECODED, StreamKey
from collector.exchanges import registry
from collector.read.pieces import Piece
from collector.read.window import Window
from collector.storage.segment.readable import StreamBlocks, readable
from collector.storage.staging.columns import RowReader, message_batch, undecoded_batch
from collector.storage.staging.object_messages import Chunks, ObjectMessages
from collector.storage.staging.undecoded import untyped_reason

OnUntyped = Callable[[StreamKey, ObjectMessages], None]
"""Called with messages that have no row."""


class SegmentStream(NamedTuple):
    """What a segment had of a stream when it was read."""

    key: StreamKey
    keep_raw: bool
    blocks: StreamBlocks
    reasons: dict[int, str]
    """Of a stream of `undecoded`: why, by row."""

    def first_key(self) -> tuple[int, int]:
        """The least series and id. Raises DamagedError."""
        return min((messages.series, min(messages.ids)) for messages in self.blocks.messages())

    def is_empty(self) -> bool:
        """Whether it has no message."""
        return next(self.blocks.messages(), None) is None

    def chunks(self) -> Iterator[ObjectMessages]:
        """Its messages in order of commits, some thousands at a time. Raises DamagedError."""
        chunks = Chunks()
        for messages in self.blocks.messages():
            yield from (chunk for chunk, _ in chunks.add(messages))
        yield from (chunk for chunk, _ in chunks.rest())


def segment_streams(piece: Piece, window: Window) -> list[SegmentStream]:
    """The piece's stream; for `undecoded` also the other streams of its symbol, whose messages may have no row.

    Blocks with nothing received in the window are left out. Raises FileNotFoundError once the segment is gone, DamagedError,
    UnreadableError.
    """
    assert piece.path is not None  # noqa: S101 -- a segment's piece always has one
    with readable(piece.path) as segment:
        wanted = [(key, number) for key, number in segment.numbers().items() if _is_wanted(key, piece.stream)]
        reasons = segment.reasons() if piece.stream.data_type == UNDECODED else {}
        return [
            SegmentStream(
                key,
                segment.meta.get("keep_raw") == "1",
                segment.blocks(number, window.since_us, window.until_us),
                reasons,
            )
            for key, number in wanted
        ]


def typed_tables(stream: SegmentStream, on_untyped: OnUntyped) -> Iterator[pa.Table]:
    """The rows of a stream in order of commits. Raises DamagedError."""
    row_reader = _row_reader(stream.key.exchange)
    for chunk in stream.chunks():
        typed = message_batch(row_reader, stream.key.data_type, chunk, keep_raw=stream.keep_raw)
        if typed.untyped.number:
            on_untyped(stream.key, typed.untyped)
        yield pa.Table.from_batches([typed.batch])


def undecoded_tables(stream: SegmentStream) -> Iterator[pa.Table]:
    """The messages of a stream that are not understood. Raises DamagedError."""
    if stream.key.data_type == UNDECODED:
        for chunk in stream.chunks():
            yield pa.Table.from_batches([undecoded_batch(chunk, list(map(stream.reasons.get, chunk.rows)))])
        return
    untyped: list[ObjectMessages] = []
    for _ in typed_tables(stream, lambda _, messages: untyped.append(messages)):
        pass
    for messages in untyped:
        reasons: list[str | None] = [untyped_reason(stream.key.data_type)] * messages.number
        yield pa.Table.from_batches([undecoded_batch(messages, reasons)])


def _is_wanted(key: StreamKey, wanted: StreamKey) -> bool:
    return key == wanted or (wanted.data_type == UNDECODED and key[:2] == wanted[:2])


def _row_reader(exchange: str) -> RowReader:
    try:
        return registry.adapter(exchange)
    except ConfigError as error:
        raise DamagedError(f"a segment holds messages of {exchange!a}, which this version cannot read") from error
