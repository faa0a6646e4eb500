"""Rows of an object read again: those that have their text, by the adapter of this version."""

from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from collector.read.pieces import with_schema
from collector.storage.archive.schema import MESSAGE_SCHEMAS
from collector.storage.staging.columns import RowReader, message_batch
from collector.storage.staging.object_messages import ObjectMessages


class Reread(NamedTuple):
    """Rows as this version stores them."""

    table: pa.Table
    read: int
    """Rows that had their text."""
    changed: int
    """Of those, rows of which this version reads something else."""
    unread: int
    """Of those, rows that this version cannot read: they stay as they were."""


def reread(table: pa.Table, data_type: str, row_reader: RowReader) -> Reread:
    """Read the rows of an object again, from whichever version of the columns; receipt, times, line and series stay."""
    old = with_schema(table, MESSAGE_SCHEMAS[data_type])
    has_text = old["raw"].is_valid()
    indexes: list[int] = pc.indices_nonzero(has_text).to_pylist()
    if not indexes:
        return Reread(old, 0, 0, 0)
    texts = old.take(indexes)
    typed = message_batch(row_reader, data_type, _messages(texts), keep_raw=True)
    # A message's row says at which index it stands.
    there = typed.messages.rows
    new = pa.Table.from_batches([typed.batch])
    changed = _changed(texts.take(there), new)
    if changed:
        old = _replaced(old, [indexes[row] for row in there], new)
    return Reread(old, len(indexes), changed, len(indexes) - len(there))


def _messages(texts: pa.Table) -> ObjectMessages:
    count = len(texts)
    return ObjectMessages(
        series=texts["series"].to_pylist(),
        ids=[0] * count,
        rows=list(range(count)),
        received_us=texts["received_at"].cast(pa.int64()).to_pylist(),
        exchange_us=texts["exchange_at"].cast(pa.int64()).to_pylist(),
        lines=texts["line"].to_pylist(),
        payloads=[text.encode() for text in texts["raw"].to_pylist()],
    )


def _changed(old: pa.Table, new: pa.Table) -> int:
    """How many rows differ in any column."""
    differing = set[int]()
    for name in new.column_names:
        if not old[name].equals(new[name]):
            pairs = zip(old[name].to_pylist(), new[name].to_pylist(), strict=True)
            differing.update(index for index, (before, after) in enumerate(pairs) if before != after)
    return len(differing)


def _replaced(table: pa.Table, indexes: list[int], rows: pa.Table) -> pa.Table:
    order = list(range(len(table)))
    for place, index in enumerate(indexes):
        order[index] = len(table) + place
    return pa.concat_tables([table, rows]).take(order)
