"""What docs/READING.md tells other readers reads an archive of files of several versions whole, and symbols as they are."""

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.reprocess.stored import TRADES, as_schema_1, store_segment, trade_frame
from tests.storage.archive.archive_files import IDS
from tests.storage.segment.segment_files import DAY_US, NOON_US, message

PAGE = (Path(__file__).parents[2] / "docs/READING.md").read_text("utf-8")
(SECTION,) = re.findall(r"## Other readers\n(.*?)\n## ", PAGE, re.DOTALL)
NUMERIC = TRADES._replace(symbol="1000")
FIRST, SECOND = date(2026, 11, 23), date(2026, 11, 24)


@pytest.fixture(scope="module", params=["the older files first", "the newer files first"])
def read(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the page's examples read: trades of two days, one of them with the columns of version 1, of a symbol of digits."""
    base = tmp_path_factory.mktemp("mixed")
    older, newer = (0, DAY_US) if request.param == "the older files first" else (DAY_US, 0)
    for number, after in enumerate((older, newer)):
        trade = message(0, 7 + number, trade_frame(7 + number, symbol="1000"), received_us=NOON_US + after)
        store_segment(base / "data", [trade], [NUMERIC], number=number, previous=IDS[0] if number else "")
        if number == 0:
            as_schema_1(base / "data/archive")
    names: dict[str, Any] = {"older": date.fromisoformat("2026-11-23" if older == 0 else "2026-11-24")}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(base)
        for example in re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL):
            exec(example, names)
    return names


def rows(found: Any, of: dict[str, Any]) -> None:
    """Hold rows of a reader against what the archive has."""
    # pandas says NaN of a word that is null.
    kinds = {one["date"]: one["kind"] if isinstance(one["kind"], str) else None for one in found}
    assert kinds == {of["older"]: None, (FIRST if of["older"] == SECOND else SECOND): "market"}
    assert {one["symbol"] for one in found} == {"1000"}
    assert [one["price"] for one in found] == [64000.1, 64000.1]


def test_pyarrow_reads_it_with_a_given_schema(read: dict[str, Any]) -> None:
    rows(read["with_pyarrow"].to_pylist(), read)


def test_pandas_reads_it_with_a_given_schema(read: dict[str, Any]) -> None:
    for frame in (read["with_pandas"], read["everything"]):
        rows(frame.to_dict("records"), read)
    assert read["everything"]["sequence"].isna().all()


def test_polars_reads_it_where_columns_may_be_missing(read: dict[str, Any]) -> None:
    rows(read["with_polars"].to_dicts(), read)
    assert read["older_columns"]["trade_id"].sort().to_list() == ["7", "8"]


def test_duckdb_reads_it_by_the_names_of_the_columns(read: dict[str, Any]) -> None:
    rows(read["with_duckdb"].to_pylist(), read)
