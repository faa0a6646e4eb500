"""The rows of a segment's gap ledger: noted before its frames are read again, and written with what that closed."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from collector.domain.records import IdRule, StreamKey
from collector.read.ledger.gaps import TIMES
from collector.read.pieces import with_schema
from collector.reprocess.mending import MENDED_BY, Mending
from collector.reprocess.refilled import Refilled
from collector.reprocess.source_rows import Exchange
from collector.storage.archive.manifest import ManifestObject
from collector.storage.archive.schema import GAP_SCHEMA


def note_gaps(mending: Mending, entry: ManifestObject, table: pa.Table, exchange: Exchange | None) -> None:
    """Note the gaps among rows of the ledger."""
    for stream, row in _rows(entry, table):
        mending.note_gap(stream, row, has_dense_ids=_has_dense_ids(exchange, stream))


def note_refilled(refilled: Refilled, entry: ManifestObject, table: pa.Table, exchange: Exchange | None) -> None:
    """Note the holes among rows of the ledger that were filled."""
    for stream, row in _rows(entry, table):
        if _has_dense_ids(exchange, stream):
            refilled.note_gap(stream, row)


def _has_dense_ids(exchange: Exchange | None, stream: StreamKey) -> bool:
    return exchange is not None and exchange.adapter.id_rules.get(stream.data_type) is IdRule.DENSE


def mended(mending: Mending, entry: ManifestObject, table: pa.Table) -> pa.Table:
    """Rows of the ledger; those of gaps that are closed now say so."""
    table = with_schema(table, GAP_SCHEMA)
    closed = [mending.is_closed(stream, row) for stream, row in _rows(entry, table)]
    if not any(closed):
        return table
    for name, value in {"status": "repaired", "repaired_by": MENDED_BY, "missing": 0}.items():
        values = [value if is_closed else old for is_closed, old in zip(closed, table[name].to_pylist(), strict=True)]
        field = GAP_SCHEMA.field(name)
        table = table.set_column(table.column_names.index(name), field, pa.array(values, field.type))
    return table


def _rows(entry: ManifestObject, table: pa.Table) -> Iterator[tuple[StreamKey, dict[str, Any]]]:
    for name in TIMES:
        table = table.set_column(table.column_names.index(name), name, table[name].cast(pa.int64()))
    for row in table.to_pylist():
        yield StreamKey(entry.exchange, entry.symbol, row["stream_type"]), row
