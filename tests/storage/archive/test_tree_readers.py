"""The tree as others read it: pyarrow, Polars and DuckDB, with hive partitions."""

import re
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import dataset
from pyarrow import parquet as pq

from collector.domain.names import manifest_key
from collector.domain.records import StreamKey
from collector.storage.archive.schema import MESSAGE_SCHEMAS, SCHEMA_VERSION, schema_of
from collector.storage.segment.sealed_segment import open_sealed
from collector.storage.store.directory import DirectoryStore
from tests.storage.segment.segment_files import (
    BOOK,
    DAY_US,
    NOON_US,
    SEGMENT_ID,
    TRADES,
    UNKNOWN,
    ToyRowReader,
    make_gap,
    make_segment,
    message,
    trade,
)
from tests.storage.staging.staged_files import stage

OPERATIONS = Path(__file__).parents[3] / "docs/OPERATIONS.md"
ODD = StreamKey("toy", "ä=1 %2F/\\", "trade")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trades of two symbols on two days, each symbol's name a trial, beside all else a store holds."""
    base = tmp_path_factory.mktemp("tree")
    streams = [TRADES, ODD, BOOK, UNKNOWN]
    messages = [
        message(number % 2, number, trade(number), received_us=NOON_US + number % 4 // 2 * DAY_US)
        for number in range(20)
    ]
    messages += [message(2, 1, b'{"U": 1, "u": 2, "b": [["1", "2"]], "a": []}'), message(3, 0, b"?")]
    segment_path = make_segment(base, streams, messages, gaps=[("toy", "_", make_gap())])
    store = DirectoryStore(base / "archive")
    (base / "staging").mkdir()
    with open_sealed(segment_path) as segment:
        staged = stage(segment, lambda _exchange: ToyRowReader(), base / "staging", lambda: None)
    for file in staged.files:
        store.put(file.object.key, file.path, file.object.sha256)
    (base / "archive" / manifest_key("host-1", SEGMENT_ID)).parent.mkdir(parents=True)
    (base / "archive" / manifest_key("host-1", SEGMENT_ID)).write_bytes(staged.manifest.encode())
    (base / "archive" / "_incoming" / "killed.tmp").write_bytes(b"half")
    return base / "archive"


def trades(tree: Path) -> Path:
    return tree / "exchange=toy" / "data_type=trade"


def symbols(values: list[Any]) -> dict[Any, int]:
    return {value: values.count(value) for value in set(values)}


EVEN = {TRADES.symbol: 10, ODD.symbol: 10}


def test_pyarrow_reads_a_data_type_as_one_table_with_its_partitions(tree: Path) -> None:
    table = pq.read_table(trades(tree))
    assert symbols(table["symbol"].to_pylist()) == EVEN
    assert symbols(table["date"].to_pylist()) == {"2026-11-23": 10, "2026-11-24": 10}


def test_pyarrow_reads_the_whole_tree(tree: Path) -> None:
    table = pq.read_table(tree)
    assert table.num_rows == 23
    assert set(table["exchange"].to_pylist()) == {"toy"}


def test_a_pyarrow_dataset_finds_partitions_by_their_true_names(tree: Path) -> None:
    found = dataset.dataset(tree, partitioning="hive")
    table = found.to_table(filter=(dataset.field("symbol") == ODD.symbol) & (dataset.field("data_type") == "trade"))
    assert table.num_rows == 10
    assert set(table["date"].to_pylist()) == {"2026-11-23", "2026-11-24"}


def test_a_pyarrow_dataset_takes_given_partition_types(tree: Path) -> None:
    schema = pa.schema([("symbol", pa.string()), ("date", pa.date32())])
    found = dataset.dataset(trades(tree), partitioning=dataset.partitioning(schema, flavor="hive"))
    assert found.to_table(columns=["date"]).schema.field("date").type == pa.date32()


def test_polars_reads_the_tree_with_its_partitions(tree: Path) -> None:
    frame = pl.scan_parquet(trades(tree), hive_partitioning=True).collect()
    assert symbols(frame["symbol"].to_list()) == EVEN
    assert frame.schema["received_at"] == pl.Datetime("us", "UTC")
    pattern = f"{tree}/exchange=toy/data_type=trade/**/*.parquet"
    one = pl.scan_parquet(pattern, hive_partitioning=True).filter(pl.col("symbol") == ODD.symbol).collect()
    assert one.height == 10


def test_polars_reads_lists_of_doubles(tree: Path) -> None:
    frame = pl.scan_parquet(f"{tree}/*/data_type=book_delta/**/*.parquet", hive_partitioning=True).collect()
    assert frame["bid_prices"].to_list() == [[1.0]]
    assert frame.schema["bid_prices"] == pl.List(pl.Float64)


def test_duckdb_reads_the_tree_with_its_partitions(tree: Path) -> None:
    pattern = f"{tree}/*/data_type=trade/**/*.parquet"
    query = "SELECT symbol, count(*), sum(price) FROM read_parquet(?, hive_partitioning = true) GROUP BY ALL"
    with duckdb.connect() as db:
        rows = db.execute(query, [pattern]).fetchall()
        days = db.execute(
            "SELECT count(*) FROM read_parquet(?, hive_partitioning = true) WHERE date = DATE '2026-11-24'", [pattern]
        ).fetchall()
    assert {symbol: count for symbol, count, _ in rows} == EVEN
    assert days == [(10,)]


def test_duckdb_reads_every_data_type_at_once_by_the_names_of_the_columns(tree: Path) -> None:
    query = """SELECT data_type, count(*) FROM read_parquet(?, hive_partitioning = true, union_by_name = true)
               GROUP BY ALL"""
    with duckdb.connect() as db:
        rows = db.execute(query, [f"{tree}/**/*.parquet"]).fetchall()
    assert dict(rows) == {"trade": 20, "book_delta": 1, "undecoded": 1, "gap": 1}


def test_the_documented_query_gives_the_current_state_of_each_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lasting = make_gap(ended_at=None, missing=None)
    repaired = lasting._replace(ended_at=NOON_US + 1, missing=0, status="repaired", detected_at=NOON_US + 3)
    other = make_gap(gap_id="ff", started_at=NOON_US + 5, detected_at=NOON_US + 6)
    folder = tmp_path / "data/archive/exchange=toy/data_type=gap/symbol=A/date=2026-11-23"
    folder.mkdir(parents=True)
    for name, gaps in {"a": [repaired], "b": [lasting, other]}.items():
        rows = [gap._asdict() for gap in gaps]
        pq.write_table(pa.Table.from_pylist(rows, schema_of("gap", SCHEMA_VERSION)), folder / f"{name}.parquet")
    (query,) = re.findall(r"```sql\n(.*?)```", OPERATIONS.read_text("utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    with duckdb.connect() as db:
        result = db.sql(query)
        assert result is not None
        found = pl.DataFrame(result.to_arrow_table())
    assert found.select("exchange", "symbol", "stream_type", "status", "missing").rows() == [
        ("toy", "A", "trade", "repaired", 0),
        ("toy", "A", "trade", "open", 3),
    ]


@pytest.fixture(scope="module", params=["the older files first", "the newer files first"])
def mixed(request: pytest.FixtureRequest, tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trades of two days, those of one as version 1 of the columns had them."""
    base = tmp_path_factory.mktemp("mixed") / "exchange=toy" / "data_type=trade"
    older = schema_of("trade", 1)
    assert older is not None
    older_day = "date=2026-11-23" if request.param == "the older files first" else "date=2026-11-24"
    for path in trades(tree).glob("**/*.parquet"):
        target = base / path.relative_to(trades(tree))
        target.parent.mkdir(parents=True)
        table = pq.ParquetFile(path).read()
        pq.write_table(table.select(older.names) if path.parent.name == older_day else table, target)
    return base


KINDS = {None: 10, "market": 10}
"""A file without the column says nothing of it."""


def test_pyarrow_reads_a_mixed_tree_with_a_given_schema(mixed: Path) -> None:
    partitions = dataset.partitioning(pa.schema([("symbol", pa.string()), ("date", pa.string())]), flavor="hive")
    schema = pa.schema([*MESSAGE_SCHEMAS["trade"], ("symbol", pa.string()), ("date", pa.string())])
    table = dataset.dataset(mixed, schema=schema, partitioning=partitions).to_table()
    assert symbols(table["kind"].to_pylist()) == KINDS
    assert symbols(table["symbol"].to_pylist()) == EVEN
    assert None not in table["price"].to_pylist()


def test_pyarrow_reads_a_mixed_tree_by_the_schema_of_its_newest_file(mixed: Path) -> None:
    parts = [dataset.dataset(path) for path in mixed.glob("**/*.parquet")]
    schema = pa.unify_schemas([part.schema for part in parts])
    table = dataset.dataset(mixed, schema=schema).to_table()
    assert symbols(table["kind"].to_pylist()) == KINDS


def test_polars_reads_a_mixed_tree_where_columns_may_be_missing(mixed: Path) -> None:
    schema: dict[str, pl.DataType | type[pl.DataType]] = {
        "received_at": pl.Datetime("us", "UTC"), "exchange_at": pl.Datetime("us", "UTC"), "line": pl.Int8,
        "series": pl.Int32, "raw": pl.String, "trade_id": pl.String, "price": pl.Float64, "size": pl.Float64,
        "side": pl.String, "sequence": pl.Int64, "kind": pl.String,
    }  # fmt: skip
    scanned = pl.scan_parquet(f"{mixed}/**/*.parquet", hive_partitioning=True, schema=schema, missing_columns="insert")
    frame = scanned.collect()
    assert symbols(frame["kind"].to_list()) == KINDS
    assert symbols(frame["symbol"].to_list()) == EVEN


def test_polars_reads_a_mixed_tree_without_extra_columns(mixed: Path) -> None:
    scanned = pl.scan_parquet(
        f"{mixed}/**/*.parquet", hive_partitioning=True, missing_columns="insert", extra_columns="ignore"
    )
    assert scanned.collect().height == 20


def test_duckdb_reads_a_mixed_tree_by_the_names_of_the_columns(mixed: Path) -> None:
    query = """SELECT kind, count(*), count(price)
               FROM read_parquet(?, hive_partitioning = true, union_by_name = true) GROUP BY ALL"""
    with duckdb.connect() as db:
        rows = db.execute(query, [f"{mixed}/**/*.parquet"]).fetchall()
    assert {kind: count for kind, count, _ in rows} == KINDS
    assert sum(prices for _, _, prices in rows) == 20
