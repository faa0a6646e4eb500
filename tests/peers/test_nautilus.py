"""nautilus_trader reads the CSV files and the catalog, and its engine sees each message. On request: `pytest tests/peers`.

Its packages are installed into an environment of their own, which takes a minute or two.
"""

import csv
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet as pq

from collector.exports import nautilus_files
from collector.exports.nautilus_instrument import entry
from tests.bench.environment import make
from tests.conftest import Lines
from tests.exports.catalogs import export as catalog
from tests.exports.test_nautilus_instrument import LISTED, measures
from tests.exports.test_tardis import export, messages, rows_of
from tests.peers.conftest import told_by
from tests.read.recorded_world import RecordedWorld, binance_frames, fetched_book, trade_ids
from tests.read.test_books_read import recorded_book
from tests.read.test_reading_gaps import without
from tests.storage.segment.segment_files import NOON_US

HERE = Path(__file__).resolve().parent
KINDS = ("incremental_book_L2", "trades", "quotes")


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The Python that has nautilus_trader."""
    return make(tmp_path_factory.mktemp("peer") / "environment", HERE / "requirements-nautilus.txt")


@pytest.mark.timeout(1_200)
def test_it_reads_every_row_and_sees_where_messages_end(python: str, archived: RecordedWorld, tmp_path: Path) -> None:
    chosen = [word for kind in KINDS for word in ("--data-type", kind)]
    assert export(archived, tmp_path / "csv", *chosen) == 0
    files = [next((tmp_path / "csv").glob(f"*_{kind}_*")) for kind in KINDS]
    said = told_by(python, HERE / "nautilus_reads.py", *files)
    levels, trades, quotes = (rows_of(tmp_path / "csv", kind) for kind in KINDS)
    assert (said["deltas"], said["messages"]) == (len(levels), len(messages(levels)))
    assert (said["trades"], said["quotes"]) == (len(trades), len(quotes))
    price, size, trade_id, at_ns = said["first_trade"]
    assert (float(price), float(size), trade_id) == (
        float(trades[0]["price"]), float(trades[0]["amount"]), trades[0]["id"],
    )  # fmt: skip
    assert at_ns == int(trades[0]["local_timestamp"]) * 1_000
    assert [float(one) for one in said["first_quote"]] == [
        float(quotes[0][name]) for name in ("bid_price", "ask_price")
    ]


@pytest.mark.timeout(1_200)
def test_its_book_of_the_catalog_is_ours_and_its_engine_calls_once_a_message(
    python: str,
    archived: RecordedWorld,
    top20: list[dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(nautilus_files, "_GROUP_ROWS", 5_000)
    assert catalog(archived, tmp_path / "catalog", "--gaps", "mark") == 0
    said = told_by(python, HERE / "catalog_reads.py", tmp_path / "catalog")
    assert said["instrument"] == ["CurrencyPair", "BTCUSDT.BINANCE", 2, 6]
    assert said["same"]
    assert min(said["trades"], said["quotes"], said["deltas"]) > 9_000
    assert said["calls"] == {"deltas": len(said["best"]), "trades": said["trades"], "quotes": said["quotes"]}
    times = [at_ns for at_ns, *_ in said["best"]]
    assert times == sorted(set(times))
    best = [[float(price) for price in prices] for _, *prices in said["best"]]
    expected = [[float(row[side][0][0]) for side in ("bids", "asks")] for row in top20]
    assert len(best) > 3_000
    assert best[1:] == expected[1 - len(best) :]


@pytest.mark.timeout(1_200)
def test_of_a_catalog_with_a_gap_it_reads_all_that_is_left_and_no_book_beyond(
    python: str, world: RecordedWorld, recorded: Lines, tmp_path: Path
) -> None:
    frames = binance_frames(recorded)
    left = without(without(frames, b"@depth", slice(200, 210)), b"@trade", slice(100, 110))
    recorded_book(world, left, fetched_book(recorded))
    assert catalog(world, tmp_path / "refused") == 1
    assert catalog(world, tmp_path / "catalog", "--gaps", "mark") == 0
    with (tmp_path / "catalog" / "gaps.csv").open(encoding="utf-8", newline="") as lines:
        gaps = {row["stream_type"]: row for row in csv.DictReader(lines)}
    assert set(gaps) >= {"book_delta", "trade"}
    said = told_by(python, HERE / "catalog_reads.py", tmp_path / "catalog")
    assert said["trades"] == len(trade_ids(frames)) - 10
    assert said["calls"]["deltas"] == len(said["best"])
    # The whole book, the changes before the gap, and that it is lost.
    assert 100 < len(said["best"]) <= 202
    assert None not in said["best"][-2]
    assert said["best"][-1][1:] == [None, None]


@pytest.mark.timeout(1_200)
def test_it_finds_each_kind_of_instrument_as_it_was_described(python: str, tmp_path: Path) -> None:
    listed = LISTED._replace(expires_at=NOON_US)
    for known, name in (
        (listed._replace(kind="spot", base="PEPE", quote="USDT", settle=None, contract_size=None), "PEPEUSDT.BINANCE"),
        (listed, "BTCUSD-PERP.BINANCE"),
        (listed._replace(kind="future", settle="USDT", quote="USDT", contract_size=1.0), "BTCUSDT_261225.BINANCE"),
    ):
        made = entry(known, name, name.partition(".")[0], measures(2, 0), 5)
        assert made is not None
        place = tmp_path / "data" / made.folder / name
        place.mkdir(parents=True)
        pq.write_table(made.table, place / nautilus_files.file_name(5_000, 5_000))
    assert told_by(python, HERE / "instruments_reads.py", tmp_path) == [
        ["CryptoPerpetual", "BTCUSD-PERP.BINANCE", "0.10", "1", "100", "BTC", True],
        ["CryptoFuture", "BTCUSDT_261225.BINANCE", "0.10", "1", "1", "USDT", False],
        ["CurrencyPair", "PEPEUSDT.BINANCE", "0.10", "1", "1", "USDT", False],
    ]
