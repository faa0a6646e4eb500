"""The lists of instruments of Binance's markets, and what is traded."""

import json
from typing import Any

import pytest

from collector.domain.errors import UndecodableError
from collector.domain.records import InstrumentRow
from collector.exchanges.binance import Binance, BinanceCoinm, BinanceUsdm
from collector.exchanges.rest_adapter import Get
from tests.exchanges.rows import rows_of

FILTERS: list[dict[str, Any]] = [
    {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01"},
    {"filterType": "LOT_SIZE", "minQty": "0.00010", "maxQty": "9000", "stepSize": "0.00001"},
    {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
]
SPOT = {"symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT", "isSpotTradingAllowed": True,
        "filters": [*FILTERS, {"filterType": "NOTIONAL", "minNotional": "5.0"}]}  # fmt: skip
PERPETUAL = {"symbol": "BTCUSDT", "pair": "BTCUSDT", "contractType": "PERPETUAL", "deliveryDate": 4133404800000,
             "onboardDate": 1569398400000, "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT",
             "marginAsset": "USDT", "filters": [*FILTERS, {"filterType": "MIN_NOTIONAL", "notional": "100"}]}  # fmt: skip
DELIVERY = {"symbol": "BTCUSD_261225", "pair": "BTCUSD", "contractType": "NEXT_QUARTER", "deliveryDate": 1798185600000,
            "onboardDate": 1782460800000, "contractStatus": "PENDING_TRADING", "contractSize": 100, "baseAsset": "BTC",
            "quoteAsset": "USD", "marginAsset": "BTC", "filters": FILTERS}  # fmt: skip

spot, usdm, coinm = Binance(), BinanceUsdm(), BinanceCoinm()
LISTED = [
    (spot, SPOT, ("BTCUSDT", "spot", True)),
    (usdm, PERPETUAL, ("BTCUSDT", "perpetual", True)),
    (coinm, DELIVERY, ("BTCUSD_261225", "future", False)),
]


def text(content: object) -> bytes:
    return json.dumps(content).encode()


@pytest.mark.parametrize(("adapter", "instrument", "expected"), LISTED)
def test_an_instrument_is_listed_with_its_own_text(
    adapter: Binance | BinanceUsdm | BinanceCoinm, instrument: dict[str, Any], expected: tuple[str, str, bool]
) -> None:
    (get,) = adapter.rest.lists()
    page = adapter.rest.read_list(get, text({"timezone": "UTC", "symbols": [instrument]}))
    (listing,) = page.listings
    assert (listing.symbol, listing.kind, listing.is_trading) == expected
    assert json.loads(listing.payload) == instrument
    assert page.following is None


def test_instruments_have_rows() -> None:
    sizes = (0.01, 0.00001, 0.0001)
    assert rows_of(spot, "instrument", [text(SPOT)]) == [
        InstrumentRow("TRADING", "spot", "BTC", "USDT", None, *sizes, 5.0, None, None, None)
    ]
    assert rows_of(usdm, "instrument", [text(PERPETUAL)]) == [
        InstrumentRow("TRADING", "perpetual", "BTC", "USDT", "USDT", *sizes, 100.0, None, 1569398400000000, None)
    ]
    assert rows_of(coinm, "instrument", [text(DELIVERY)]) == [
        InstrumentRow(
            "PENDING_TRADING", "future", "BTC", "USD", "BTC", *sizes, None, 100.0, 1782460800000000, 1798185600000000
        )
    ]


@pytest.mark.parametrize(
    "filters", [[], [{"filterType": "PRICE_FILTER"}], [{"filterType": "PRICE_FILTER", "tickSize": []}]]
)
def test_an_instrument_without_a_filter_has_nulls(filters: list[object]) -> None:
    (row,) = rows_of(spot, "instrument", [text({**SPOT, "filters": filters})])
    assert isinstance(row, InstrumentRow)
    assert row[5:9] == (None, None, None, None)


def test_the_requests_of_lists_and_volumes_have_their_weights() -> None:
    assert spot.rest.lists() == (Get("/api/v3/exchangeInfo", 20),)
    assert spot.rest.volumes() == (Get("/api/v3/ticker/24hr", 80),)
    for adapter, root in ((usdm, "/fapi/v1"), (coinm, "/dapi/v1")):
        assert adapter.rest.lists() == (Get(f"{root}/exchangeInfo", 1),)
        assert adapter.rest.volumes() == (Get(f"{root}/ticker/24hr", 40),)


def test_volumes_are_in_the_quote_currency() -> None:
    (get,) = spot.rest.volumes()
    body = text([{"symbol": "BTCUSDT", "volume": "2", "weightedAvgPrice": "60000", "quoteVolume": "120000.5"}])
    assert spot.rest.read_volumes(get, body) == {"BTCUSDT": 120000.5}
    assert usdm.rest.read_volumes(get, body) == {"BTCUSDT": 120000.5}
    contracts = text([{"symbol": "BTCUSD_PERP", "volume": "1200", "baseVolume": "2", "weightedAvgPrice": "60000"}])
    assert coinm.rest.read_volumes(get, contracts) == {"BTCUSD_PERP": 120000.0}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[{}]",
        b'{"code":-1,"msg":"x"}',
        b'[{"symbol":"A"}]',
        b'[{"symbol":"A","quoteVolume":"x"}]',
        b'[{"quoteVolume":"1"}]',
    ],
)
def test_volumes_that_cannot_be_read_are_undecodable(body: bytes) -> None:
    (get,) = spot.rest.volumes()
    with pytest.raises(UndecodableError):
        spot.rest.read_volumes(get, body)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"symbols":[{"status":"TRADING"}]}', b'{"symbols":[{"symbol":7,"status":"TRADING"}]}']
)
def test_a_list_that_cannot_be_read_is_undecodable(body: bytes) -> None:
    (get,) = spot.rest.lists()
    with pytest.raises(UndecodableError):
        spot.rest.read_list(get, body)
