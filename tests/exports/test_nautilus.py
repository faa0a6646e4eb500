"""`collector export nautilus`: a catalog of a recording, laid out as nautilus_trader's own reader needs it."""

import csv
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet as pq

from collector import cli
from collector.domain.names import time_us
from collector.exports import nautilus_files
from collector.exports.nautilus_tables import DELTAS
from collector.storage.store.directory import DirectoryStore
from tests.conftest import Lines
from tests.exports.catalogs import CLEAR, books, export, files, interval, rows_of
from tests.exports.test_tardis import MIDNIGHT_US
from tests.exports.test_tardis import export as tardis
from tests.exports.test_tardis import rows_of as csv_rows
from tests.read.recorded_world import Frame, RecordedWorld, fetched_book
from tests.read.test_books_read import recorded_book
from tests.read.test_reading_gaps import without
from tests.storage.archive.archive_files import archive
from tests.storage.segment.segment_files import message, trade

KINDS = ("order_book_delta", "trade_tick", "quote_tick")
NUMBER = "fixed_size_binary[16]"
TIMES = {"ts_event": "uint64", "ts_init": "uint64"}
COLUMNS = {
    "order_book_delta": {
        "action": "uint8", "side": "uint8", "price": NUMBER, "size": NUMBER, "order_id": "uint64", "flags": "uint8",
        "sequence": "uint64", **TIMES,
    },
    "trade_tick": {"price": NUMBER, "size": NUMBER, "aggressor_side": "uint8", "trade_id": "string", **TIMES},
    "quote_tick": {"bid_price": NUMBER, "ask_price": NUMBER, "bid_size": NUMBER, "ask_size": NUMBER, **TIMES},
}  # fmt: skip
"""As nautilus_trader 1.221 writes them."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, frames: list[Frame], recorded: Lines) -> RecordedWorld:
    """A recording around midnight, all of it there."""
    world = RecordedWorld(tmp_path_factory.mktemp("whole") / "data")
    at_ns, book = fetched_book(recorded)
    shift_ns = MIDNIGHT_US * 1_000 - frames[2_000][0]
    recorded_book(world, [(at + shift_ns, frame) for at, frame in frames], (at_ns + shift_ns, book))
    return world


@pytest.fixture(scope="module")
def catalog(whole: RecordedWorld, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its catalog, in small row groups; what came between the parts could be missing from book_ticker, whose ids prove nothing."""
    dest = tmp_path_factory.mktemp("catalog") / "out"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(nautilus_files, "_GROUP_ROWS", 1_000)
        assert export(whole, dest, "--gaps", "mark", *_kinds("trade_tick", "order_book_delta", "quote_tick")) == 0
    return dest


def _kinds(*kinds: str) -> list[str]:
    return [word for kind in kinds for word in ("--data-type", kind)]


@pytest.fixture(scope="module")
def same_as_csv(whole: RecordedWorld, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same rows as tardis.dev's files."""
    dest = tmp_path_factory.mktemp("csv") / "out"
    types = _kinds("trades", "incremental_book_L2", "book_ticker")
    assert tardis(whole, dest, "--gaps", "mark", *types) == 0
    return dest


def both_days(dest: Path, kind: str) -> list[dict[str, str]]:
    return [row for day in ("2024-08-08", "2024-08-09") for row in csv_rows(dest, kind, day)]


@pytest.mark.parametrize("kind", KINDS)
def test_files_are_laid_out_as_the_reader_needs_them(catalog: Path, kind: str) -> None:
    found = files(catalog, kind)
    assert len(found) == 2
    for path in found:
        schema = pq.read_schema(path)
        assert {field.name: str(field.type) for field in schema} == COLUMNS[kind]
        assert not any(field.nullable for field in schema)
        expected = {b"instrument_id": b"BTCUSDT.BINANCE", b"price_precision": b"2", b"size_precision": b"6"}
        assert schema.metadata == expected
        assert expected.items() <= pq.read_metadata(path).metadata.items()
        times = pq.ParquetFile(path).read(["ts_init"])["ts_init"].to_pylist()
        assert times == sorted(times)
        assert [at % 86_400_000_000_000 for at in (times[0], times[-1])] == interval(path)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_one_time_are_in_one_row_group(catalog: Path, kind: str) -> None:
    for path in files(catalog, kind):
        file = pq.ParquetFile(path)
        groups = [set(file.read_row_group(at, ["ts_init"])["ts_init"].to_pylist()) for at in range(file.num_row_groups)]
        assert sum(map(len, groups)) == len(set().union(*groups))
    assert kind != "order_book_delta" or file.num_row_groups > 1


def test_the_book_after_each_message_is_that_recorded(catalog: Path, top20: list[dict[str, Any]]) -> None:
    expected = [
        tuple([(float(price), float(size)) for price, size in row[side]] for side in ("bids", "asks")) for row in top20
    ]
    days = [books(rows) for rows in _by_day(rows_of(catalog, "order_book_delta"))]
    found = [book[1:] for own in days for book in own[1:]]
    assert len(found) > 300
    start = expected.index(found[0])
    assert found == expected[start : start + len(found)]
    assert days[1][0].at_ns == MIDNIGHT_US * 1_000
    assert days[1][0][1:] == days[0][-1][1:]


def _by_day(rows: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    return [[row for row in rows if (row["ts_init"] >= MIDNIGHT_US * 1_000) is later] for later in (False, True)]


def test_a_whole_book_begins_with_a_clear_and_only_the_last_row_of_a_message_is_its_last(catalog: Path) -> None:
    rows = rows_of(catalog, "order_book_delta")
    lasts = [row["ts_init"] for row in rows if row["flags"] == 128]
    assert Counter(lasts) == dict.fromkeys((row["ts_init"] for row in rows), 1)
    assert len(lasts) == len(set(lasts))
    assert rows[0]["action"] == CLEAR
    clears = [row for row in rows if row["action"] == CLEAR]
    assert len(clears) == 2
    for clear in clears:
        flags = [row["flags"] for row in rows if row["ts_init"] == clear["ts_init"]]
        assert flags == [32] * (len(flags) - 1) + [128]
        assert (clear["side"], clear["price"], clear["size"]) == (0, 0, 0)


def test_every_row_is_that_of_the_other_export(catalog: Path, same_as_csv: Path) -> None:
    levels = [row for row in rows_of(catalog, "order_book_delta") if row["action"] != CLEAR]
    assert [
        ("bid" if row["side"] == 1 else "ask", float(row["price"]), float(row["size"]), row["ts_event"], row["ts_init"])
        for row in levels
    ] == [
        (row["side"], float(row["price"]), float(row["amount"]), *times(row))
        for row in both_days(same_as_csv, "incremental_book_L2")
    ]
    assert [
        (
            row["trade_id"],
            row["aggressor_side"],
            float(row["price"]),
            float(row["size"]),
            row["ts_event"],
            row["ts_init"],
        )
        for row in rows_of(catalog, "trade_tick")
    ] == [
        (row["id"], 1 if row["side"] == "buy" else 2, float(row["price"]), float(row["amount"]), *times(row))
        for row in both_days(same_as_csv, "trades")
    ]
    assert [
        (*(float(row[name]) for name in ("bid_price", "bid_size", "ask_price", "ask_size")), row["ts_init"])
        for row in rows_of(catalog, "quote_tick")
    ] == [
        (*(float(row[name]) for name in ("bid_price", "bid_amount", "ask_price", "ask_amount")), times(row)[1])
        for row in both_days(same_as_csv, "book_ticker")
    ]


def times(row: dict[str, str]) -> tuple[int, int]:
    return int(row["timestamp"]) * 1_000, int(row["local_timestamp"]) * 1_000


def test_the_instrument_has_the_decimals_of_the_data(catalog: Path) -> None:
    (path,) = files(catalog, "currency_pair")
    table = pq.ParquetFile(path).read()
    assert table.schema.metadata == {b"class": b"CurrencyPair"}
    (row,) = table.to_pylist()
    known = {
        "id": "BTCUSDT.BINANCE", "raw_symbol": "BTCUSDT", "base_currency": "BTC", "quote_currency": "USDT",
        "price_precision": 2, "size_precision": 6, "price_increment": "0.01", "size_increment": "0.000001",
    }  # fmt: skip
    assert known.items() <= row.items()


def test_files_have_the_decimals_of_those_written_after_them(catalog: Path) -> None:
    assert all(row["size"] == round(row["size"], 5) for row in rows_of(catalog, "trade_tick"))
    assert any(row["size"] != round(row["size"], 5) for row in rows_of(catalog, "order_book_delta"))


def test_a_finished_file_gets_other_metadata_and_keeps_its_rows(tmp_path: Path, catalog: Path) -> None:
    path = files(catalog, "order_book_delta")[0]
    again = tmp_path / path.name
    again.write_bytes(path.read_bytes())
    nautilus_files.with_metadata(again, {b"price_precision": b"3"})
    before, after = pq.ParquetFile(path), pq.ParquetFile(again)
    assert after.schema_arrow.metadata == {b"price_precision": b"3"}
    assert after.num_row_groups == before.num_row_groups
    assert after.read().cast(DELTAS) == before.read().cast(DELTAS)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.fixture
def holed(world: RecordedWorld, frames: list[Frame], recorded: Lines) -> RecordedWorld:
    """The same without ten changes of the book and ten trades."""
    left = without(without(frames, b"@depth", slice(200, 210)), b"@trade", slice(100, 110))
    recorded_book(world, left, fetched_book(recorded))
    return world


def test_gaps_are_refused_or_shown_exactly(
    holed: RecordedWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    types = _kinds("order_book_delta", "trade_tick")
    assert export(holed, tmp_path / "out", *types) == 1
    said = capsys.readouterr().err
    assert "book_delta 2024-08-08T23:54:" in said
    assert "trade 2024-08-08T23:54:" in said
    assert [path.name for path in tmp_path.iterdir() if path != holed.data_dir] == []
    assert export(holed, tmp_path / "out", *types, "--gaps", "mark") == 0
    with (tmp_path / "out" / "gaps.csv").open(encoding="utf-8", newline="") as lines:
        marked = list(csv.DictReader(lines))
    assert [(row["stream_type"], row["kind"], row["missing"]) for row in marked if row["stream_type"] == "trade"] == [
        ("trade", "sequence", "10")
    ]
    (gap,) = [row for row in marked if row["stream_type"] == "book_delta"]
    assert gap["kind"] == "sequence"
    # From the gap on there is no book, and the catalog says so.
    *before, lost = rows_of(tmp_path / "out", "order_book_delta")
    assert (lost["action"], lost["flags"]) == (CLEAR, 128)
    assert lost["ts_init"] == max(_ns(gap["started_at"]), before[-1]["ts_init"] + 1_000)


def _ns(text: str) -> int:
    return time_us(text.replace("Z", "+00:00").replace(" ", "T")) * 1_000


def test_where_no_best_prices_were_recorded_they_are_those_of_the_book(
    tmp_path: Path, frames: list[Frame], recorded: Lines
) -> None:
    world = RecordedWorld(tmp_path / "data", data_types=("book_delta",))
    world.fetch(*fetched_book(recorded))
    world.receive([frame for frame in frames[:1_500] if b"@depth" in frame[1]])
    world.seal()
    world.archive()
    assert export(world, tmp_path / "out") == 0
    expected: list[Any] = []
    for book in books(rows_of(tmp_path / "out", "order_book_delta")):
        if not expected or expected[-1][1:] != (book.bids[0], book.asks[0]):
            expected.append((book.at_ns, book.bids[0], book.asks[0]))
    found = [
        (row["ts_init"], *((float(row[f"{side}_price"]), float(row[f"{side}_size"])) for side in ("bid", "ask")))
        for row in rows_of(tmp_path / "out", "quote_tick")
    ]
    assert len(found) > 50
    assert found == expected


def test_a_kind_that_cannot_be_made_is_refused_by_name(
    world: RecordedWorld, frames: list[Frame], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.receive([frame for frame in frames[:200] if b"@trade" in frame[1]])
    world.seal()
    world.archive()
    assert export(world, tmp_path / "out", "--data-type", "quote_tick") == 2
    assert "quote_tick: cannot be made of what there is of BTCUSDT: trade" in capsys.readouterr().err


def test_what_the_catalog_cannot_hold_is_left_out_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    messages = [message(0, 1, trade(1)), message(0, 2, trade(2, size="0")), message(0, 3, trade(3, side=None))]
    archive(DirectoryStore(tmp_path / "archive"), tmp_path / "made", messages)
    assert (
        cli.main(["export", "nautilus", str(tmp_path / "archive"), str(tmp_path / "out"), "--symbol", "BTC/USD"]) == 0
    )
    said = capsys.readouterr().out
    assert "trade_tick: 2 rows; 1 without a price or a size left out" in said
    assert "instrument: not written" in said
    (path,) = (tmp_path / "out" / "data" / "trade_tick" / "BTCUSD.TOY").iterdir()
    table = pq.ParquetFile(path).read()
    assert table["aggressor_side"].to_pylist() == [1, 0]
    assert table.schema.metadata[b"instrument_id"] == b"BTC/USD.TOY"
