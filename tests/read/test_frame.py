"""A frame hands its rows to whatever people use, and says what is missing for that."""

import sys
from collections.abc import Callable, Iterator

import duckdb
import polars as pl
import pyarrow as pa
import pytest

from collector.read import GapError, MissingExtraError
from collector.read.frame import Frame
from collector.read.ledger.gaps import LedgerRow
from tests.storage.segment.segment_files import make_gap

ROWS = pa.table({"price": [1.0, 2.0, 3.0, 4.0], "side": ["buy", "sell", None, "buy"]})


class Counted:
    """A frame of two tables, and how often they were read."""

    def __init__(self) -> None:
        self.read = 0
        self.frame = Frame("toy BTC/USD trade", ROWS.schema, self._tables, ["a.parquet"], [])

    def _tables(self) -> Iterator[pa.Table]:
        self.read += 1
        yield ROWS.slice(0, 2)
        yield ROWS.slice(2)


@pytest.fixture
def counted() -> Counted:
    return Counted()


def test_nothing_is_read_before_rows_are_asked_for(counted: Counted) -> None:
    assert repr(counted.frame) == "<Frame toy BTC/USD trade: 1 files, 0 gaps, columns price, side>"
    lazy = counted.frame.lazy()
    assert counted.read == 0
    assert lazy.collect().height == 4
    assert counted.frame.arrow().equals(ROWS)
    assert counted.read == 2


def test_batches_come_one_by_one(counted: Counted) -> None:
    batches = counted.frame.batches()
    assert next(batches).num_rows == 2
    assert pa.Table.from_batches(counted.frame.batches()).equals(ROWS)


def test_a_frame_without_rows_keeps_its_columns() -> None:
    frame = Frame("toy", ROWS.schema, lambda: iter(()))
    assert frame.arrow().schema == ROWS.schema
    assert frame.lazy().collect().columns == ["price", "side"]


def test_polars_reads_only_what_it_needs_of_a_lazy_frame(counted: Counted) -> None:
    found = counted.frame.lazy().filter(pl.col("side") == "buy").select(pl.col("price").sum()).collect()
    assert found.item() == 5.0
    assert counted.frame.lazy().head(3).collect()["price"].to_list() == [1.0, 2.0, 3.0]
    assert counted.frame.lazy().head(0).collect().height == 0


def test_duckdb_reads_a_frame_in_any_connection(counted: Counted) -> None:
    with duckdb.connect() as con:
        assert counted.frame.duckdb(con).aggregate("sum(price)").fetchall() == [(10.0,)]
    assert counted.frame.duckdb().count("*").fetchall() == [(4,)]


def test_any_library_that_takes_an_arrow_stream_takes_a_frame(counted: Counted) -> None:
    assert pa.table(counted.frame).equals(ROWS)
    assert pl.DataFrame(counted.frame)["price"].to_list() == [1.0, 2.0, 3.0, 4.0]
    assert pa.RecordBatchReader.from_stream(counted.frame).read_all().equals(ROWS)


def refused() -> Iterator[pa.Table]:
    raise GapError("toy", [LedgerRow("toy", "BTC/USD", make_gap())])
    yield ROWS  # it is a generator


@pytest.mark.parametrize(
    "read",
    [
        Frame.arrow,
        lambda frame: list(frame.batches()),
        lambda frame: frame.lazy().collect(),
        lambda frame: frame.reader().read_all(),
        Frame.duckdb,
        pa.table,
        pl.DataFrame,
    ],
    ids=["arrow", "batches", "lazy", "reader", "duckdb", "pyarrow", "polars"],
)
def test_a_gap_is_refused_on_every_way(read: Callable[[Frame], object]) -> None:
    with pytest.raises(GapError, match="toy has 1 unrepaired gap"):
        read(Frame("toy", ROWS.schema, refused))


def test_pandas_gets_a_data_frame(counted: Counted) -> None:
    assert counted.frame.pandas()["price"].tolist() == [1.0, 2.0, 3.0, 4.0]


@pytest.mark.parametrize(("package", "call"), [("pandas", "pandas"), ("polars", "lazy"), ("duckdb", "duckdb")])
def test_what_is_not_installed_is_named_with_its_install_line(
    counted: Counted, monkeypatch: pytest.MonkeyPatch, package: str, call: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError) as missing:
        getattr(counted.frame, call)()
    assert str(missing.value) == f"{package} is not installed: pip install {package} (the extra {package!r} brings it)"
    assert isinstance(missing.value, ImportError)
    assert counted.read == 0
