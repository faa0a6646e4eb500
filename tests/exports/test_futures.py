"""Exports of Binance's futures: named as the other projects name them, with the time of the transaction."""

import csv
import gzip
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from pyarrow import parquet as pq

from collector import cli
from tests.conftest import Lines
from tests.read.recorded_world import RecordedWorld, binance_frames, data_of, fetched_book

FRAMES = 700
DAYS = {"binance_usdm": "2024-07-18", "binance_coinm": "2024-08-08"}


class Market(NamedTuple):
    """A recording, and its names elsewhere."""

    exchange: str
    symbol: str
    recording: str
    tardis: str
    nautilus: str


MARKETS = (
    Market("binance_usdm", "BTCUSDT", "hftbacktest_btcusdt_20240718", "binance-futures", "BTCUSDT-PERP.BINANCE"),
    Market(
        "binance_coinm", "BTCUSD_PERP", "hftbacktest_btcusd_perp_20240808", "binance-delivery", "BTCUSD-PERP.BINANCE"
    ),
)


@pytest.mark.parametrize("market", MARKETS, ids=lambda market: market.tardis)
def test_files_are_named_as_elsewhere_and_times_are_those_of_the_transactions(
    market: Market, tmp_path: Path, recorded: Lines
) -> None:
    name = f"{market.exchange}/{market.recording}"
    world = RecordedWorld(
        tmp_path / "data", data_types=("book_delta", "trade"), exchange=market.exchange, symbol=market.symbol
    )
    frames = binance_frames(recorded, FRAMES, name)
    world.fetch(*fetched_book(recorded, name))
    world.receive(frames)
    world.seal()
    world.archive()
    for form, *options in (("tardis", "--data-type", "trades"), ("hftbacktest",), ("nautilus",)):
        place, dest = str(world.data_dir / "archive"), str(tmp_path / form)
        assert cli.main(["export", form, place, dest, "--symbol", market.symbol, *options]) == 0

    day = DAYS[market.exchange]
    trades = [said for said in data_of(frames, "trade") if said["X"] == "MARKET"]
    times = [said["T"] for said in trades]
    assert len(times) > 5
    file = tmp_path / "tardis" / f"{market.tardis}_trades_{day}_{market.symbol}.csv.gz"
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert {row["exchange"] for row in rows} == {market.tardis}
    assert [int(row["timestamp"]) // 1_000 for row in rows] == times

    events = np.load(tmp_path / "hftbacktest" / f"{market.exchange}_{day}_{market.symbol}.npz")["data"]
    of_trades = events[(events["ev"] & np.uint64(0xFF) == 2) & (events["ev"] & np.uint64(1 << 31) != 0)]
    assert sorted(of_trades["exch_ts"] // 1_000_000) == sorted(times)
    assert np.count_nonzero(events["ev"] & np.uint64(0xFF) == 4) > 100

    (file,) = (tmp_path / "nautilus/data/trade_tick" / market.nautilus).iterdir()
    assert [at // 1_000_000 for at in pq.ParquetFile(file).read()["ts_event"].to_pylist()] == times
