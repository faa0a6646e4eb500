from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from collector.storage.archive.parquet import ROW_GROUP_BYTES, ROW_GROUP_ROWS, ParquetFile
from collector.storage.archive.schema import GAP_SCHEMA, MESSAGE_SCHEMAS, UNDECODED_SCHEMA

SCHEMA = MESSAGE_SCHEMAS["trade"]


def batch(rows: int, schema: pa.Schema = SCHEMA) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.nulls(rows, field.type) for field in schema], schema=schema)


def row_groups(path: Path) -> list[int]:
    metadata = pq.ParquetFile(path).metadata
    return [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]


def test_a_row_group_ends_at_its_number_of_rows(tmp_path: Path) -> None:
    file = ParquetFile(tmp_path / "a", SCHEMA, 3)
    for _ in range(40):
        file.append(batch(4_096), 4_096)
    file.close({})
    assert row_groups(tmp_path / "a") == [ROW_GROUP_ROWS, ROW_GROUP_ROWS, 8 * 4_096]


def test_a_row_group_ends_before_its_payloads_exceed_their_limit(tmp_path: Path) -> None:
    file = ParquetFile(tmp_path / "a", SCHEMA, 3)
    for size in (ROW_GROUP_BYTES // 2, ROW_GROUP_BYTES // 2, 1, 3 * ROW_GROUP_BYTES, 1):
        file.append(batch(10), size)
    file.close({})
    assert row_groups(tmp_path / "a") == [20, 10, 10, 10]


@pytest.mark.parametrize("schema", [*MESSAGE_SCHEMAS.values(), GAP_SCHEMA, UNDECODED_SCHEMA])
def test_every_kind_of_file_reads_back_with_its_columns_and_metadata(tmp_path: Path, schema: pa.Schema) -> None:
    file = ParquetFile(tmp_path / "a", schema, 3)
    file.append(batch(2, schema), 0)
    file.close({"collector.host": "host-1"})
    table = pq.ParquetFile(tmp_path / "a").read()
    assert table.schema.equals(schema)
    assert table.num_rows == 2
    assert pq.read_metadata(tmp_path / "a").metadata[b"collector.host"] == b"host-1"


def test_columns_are_compressed_with_zstd(tmp_path: Path) -> None:
    file = ParquetFile(tmp_path / "a", SCHEMA, 3)
    file.append(batch(2), 0)
    file.close({})
    group = pq.read_metadata(tmp_path / "a").row_group(0)
    assert {group.column(number).compression for number in range(group.num_columns)} == {"ZSTD"}


@pytest.mark.parametrize(
    ("data_type", "through_dictionaries"),
    [
        ("trade", {"line", "series", "size", "side", "kind"}),
        ("agg_trade", {"line", "series", "size", "side"}),
        ("book_delta", {"line", "series"}),
        ("book_ticker", {"line", "series"}),
    ],
)
def test_only_what_repeats_goes_through_a_dictionary(
    tmp_path: Path, data_type: str, through_dictionaries: set[str]
) -> None:
    schema = MESSAGE_SCHEMAS[data_type]
    some = {pa.string(): "x", pa.float64(): 1.5, pa.bool_(): True, pa.list_(pa.float64()): [1.5]}
    columns = [
        pa.array([some.get(field.type, 1)], pa.int64() if pa.types.is_timestamp(field.type) else field.type)
        for field in schema
    ]
    file = ParquetFile(tmp_path / "a", schema, 3)
    file.append(
        pa.RecordBatch.from_arrays([a.cast(f.type) for a, f in zip(columns, schema, strict=True)], schema=schema), 0
    )
    file.close({})
    group = pq.read_metadata(tmp_path / "a").row_group(0)
    found = [group.column(number) for number in range(group.num_columns)]
    assert {one.path_in_schema for one in found if "RLE_DICTIONARY" in one.encodings} == through_dictionaries
