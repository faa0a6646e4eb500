"""pyiceberg and Polars find the same rows in the tables as `collector.read` in the archive, in a folder and in a bucket.

DuckDB and Spark have environments of their own: `tests/peers/test_tables.py`.
"""

import re
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from pyiceberg.table import StaticTable

from tests.seaweed import ADMIN, Seaweed
from tests.storage.table.reading import filled, read_sums, sums_of
from tests.storage.table.tabled import Tabled

PAGE = (Path(__file__).parents[3] / "docs/READING.md").read_text("utf-8")
(SECTION,) = re.findall(r"## Iceberg tables\n(.*?)\n## ", PAGE, re.DOTALL)
EXAMPLES = [example for example in re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL) if "spark" not in example]
TYPES = ("trade", "book_delta")

# Polars plans faster with a package of its own, which is not needed.
pytestmark = pytest.mark.filterwarnings("ignore:Iceberg scan planning")


@pytest.fixture(scope="module")
def tabled(tmp_path_factory: pytest.TempPathFactory) -> Tabled:
    """An archive of two days in a folder."""
    return filled(tmp_path_factory.mktemp("tables"))


def test_the_pages_examples_read_what_the_archive_has(tabled: Tabled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tabled.folder.parent)
    names: dict[str, Any] = {"pl": pl}
    for example in EXAMPLES:
        exec(example, names)
    wanted = read_sums(tabled.store.url, "trade")
    assert wanted.rows == 14
    assert sums_of(names["with_pyiceberg"]) == sums_of(names["with_polars"].to_arrow()) == wanted


@pytest.mark.parametrize("data_type", TYPES)
def test_in_a_folder_all_find_the_same(tabled: Tabled, data_type: str) -> None:
    wanted = read_sums(tabled.store.url, data_type)
    table = StaticTable.from_metadata(tabled.table(data_type).location())
    assert sums_of(tabled.rows(data_type)) == sums_of(table.scan().to_arrow()) == wanted
    assert sums_of(pl.scan_iceberg(table.metadata_location).collect().to_arrow()) == wanted


def test_the_gap_ledger_is_in_a_table_of_its_own(tabled: Tabled) -> None:
    (row,) = tabled.rows("gap").to_pylist()
    assert (row["exchange"], row["symbol"], row["stream_type"]) == ("binance", "BTCUSDT", "trade")


def test_in_a_bucket_all_find_the_same(seaweed: Seaweed, bucket: str, tmp_path: Path) -> None:
    tabled = filled(tmp_path, seaweed.store(bucket, "archive"), endpoint_url=seaweed.endpoint_url)
    assert tabled.options.warehouse == f"s3://{bucket}/archive-tables"
    properties = {"s3.endpoint": seaweed.endpoint_url, "s3.region": "us-east-1"}
    keys = {"aws_endpoint_url": seaweed.endpoint_url, "aws_region": "us-east-1", "aws_allow_http": "true"}
    keys |= {"aws_access_key_id": ADMIN["AWS_ACCESS_KEY_ID"], "aws_secret_access_key": ADMIN["AWS_SECRET_ACCESS_KEY"]}
    found: dict[str, list[pa.Table]] = {}
    for data_type in TYPES:
        table = StaticTable.from_metadata(tabled.table(data_type).location(), properties)
        found[data_type] = [
            table.scan().to_arrow(),
            pl.scan_iceberg(table, storage_options=keys).collect().to_arrow(),
        ]
    (tmp_path / "local").mkdir()
    local = filled(tmp_path / "local")
    for data_type, tables in found.items():
        wanted = read_sums(local.store.url, data_type)
        assert [sums_of(one) for one in tables] == [wanted] * 2
    assert tabled.look().commits == 0
    tabled.segment(40)
    tabled.look()
    assert tabled.files() == tabled.wanted()
    now_us = 4_000_000_000_000_000
    assert tabled.work.tidy(now_us, 1).files > 0
    assert tabled.files() == tabled.wanted()
