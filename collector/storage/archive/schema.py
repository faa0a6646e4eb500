"""The columns of the archive's files: exactly these, in this order. Partition keys are not columns.

The further columns of a data type are the fields of its typed row in `collector.domain.records`.
"""

from typing import Final, get_type_hints

import pyarrow as pa

from collector.domain.records import GAP, ROW_TYPES, UNDECODED

SCHEMA_VERSION: Final = 2
"""Raised by any change of the columns; a new data type is no such change."""

_SINCE: Final = {("trade", "sequence"): 2, ("trade", "kind"): 2}
"""The first version of a column, by data type and column; all others are there since version 1."""

_TIME: Final = pa.timestamp("us", tz="UTC")

_ARROW_TYPES: Final[dict[object, pa.DataType]] = {
    str: pa.string(),
    str | None: pa.string(),
    float | None: pa.float64(),
    int | None: pa.int64(),
    bool: pa.bool_(),
    tuple[float | None, ...]: pa.list_(pa.float64()),
}

_TYPES_BY_NAME: Final[dict[str, pa.DataType]] = {
    "next_funding_at": _TIME,
    "interval_secs": pa.int32(),
    "listed_at": _TIME,
    "expires_at": _TIME,
}
"""The types of columns whose hint does not tell."""

COMMON_SCHEMA: Final = pa.schema(
    {
        "received_at": _TIME,
        "exchange_at": _TIME,
        "line": pa.int8(),
        "series": pa.int32(),
        "raw": pa.string(),
    }
)
"""The first columns of every file but gap rows."""

ROW_SCHEMAS: Final = {
    data_type: pa.schema(
        {name: _TYPES_BY_NAME.get(name) or _ARROW_TYPES[hint] for name, hint in get_type_hints(row_type).items()}
    )
    for data_type, row_type in ROW_TYPES.items()
}
"""The further columns of each typed data type."""

MESSAGE_SCHEMAS: Final = {name: pa.schema([*COMMON_SCHEMA, *schema]) for name, schema in ROW_SCHEMAS.items()}
"""All columns of the files of each typed data type."""

UNDECODED_SCHEMA: Final = pa.schema([*COMMON_SCHEMA, ("frame", pa.binary()), ("reason", pa.string())])

GAP_SCHEMA: Final = pa.schema(
    {
        "gap_id": pa.string(),
        "stream_type": pa.string(),
        "kind": pa.string(),
        "cause": pa.string(),
        "expected_id": pa.string(),
        "actual_id": pa.string(),
        "missing": pa.int64(),
        "started_at": _TIME,
        "ended_at": _TIME,
        "line": pa.int8(),
        "status": pa.string(),
        "repaired_by": pa.string(),
        "detected_at": _TIME,
    }
)

_SCHEMAS: Final = {**MESSAGE_SCHEMAS, UNDECODED: UNDECODED_SCHEMA, GAP: GAP_SCHEMA}

DATA_TYPES: Final = tuple(_SCHEMAS)
"""All that have files of their own."""


def schema_of(data_type: str, version: int) -> pa.Schema | None:
    """All columns of a data type's files in that version; None if this program does not know them."""
    schema = _SCHEMAS.get(data_type)
    if schema is None or version > SCHEMA_VERSION:
        return None
    return pa.schema([field for field in schema if _SINCE.get((data_type, field.name), 1) <= version])
