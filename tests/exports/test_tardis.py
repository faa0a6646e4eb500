"""`collector export tardis`: files as tardis.dev has them, of a recording, and with frames taken out of it."""

import csv
import gzip
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from collector import cli
from collector.domain.records import BookRow
from collector.read.archive import Archive
from collector.read.books.book import Book
from collector.read.window import moment_us
from tests.conftest import Lines
from tests.read.recorded_world import Frame, RecordedWorld, fetched_book, trade_ids
from tests.read.test_books_read import recorded_book
from tests.read.test_reading_gaps import without

Row = dict[str, str]

DAY = "2024-08-08"
MIDNIGHT_US = 1_723_161_600_000_000  # 2024-08-09T00:00:00Z


def export(world: RecordedWorld, dest: Path, *arguments: str) -> int:
    place = str(world.data_dir / "archive")
    return cli.main(
        ["export", "tardis", place, str(dest), "--symbol", "BTCUSDT", "--data-dir", str(world.data_dir), *arguments]
    )


def rows_of(dest: Path, kind: str, date: str = DAY) -> list[Row]:
    with gzip.open(dest / f"binance_{kind}_{date}_BTCUSDT.csv.gz", "rt", encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def messages(rows: list[Row]) -> list[list[Row]]:
    """The rows of one local time each."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["local_timestamp"], []).append(row)
    return list(found.values())


def best(rows: list[Row]) -> list[Any]:
    """The best 25 levels after each message, built by nothing of ours but a dict."""
    sides: dict[str, dict[float, float]] = {"bid": {}, "ask": {}}
    found = []
    is_whole = False
    for message in messages(rows):
        if message[0]["is_snapshot"] == "true" and not is_whole:
            sides = {"bid": {}, "ask": {}}
        is_whole = message[0]["is_snapshot"] == "true"
        for row in message:
            sides[row["side"]][float(row["price"])] = float(row["amount"])
        tops = [
            sorted(((price, size) for price, size in sides[side].items() if size), reverse=side == "bid")
            for side in ("bid", "ask")
        ]
        found.append((message[0]["local_timestamp"], tops[0][:25], tops[1][:25]))
    return found


@pytest.fixture
def whole(world: RecordedWorld, frames: list[Frame], recorded: Lines) -> Archive:
    return recorded_book(world, frames, fetched_book(recorded))


@pytest.fixture
def holed(world: RecordedWorld, frames: list[Frame], recorded: Lines) -> Archive:
    """The same without ten changes of the book."""
    return recorded_book(world, without(frames, b"@depth", slice(200, 210)), fetched_book(recorded))


def test_the_book_of_the_file_is_that_of_the_archive(
    whole: Archive, world: RecordedWorld, tmp_path: Path, top20: list[dict[str, Any]]
) -> None:
    assert export(world, tmp_path / "out", "--data-type", "incremental_book_L2") == 0
    books = best(rows_of(tmp_path / "out", "incremental_book_L2"))
    expected = [
        [[(float(price), float(size)) for price, size in row[side]] for side in ("bids", "asks")] for row in top20
    ]
    found = [[bids[:20], asks[:20]] for _, bids, asks in books[1:]]
    assert len(found) > 300
    start = expected.index(found[0])
    assert found == expected[start : start + len(found)]


def test_local_times_rise_and_rows_of_a_message_share_one(whole: Archive, world: RecordedWorld, tmp_path: Path) -> None:
    assert export(world, tmp_path / "out", "--data-type", "incremental_book_L2") == 0
    rows = rows_of(tmp_path / "out", "incremental_book_L2")
    times = [int(row["local_timestamp"]) for row in rows]
    assert times == sorted(times)
    taken = sum(1 for message in messages(rows) if message[0]["is_snapshot"] == "false")
    table = whole.deltas("BTCUSDT", gaps="ignore").arrow()
    book = Book()
    columns = zip(*(table[name].to_pylist() for name in BookRow._fields), strict=True)
    applied = [book.apply(BookRow(*row)).value for row in columns]
    assert taken == applied.count("changed")
    assert all(len({row["timestamp"] for row in message}) == 1 for message in messages(rows))


def test_trades_and_best_prices_are_those_recorded(
    whole: Archive, world: RecordedWorld, frames: list[Frame], tmp_path: Path
) -> None:
    # What came between the parts of the recording could be missing from book_ticker, whose ids prove nothing.
    assert export(world, tmp_path / "out", "--gaps", "mark", "--data-type", "trades", "--data-type", "book_ticker") == 0
    trades = rows_of(tmp_path / "out", "trades")
    assert list(trades[0]) == ["exchange", "symbol", "timestamp", "local_timestamp", "id", "side", "price", "amount"]
    assert [row["id"] for row in trades] == trade_ids(frames)
    assert {row["side"] for row in trades} == {"buy", "sell"}
    known = whole.trades("BTCUSDT", gaps="ignore").arrow()
    assert [float(row["price"]) for row in trades] == known["price"].to_pylist()
    assert [int(row["timestamp"]) for row in trades] == known["exchange_at"].cast(pa.int64()).to_pylist()
    tickers = rows_of(tmp_path / "out", "book_ticker")
    assert list(tickers[0])[4:] == ["ask_amount", "ask_price", "bid_price", "bid_amount"]
    best_known = whole.ticker("BTCUSDT", gaps="ignore").arrow()
    assert [float(row["ask_amount"]) for row in tickers] == best_known["ask_size"].to_pylist()


def test_tops_change_with_the_book_and_only_then(whole: Archive, world: RecordedWorld, tmp_path: Path) -> None:
    assert export(world, tmp_path / "out", "--gaps", "mark") == 0
    books = best(rows_of(tmp_path / "out", "incremental_book_L2"))
    for kind, depth in (("book_snapshot_25", 25), ("quotes", 1)):
        expected: list[Any] = []
        for at, bids, asks in books:
            if not expected or expected[-1][1:] != (bids[:depth], asks[:depth]):
                expected.append((at, bids[:depth], asks[:depth]))
        found = [(row["local_timestamp"], *_sides(row, depth)) for row in rows_of(tmp_path / "out", kind)]
        assert found == expected


def _sides(row: Row, depth: int) -> tuple[Any, Any]:
    if depth == 1:
        return [(float(row["bid_price"]), float(row["bid_amount"]))], [
            (float(row["ask_price"]), float(row["ask_amount"]))
        ]
    bids, asks = (
        [(float(row[f"{side}[{place}].price"]), float(row[f"{side}[{place}].amount"])) for place in range(depth)]
        for side in ("bids", "asks")
    )
    return bids, asks


def test_an_export_that_begins_later_opens_with_the_book_of_that_moment(
    whole: Archive, world: RecordedWorld, tmp_path: Path
) -> None:
    start = "2024-08-08T23:54:20"
    assert export(world, tmp_path / "out", "--data-type", "incremental_book_L2", "--from", start) == 0
    opening, *_ = messages(rows_of(tmp_path / "out", "incremental_book_L2"))
    view = whole.book_at("BTCUSDT", moment_us(start) - 1)
    sides = [
        [(float(row["price"]), float(row["amount"])) for row in opening if row["side"] == side]
        for side in ("bid", "ask")
    ]
    assert {row["is_snapshot"] for row in opening} == {"true"}
    assert sides == [view.bids, view.asks]


def test_a_gap_is_refused_by_name_and_nothing_is_written(
    holed: Archive, world: RecordedWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(world, tmp_path / "out") == 1
    out, said = capsys.readouterr()
    assert "book_delta 2024-08-08T23:54:" in said
    assert "sequence, cause exchange" in said
    assert "--gaps mark" in said
    assert out == ""
    assert [path.name for path in tmp_path.iterdir() if path != world.data_dir] == []


def test_marked_gaps_are_exactly_those_of_the_ledger_and_no_book_crosses_them(
    holed: Archive, world: RecordedWorld, tmp_path: Path
) -> None:
    assert export(world, tmp_path / "out", "--gaps", "mark", "--data-type", "incremental_book_L2") == 0
    with (tmp_path / "out" / "gaps.csv").open(encoding="utf-8", newline="") as lines:
        marked = list(csv.DictReader(lines))
    gaps = holed.deltas("BTCUSDT", gaps="mark").gaps
    assert [row["gap_id"] for row in marked] == [row.gap.gap_id for row in gaps]
    last = int(rows_of(tmp_path / "out", "incremental_book_L2")[-1]["local_timestamp"])
    assert last <= gaps[0].gap.started_at


def test_nothing_is_overwritten(
    whole: Archive, world: RecordedWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("kept", "utf-8")
    assert export(world, tmp_path / "out", "--data-type", "trades") == 2
    assert "is there already" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]


def test_the_same_rows_make_the_same_files(whole: Archive, world: RecordedWorld, tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert export(world, tmp_path / name, "--data-type", "trades") == 0
    one, two = ((tmp_path / name / f"binance_trades_{DAY}_BTCUSDT.csv.gz").read_bytes() for name in ("one", "two"))
    assert one == two


def test_each_day_opens_with_the_whole_book(
    world: RecordedWorld, frames: list[Frame], recorded: Lines, tmp_path: Path
) -> None:
    at_ns, book = fetched_book(recorded)
    middle_ns = frames[2_000][0]
    shift_ns = MIDNIGHT_US * 1_000 - middle_ns
    recorded_book(world, [(at + shift_ns, frame) for at, frame in frames], (at_ns + shift_ns, book))
    assert export(world, tmp_path / "out", "--data-type", "incremental_book_L2") == 0
    before = best(rows_of(tmp_path / "out", "incremental_book_L2"))[-1]
    opening, *_ = messages(rows_of(tmp_path / "out", "incremental_book_L2", "2024-08-09"))
    assert opening[0]["local_timestamp"] == str(MIDNIGHT_US)
    assert best(opening)[0][1:] == before[1:]
