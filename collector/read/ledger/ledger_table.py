"""The gap ledger as a table."""

from collections.abc import Iterable
from typing import Final

import pyarrow as pa

from collector.read.ledger.gaps import LedgerRow
from collector.storage.archive.schema import GAP_SCHEMA

LEDGER_SCHEMA: Final = pa.schema([("exchange", pa.string()), ("symbol", pa.string()), *GAP_SCHEMA])
"""Exchange and symbol, then the ledger's columns."""


def ledger_table(rows: Iterable[LedgerRow]) -> pa.Table:
    """The rows, in their order."""
    columns = [{"exchange": row.exchange, "symbol": row.symbol, **row.gap._asdict()} for row in rows]
    return pa.Table.from_pylist(columns, LEDGER_SCHEMA)
