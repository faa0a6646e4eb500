"""DuckDB and Spark find the same rows in the tables as `collector.read` in the archive. On request: `pytest tests/peers`.

Their packages are installed into environments of their own, which takes some minutes; Spark needs Java 17.
"""

import json
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.bench.environment import make
from tests.peers.conftest import told_by
from tests.seaweed import ADMIN, Seaweed
from tests.storage.table.reading import Sums, filled, read_sums
from tests.storage.table.tabled import Tabled
from tests.storage.table.test_readers import SECTION

HERE = Path(__file__).resolve().parent
ON_PAGE = "data/archive-tables/market_data/trade"
(DUCKDB,) = re.findall(r"```sql\n(SELECT \*.*?);\n```", SECTION, re.DOTALL)
(SPARK,) = [example for example in re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL) if "spark" in example]


@pytest.fixture(scope="module")
def tabled(tmp_path_factory: pytest.TempPathFactory) -> Tabled:
    """An archive of two days in a folder."""
    return filled(tmp_path_factory.mktemp("tables"))


@pytest.fixture(scope="module")
def duckdb(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The Python that has DuckDB with its extension."""
    return make(tmp_path_factory.mktemp("duckdb") / "environment", HERE / "requirements-duckdb.txt")


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The Python that has Spark."""
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java")
    return make(tmp_path_factory.mktemp("spark") / "environment", HERE / "requirements-spark.txt")


def _sums(rows: list[list[float]]) -> Iterator[Sums]:
    for count, total, newest_us in rows:
        newest = datetime.fromtimestamp(newest_us / 1_000_000, UTC)
        yield Sums(int(count), round(total, 6), f"{newest:%Y-%m-%d %H:%M:%S}")


def _duckdb_queries(trades: str, first: list[str]) -> list[list[str]]:
    asked = DUCKDB.replace(ON_PAGE, trades)
    books = asked.replace("/trade'", "/book_delta'")
    assert trades in asked
    assert "book_delta" in books
    return [
        [*first, f"SELECT count(*), sum(price), epoch_us(max(received_at)) FROM ({asked})"],
        [f"SELECT count(*), sum(list_sum(bid_prices)), epoch_us(max(received_at)) FROM ({books})"],
    ]


def _wanted(tabled: Tabled) -> list[Sums]:
    return [read_sums(tabled.store.url, data_type) for data_type in ("trade", "book_delta")]


@pytest.mark.timeout(1_200)
def test_duckdb_finds_the_same_in_a_folder(duckdb: str, tabled: Tabled, tmp_path: Path) -> None:
    queries = tmp_path / "queries.json"
    queries.write_text(json.dumps(_duckdb_queries(f"{tabled.folder}/archive-tables/market_data/trade", [])), "utf-8")
    assert list(_sums(told_by(duckdb, HERE / "duckdb_reads.py", queries))) == _wanted(tabled)


@pytest.mark.timeout(1_200)
def test_duckdb_finds_the_same_in_a_bucket(
    duckdb: str, tabled: Tabled, seaweed: Seaweed, bucket: str, tmp_path: Path
) -> None:
    stored = filled(tmp_path, seaweed.store(bucket, "archive"), endpoint_url=seaweed.endpoint_url)
    secret = (
        f"CREATE SECRET (TYPE s3, KEY_ID '{ADMIN['AWS_ACCESS_KEY_ID']}', SECRET '{ADMIN['AWS_SECRET_ACCESS_KEY']}',"
        f" ENDPOINT '127.0.0.1:{seaweed.port}', URL_STYLE 'path', USE_SSL false, REGION 'us-east-1')"
    )
    queries = tmp_path / "queries.json"
    queries.write_text(json.dumps(_duckdb_queries(stored.table().location(), [secret])), "utf-8")
    assert list(_sums(told_by(duckdb, HERE / "duckdb_reads.py", queries))) == _wanted(tabled)


@pytest.mark.timeout(1_200)
def test_spark_finds_the_same(spark: str, tabled: Tabled, tmp_path: Path) -> None:
    asked = [
        (SPARK, tabled.table("trade").metadata_location, "price"),
        (SPARK, tabled.table("book_delta").metadata_location, "aggregate(bid_prices, 0D, (sum, price) -> sum + price)"),
    ]
    (tmp_path / "asked.json").write_text(json.dumps(asked), "utf-8")
    assert list(_sums(told_by(spark, HERE / "spark_reads.py", tmp_path / "asked.json"))) == _wanted(tabled)
