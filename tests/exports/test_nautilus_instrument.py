"""An instrument is named as nautilus_trader's adapters name it, and described as far as it is known."""

from pathlib import Path
from typing import Any

import pytest

import collector.read
from collector.domain.records import InstrumentRow, StreamKey
from collector.exchanges.registry import adapter
from collector.exports.asked import asked_for
from collector.exports.nautilus_instrument import entry
from collector.exports.nautilus_names import described, from_name, instrument_id
from collector.exports.nautilus_numbers import Decimals
from collector.exports.nautilus_tables import Measures
from collector.read.window import Window
from collector.storage.store.directory import DirectoryStore
from tests.storage.archive.archive_files import archive
from tests.storage.segment.segment_files import message


@pytest.mark.parametrize(
    ("exchange", "symbol", "expected"),
    [
        ("binance", "BTCUSDT", "BTCUSDT.BINANCE"),
        ("binance_usdm", "BTCUSDT", "BTCUSDT-PERP.BINANCE"),
        ("binance_usdm", "BTCUSDT_261225", "BTCUSDT_261225.BINANCE"),
        ("binance_coinm", "BTCUSD_PERP", "BTCUSD-PERP.BINANCE"),
        ("bybit_linear", "BTCUSDT", "BTCUSDT-LINEAR.BYBIT"),
        ("bybit_spot", "BTCUSDT", "BTCUSDT-SPOT.BYBIT"),
        ("kraken", "BTC/USD", "BTC/USD.KRAKEN"),
        ("okx", "BTC-USDT-SWAP", "BTC-USDT-SWAP.OKX"),
    ],
)
def test_names_are_those_of_its_adapters(exchange: str, symbol: str, expected: str) -> None:
    assert instrument_id(exchange, symbol) == expected


@pytest.mark.parametrize(
    ("exchange", "symbol", "expected"),
    [
        ("binance", "BTCUSDT", ("spot", "BTC", "USDT", None)),
        ("binance", "ETHBTC", ("spot", "ETH", "BTC", None)),
        ("kraken", "BTC/USD", ("spot", "BTC", "USD", None)),
        ("bitstamp", "btceur", ("spot", "BTC", "EUR", None)),
        ("binance_usdm", "BTCUSDT", ("perpetual", "BTC", "USDT", "USDT")),
    ],
)
def test_a_name_tells_pairs_and_perpetual_contracts(exchange: str, symbol: str, expected: tuple[Any, ...]) -> None:
    known = from_name(exchange, symbol)
    assert known is not None
    assert (known.kind, known.base, known.quote, known.settle) == expected


@pytest.mark.parametrize(
    ("exchange", "symbol"), [("binance", "USDT"), ("binance_usdm", "BTCUSDT_261225"), ("deribit", "BTC-PERPETUAL")]
)
def test_where_a_name_does_not_tell_nothing_is_made_up(exchange: str, symbol: str) -> None:
    assert from_name(exchange, symbol) is None


def measures(prices: int, sizes: int) -> Measures:
    made = Measures(Decimals("price"), Decimals("size"))
    made.prices.most, made.sizes.most = prices, sizes
    return made


LISTED = InstrumentRow("TRADING", "perpetual", "BTC", "USD", "BTC", 0.1, 1.0, 1.0, None, 100.0, None, None)


def row_of(known: InstrumentRow, prices: int, sizes: int) -> dict[str, Any]:
    found = entry(known, "X.Y", "X", measures(prices, sizes), 5)
    assert found is not None
    (row,) = found.table.to_pylist()
    return {"folder": found.folder, **row}


def test_steps_are_the_exchanges_with_the_decimals_of_the_data() -> None:
    row = row_of(LISTED, 2, 0)
    assert row["folder"] == "crypto_perpetual"
    assert (row["price_increment"], row["size_increment"], row["multiplier"]) == ("0.10", "1", "100")
    assert (row["is_inverse"], row["settlement_currency"], row["min_quantity"]) == (True, "BTC", "1")
    assert row["ts_init"] == 5_000


def test_a_step_finer_than_the_data_is_that_of_the_data() -> None:
    row = row_of(LISTED._replace(kind="spot", settle=None, lot_size=0.001), 0, 2)
    assert row["folder"] == "currency_pair"
    assert (row["price_increment"], row["size_increment"]) == ("1", "0.01")


def test_a_future_says_when_it_ends() -> None:
    row = row_of(LISTED._replace(kind="future", expires_at=7), 1, 0)
    assert (row["folder"], row["underlying"], row["expiration_ns"]) == ("crypto_future", "BTC", 7_000)


@pytest.mark.parametrize("known", [LISTED._replace(kind="option"), LISTED._replace(contract_size=None)])
def test_what_is_no_such_instrument_has_no_entry(known: InstrumentRow) -> None:
    assert entry(known, "X.Y", "X", measures(1, 1), 5) is None


def test_what_the_exchange_last_said_counts_more_than_the_name(tmp_path: Path) -> None:
    listed = [
        b'{"symbol":"BTCUSDT","status":"Trading","baseCoin":"BTC","quoteCoin":"USDT","priceFilter":{"tickSize":"%s"},'
        b'"lotSizeFilter":{"basePrecision":"0.000001"}}' % tick
        for tick in (b"0.01", b"0.5")
    ]
    stream = StreamKey("bybit_spot", "BTCUSDT", "instrument")
    messages = [message(0, place, said) for place, said in enumerate(listed)]
    store = DirectoryStore(tmp_path / "archive")
    archive(store, tmp_path / "made", messages, [stream], reader=adapter("bybit_spot"))
    asked = asked_for(collector.read.open(tmp_path / "archive"), "BTCUSDT", None, Window(), "raise")
    known = described(asked)
    assert known is not None
    assert (known.kind, known.base, known.quote, known.tick_size) == ("spot", "BTC", "USDT", 0.5)
