"""Turns stored messages into Arrow columns: typed ones where the adapter can read them, their bytes where it cannot."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, Final, NamedTuple, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from collector.domain import decimals
from collector.domain.records import INSTRUMENT, Column, Lists, TypedColumns
from collector.domain.times import EARLIEST_US, LONGEST_AHEAD_US, is_sound, sound_us
from collector.storage.archive.schema import COMMON_SCHEMA, GAP_SCHEMA, MESSAGE_SCHEMAS, ROW_SCHEMAS, UNDECODED_SCHEMA
from collector.storage.staging.object_messages import ObjectMessages

_UNFIT: Final = (pa.ArrowInvalid, OverflowError, UnicodeError)
"""What a value brings that no column can hold: an id beyond 64 bits, or text that is not UTF-8."""


class RowReader(Protocol):
    """The part of an exchange's adapter that the archive uses; see `collector.exchanges.adapter.Adapter`."""

    def columns(self, data_type: str, payloads: Sequence[bytes]) -> TypedColumns:
        """Type payloads, one row each; a payload without the shape of `data_type` has none."""
        ...

    def decimals(self, data_type: str, payload: bytes) -> Iterable[str]:
        """The text of every number of `payload` that `columns` turns into a double."""
        ...


class Typed(NamedTuple):
    """Typed messages, as Arrow columns and as they were given, and the messages that could not be typed."""

    batch: pa.RecordBatch
    messages: ObjectMessages
    untyped: ObjectMessages


def message_batch(row_reader: RowReader, data_type: str, messages: ObjectMessages, *, keep_raw: bool) -> Typed:
    """Type messages.

    A row keeps its payload's text in `raw` if one of its doubles differs from the decimal that was sent, if one of its
    numbers could not be read, if the exchange's time cannot be true, and always with `keep_raw` and for an instrument, of
    which its columns tell only a part.
    """
    try:
        batch, untyped = _batch_of(row_reader, data_type, messages, keep_raw=keep_raw)
    except _UNFIT:
        # Only trying each message alone tells which one it is.
        untyped = [
            index
            for index in range(messages.number)
            if not _fits(row_reader, data_type, messages.only([index]), keep_raw=keep_raw)
        ]
        batch, _ = _batch_of(row_reader, data_type, messages.without(untyped), keep_raw=keep_raw)
    return Typed(batch, messages.without(untyped), messages.only(untyped))


def undecoded_batch(messages: ObjectMessages, reasons: list[str | None]) -> pa.RecordBatch:
    """Untyped messages, each with its reason. `raw` stays null, because `frame` holds the bytes."""
    arrays = [
        *_common_arrays(messages, _times(messages), {}),
        pa.array(messages.payloads, pa.binary()),
        pa.array(reasons, pa.string()),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=UNDECODED_SCHEMA)


def gap_batch(rows: Sequence[tuple[Any, ...]]) -> pa.RecordBatch:
    """Gap rows as columns."""
    columns = zip(*rows, strict=True)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, GAP_SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=GAP_SCHEMA)


def _batch_of(
    row_reader: RowReader, data_type: str, messages: ObjectMessages, *, keep_raw: bool
) -> tuple[pa.RecordBatch, list[int]]:
    """The typed rows, and the indexes of the messages that have none. Raises one of _UNFIT."""
    columns, untyped, unread = row_reader.columns(data_type, messages.payloads)
    messages = messages.without(untyped)
    times = _times(messages)
    arrays = [_array(column, field.type) for column, field in zip(columns, ROW_SCHEMAS[data_type], strict=True)]
    inexact = _inexact(row_reader, data_type, messages.payloads)
    kept = range(messages.number) if keep_raw or data_type == INSTRUMENT else {*inexact, *times.unsound, *unread}
    raw = {index: messages.payloads[index] for index in kept}
    common = _common_arrays(messages, times, raw)
    return pa.RecordBatch.from_arrays([*common, *arrays], schema=MESSAGE_SCHEMAS[data_type]), untyped


def _fits(row_reader: RowReader, data_type: str, message: ObjectMessages, *, keep_raw: bool) -> bool:
    try:
        _, untyped = _batch_of(row_reader, data_type, message, keep_raw=keep_raw)
    except _UNFIT:
        return False
    return not untyped


class _Times(NamedTuple):
    received: pa.Array
    exchange: pa.Array
    """Null where the time cannot be true."""
    unsound: list[int]
    """The indexes of those."""


def _times(messages: ObjectMessages) -> _Times:
    time_type = COMMON_SCHEMA.field("exchange_at").type
    received = pa.array(messages.received_us, time_type)
    exchange = pa.array(messages.exchange_us, time_type)
    earliest, latest = pc.min(exchange).value, pc.max(exchange).value
    if earliest is None or (earliest >= EARLIEST_US and latest <= pc.min(received).value + LONGEST_AHEAD_US):
        return _Times(received, exchange, [])
    pairs = list(zip(messages.exchange_us, messages.received_us, strict=True))
    unsound = [index for index, (sent, came) in enumerate(pairs) if sent is not None and not is_sound(sent, came)]
    return _Times(received, pa.array([sound_us(*pair) for pair in pairs], time_type), unsound)


def _common_arrays(messages: ObjectMessages, times: _Times, raw: dict[int, bytes]) -> list[pa.Array]:
    lines, series, texts = (COMMON_SCHEMA.field(name).type for name in ("line", "series", "raw"))
    count = messages.number
    return [
        times.received,
        times.exchange,
        pa.array(messages.lines, lines),
        pa.array(messages.series, series),
        pa.array(map(raw.get, range(count)), texts, size=count) if raw else pa.nulls(count, texts),
    ]


def _array(column: Column, type_: pa.DataType) -> pa.Array:
    if not isinstance(column, Lists):
        return pa.array(column, type_)
    offsets = pa.array(list(accumulate(column.lengths, initial=0)), pa.int32())
    return pa.ListArray.from_arrays(offsets, _doubles(column.values), type_)


def _doubles(values: "array[float] | list[float | None]") -> pa.Array:
    if isinstance(values, array):
        return pa.Array.from_buffers(pa.float64(), len(values), [None, pa.py_buffer(values)])
    return pa.array(values, pa.float64())


def _inexact(row_reader: RowReader, data_type: str, payloads: list[bytes]) -> Iterator[int]:
    for index in decimals.suspects(payloads):
        if not all(map(decimals.is_exact, row_reader.decimals(data_type, payloads[index]))):
            yield index
