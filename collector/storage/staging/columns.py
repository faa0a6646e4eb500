"""Turns stored messages into Arrow columns: typed ones where the adapter can read them, their bytes where it cannot.

A message is a tuple (series, id, row, received_us, exchange_us, line, payload) here.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import pyarrow as pa

from collector.domain import decimals
from collector.domain.records import TypedRow
from collector.domain.times import is_sound, sound_us
from collector.storage.archive.schema import COMMON_SCHEMA, GAP_SCHEMA, MESSAGE_SCHEMAS, ROW_SCHEMAS, UNDECODED_SCHEMA
from collector.storage.staging.spill import Row


class RowReader(Protocol):
    """The part of an exchange's adapter that the archive uses; see `collector.exchanges.adapter.Adapter`."""

    def rows(self, data_type: str, payloads: Sequence[bytes]) -> list[TypedRow | None]:
        """Type payloads, one row each; None for a payload without the shape of `data_type`."""
        ...

    def decimals(self, data_type: str, payload: bytes) -> Iterable[str]:
        """The text of every number of `payload` that `rows` turns into a double."""
        ...


class Typed(NamedTuple):
    """Typed messages as columns and as rows, and the messages that could not be typed."""

    batch: pa.RecordBatch
    rows: list[Row]
    untyped: list[Row]


def message_batch(row_reader: RowReader, data_type: str, rows: list[Row], *, keep_raw: bool) -> Typed:
    """Type messages.

    A row keeps its payload's text in `raw` if one of its doubles differs from the decimal that was sent, if one of its
    numbers could not be read, if the exchange's time cannot be true, and always with `keep_raw`.
    """
    typed = row_reader.rows(data_type, [row[-1] for row in rows])
    try:
        return _batch_of(row_reader, data_type, rows, typed, keep_raw=keep_raw)
    except (pa.ArrowInvalid, OverflowError, UnicodeError):
        # An id beyond 64 bits, or text that is not UTF-8: only trying each row tells which one has it.
        typed = [
            found if _fits(row_reader, data_type, row, found, keep_raw=keep_raw) else None
            for row, found in zip(rows, typed, strict=True)
        ]
        return _batch_of(row_reader, data_type, rows, typed, keep_raw=keep_raw)


def undecoded_batch(rows: list[Row], reasons: list[str | None]) -> pa.RecordBatch:
    """Untyped messages, each with its reason. `raw` stays null, because `frame` holds the bytes."""
    arrays = [
        *_common_arrays(rows, [None] * len(rows)),
        pa.array([row[-1] for row in rows], pa.binary()),
        pa.array(reasons, pa.string()),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=UNDECODED_SCHEMA)


def gap_batch(rows: list[Row]) -> pa.RecordBatch:
    """Gap rows as columns."""
    arrays = _arrays(list(zip(*rows, strict=True)), GAP_SCHEMA)
    return pa.RecordBatch.from_arrays(arrays, schema=GAP_SCHEMA)


def _batch_of(
    row_reader: RowReader, data_type: str, rows: list[Row], typed: Sequence[TypedRow | None], *, keep_raw: bool
) -> Typed:
    untyped: list[Row] = []
    if not all(typed):  # a typed row is a tuple with fields: only None is false
        untyped = [row for row, found in zip(rows, typed, strict=True) if found is None]
        rows = [row for row, found in zip(rows, typed, strict=True) if found is not None]
        typed = [found for found in typed if found is not None]
    schema = ROW_SCHEMAS[data_type]
    columns = list(zip(*typed, strict=True)) or [()] * len(schema)
    arrays = _arrays(columns, schema)
    payloads = [row[-1] for row in rows]
    kept = (
        range(len(rows))
        if keep_raw
        else {*_inexact(row_reader, data_type, payloads), *_with_unread_number(columns, arrays), *_out_of_time(rows)}
    )
    raw: list[str | None] = [None] * len(rows)
    for index in kept:
        raw[index] = payloads[index].decode()
    batch = pa.RecordBatch.from_arrays([*_common_arrays(rows, raw), *arrays], schema=MESSAGE_SCHEMAS[data_type])
    return Typed(batch, rows, untyped)


def _fits(row_reader: RowReader, data_type: str, row: Row, found: TypedRow | None, *, keep_raw: bool) -> bool:
    try:
        _batch_of(row_reader, data_type, [row], [found], keep_raw=keep_raw)
    except (pa.ArrowInvalid, OverflowError, UnicodeError):
        return False
    return True


def _common_arrays(rows: list[Row], raw: list[str | None]) -> list[pa.Array]:
    series, _, _, received_us, exchange_us, line, _ = zip(*rows, strict=True) if rows else [()] * 7
    times = list(map(sound_us, exchange_us, received_us))
    return _arrays([received_us, times, line, series, raw], COMMON_SCHEMA)


def _arrays(columns: Sequence[Sequence[Any]], schema: pa.Schema) -> list[pa.Array]:
    return [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]


def _inexact(row_reader: RowReader, data_type: str, payloads: list[bytes]) -> Iterator[int]:
    for index in decimals.suspects(payloads):
        if not all(map(decimals.is_exact, row_reader.decimals(data_type, payloads[index]))):
            yield index


def _out_of_time(rows: list[Row]) -> Iterator[int]:
    for index, (_, _, _, received_us, exchange_us, _, _) in enumerate(rows):
        if exchange_us is not None and not is_sound(exchange_us, received_us):
            yield index


def _with_unread_number(columns: Sequence[Sequence[Any]], arrays: list[pa.Array]) -> Iterator[int]:
    for column, array in zip(columns, arrays, strict=True):
        if pa.types.is_floating(array.type) and array.null_count:
            yield from (index for index, number in enumerate(column) if number is None)
        elif pa.types.is_list(array.type) and array.values.null_count:
            yield from (index for index, numbers in enumerate(column) if None in numbers)
