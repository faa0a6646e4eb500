"""The tree as others read it: pyarrow, Polars and DuckDB, with hive partitions."""

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
from collector.storage.directory import DirectoryStore
from collector.storage.sealed import open_sealed
from collector.storage.staging import stage
from tests.storage.segment_files import (
    BOOK,
    DAY_US,
    NOON_US,
    SEGMENT_ID,
    TRADES,
    UNKNOWN,
    ToyTyping,
    make_gap,
    make_segment,
    message,
    trade,
)

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
        staged = stage(segment, lambda _exchange: ToyTyping(), base / "staging", lambda: None)
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


def test_a_pyarrow_dataset_takes_the_partitions_types_as_told(tree: Path) -> None:
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
