"""The columns of the archive's files: exactly these, in this order. Partition keys are no columns.

The further columns of a data type are the fields of its typed row in `collector.domain.records`.
"""

from typing import Final, get_type_hints

import pyarrow as pa

from collector.domain.records import GAP, ROW_TYPES, UNDECODED

SCHEMA_VERSION: Final = 2
"""Any change of the columns raises it; a data type that is new changes none."""

_SINCE: Final = {("trade", "sequence"): 2, ("trade", "kind"): 2}
"""By data type and column, the first version that has it; all others have always been there."""

_TIME: Final = pa.timestamp("us", tz="UTC")

_ARROW_TYPES: Final[dict[object, pa.DataType]] = {
    str: pa.string(),
    str | None: pa.string(),
    float | None: pa.float64(),
    int | None: pa.int64(),
    bool: pa.bool_(),
    tuple[float | None, ...]: pa.list_(pa.float64()),
}

COMMON_SCHEMA: Final = pa.schema(
    {
        "received_at": _TIME,
        "exchange_at": _TIME,
        "line": pa.int8(),
        "series": pa.int32(),
        "raw": pa.string(),
    }
)
"""The first columns of every file but the gap ledger's."""

ROW_SCHEMAS: Final = {
    data_type: pa.schema({name: _ARROW_TYPES[hint] for name, hint in get_type_hints(row_type).items()})
    for data_type, row_type in ROW_TYPES.items()
}
"""The further columns of each data type that can be typed."""

MESSAGE_SCHEMAS: Final = {name: pa.schema([*COMMON_SCHEMA, *schema]) for name, schema in ROW_SCHEMAS.items()}
"""All columns of their files."""

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


def schema_of(data_type: str, version: int) -> pa.Schema | None:
    """All columns of a data type's files of that version; None where this program does not know."""
    schema = _SCHEMAS.get(data_type)
    if schema is None or version > SCHEMA_VERSION:
        return None
    return pa.schema([field for field in schema if _SINCE.get((data_type, field.name), 1) <= version])
