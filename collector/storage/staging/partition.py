"""Sorts the rows of a sealed segment into the objects they belong to, in one pass in the order of receipt.

`collector.domain.names.object_key` gives the key of such an object.
"""

from collections.abc import Callable

from collector.domain.errors import DamagedError
from collector.domain.names import DAY_US, ObjectPartition, date_of
from collector.domain.records import BACKFILLED_LINE, GAP, ROW_TYPES, UNDECODED, StreamKey
from collector.domain.times import sound_us
from collector.storage.segment.sealed_segment import SealedSegment
from collector.storage.staging.spill import ARRIVAL, BY_ID, ROW_BYTES, Row, Spill

Tick = Callable[[], None]
"""Progress callback for long work."""

_ACCOUNT_BYTES = 1 << 20


def partition_of(stream: StreamKey, day: int) -> ObjectPartition:
    """The object for the rows of a stream on a day, counted from the epoch."""
    return ObjectPartition(stream.exchange, stream.data_type, stream.symbol, date_of(day))


def partition_messages(segment: SealedSegment, spill: Spill, tick: Tick) -> None:
    """Add every message to its partition, as (series, id, row, received_us, exchange_us, line, payload).

    Its date is that of its receipt; for a backfilled message, that of the exchange's time if that can be true.
    Raises DamagedError if messages are missing, or are of a stream or data type that the segment cannot have.
    """
    appends: dict[tuple[int, int], Callable[[Row], None]] = {}
    buffered_bytes = rows = 0
    for stream_id, series, id_, row, received_us, exchange_us, line, payload in segment.messages():
        rows += 1
        if row != rows:
            raise DamagedError(f"segment {segment.meta.segment_id} has message {row} where {rows} should stand")
        time_us = received_us if line != BACKFILLED_LINE else sound_us(exchange_us, received_us) or received_us
        stream_day = stream_id, time_us // DAY_US
        append = appends.get(stream_day)
        if append is None:
            append = appends[stream_day] = _rows_of(segment, spill, *stream_day).append
        append((series, id_, row, received_us, exchange_us, line, payload))
        buffered_bytes += len(payload) + ROW_BYTES
        if buffered_bytes > _ACCOUNT_BYTES:
            spill.note_bytes(buffered_bytes)
            buffered_bytes = 0
            tick()
    spill.note_bytes(buffered_bytes)
    if rows != segment.rows:
        raise DamagedError(
            f"segment {segment.meta.segment_id} numbers its messages to {segment.rows}, but holds {rows}"
        )


def partition_gaps(segment: SealedSegment, spill: Spill) -> None:
    """Add every gap to its partition, as (exchange, symbol, row, the gap columns), dated by `detected_at`."""
    for gap in segment.gaps():
        exchange, symbol, *_, detected_at = gap
        partition = partition_of(StreamKey(exchange, symbol, GAP), detected_at // DAY_US)
        spill.rows_of(partition, ARRIVAL).append(gap)
        spill.note_bytes(2 * ROW_BYTES)


def _rows_of(segment: SealedSegment, spill: Spill, stream_id: int, day: int) -> list[Row]:
    stream = segment.streams.get(stream_id)
    if stream is None:
        raise DamagedError(f"segment {segment.meta.segment_id} has messages of stream {stream_id}, but no such stream")
    if stream.key.data_type not in {*ROW_TYPES, UNDECODED}:
        raise DamagedError(f"segment {segment.meta.segment_id} has messages of unknown type {stream.key.data_type!r}")
    return spill.rows_of(partition_of(stream.key, day), BY_ID if stream.has_ids else ARRIVAL)
