"""The REST sides of Binance's markets: what they ask, and how their answers are read."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from collector.domain.errors import UndecodableError
from collector.domain.records import AggTradeRow, BookRow, Envelope, StreamKey, TradeRow
from collector.domain.times import sound_us
from collector.exchanges.adapter import Adapter
from collector.exchanges.binance import Binance, BinanceCoinm, BinanceUsdm
from collector.exchanges.rest_adapter import Get, Hole
from tests.conftest import Lines
from tests.exchanges.numbers import decimals, numbers_of
from tests.exchanges.rows import rows_of

spot, usdm, coinm = Binance(), BinanceUsdm(), BinanceCoinm()
MARKETS: list[Binance | BinanceUsdm | BinanceCoinm] = [spot, usdm, coinm]
SPOT_TRADES = StreamKey("binance", "BTCUSDT", "trade")

TRADE: dict[str, Any] = {
    "id": 28457,
    "price": "4.00000100",
    "qty": "12.00000000",
    "quoteQty": "48.00001200",
    "time": 1499865549590,
    "isBuyerMaker": True,
    "isBestMatch": True,
}
AGG_TRADE: dict[str, Any] = {
    "a": 26129,
    "p": "0.01633102",
    "q": "4.70443515",
    "f": 27781,
    "l": 27783,
    "T": 1498793709153,
    "m": True,
}
REST_TO_STREAM = {"id": "t", "price": "p", "qty": "q", "time": "T", "isBuyerMaker": "m"}

SNAPSHOTS = [
    (spot, "binance_spot/hftbacktest_btcusdt_20240808"),
    (spot, "binance_spot/hftbacktest_ethusdt_20240808"),
    (usdm, "binance_usdm/hftbacktest_btcusdt_20230404"),
    (usdm, "binance_usdm/hftbacktest_ethusdt_20240808"),
    (coinm, "binance_coinm/hftbacktest_btcusd_perp_20240808"),
    (spot, "binance_spot/cryptofeed_v3_BINANCE"),
    (usdm, "binance_usdm/cryptofeed_v3_BINANCE_FUTURES"),
]


def text(content: object) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


def key(adapter: Adapter, data_type: str) -> StreamKey:
    return StreamKey(adapter.exchange, "BTCUSDT", data_type)


def framed(data_type: str, answered: dict[str, Any]) -> bytes:
    """The same message as a stream sends it."""
    data = {REST_TO_STREAM.get(name, name): value for name, value in answered.items()}
    events = {"trade": "trade", "agg_trade": "aggTrade"}
    return text({"stream": "btcusdt@x", "data": {"e": events[data_type], "E": 1, "s": "BTCUSDT", **data}})


def test_spot_asks_for_books_trades_and_aggregates_without_a_key() -> None:
    assert spot.rest.snapshot("BTCUSDT") == Get("/api/v3/depth?symbol=BTCUSDT&limit=5000", 250)
    assert spot.rest.page(SPOT_TRADES, Hole(7, 9), "") == Get(
        "/api/v3/historicalTrades?symbol=BTCUSDT&fromId=7&limit=1000", 25
    )
    assert spot.rest.page(key(spot, "agg_trade"), Hole(7, 9), "") == Get(
        "/api/v3/aggTrades?symbol=BTCUSDT&fromId=7&limit=1000", 4
    )
    assert spot.rest.clock() == Get("/api/v3/time", 1)


@pytest.mark.parametrize(("adapter", "root"), [(usdm, "/fapi/v1"), (coinm, "/dapi/v1")])
def test_futures_ask_for_books_and_aggregates_only(adapter: BinanceUsdm | BinanceCoinm, root: str) -> None:
    assert adapter.rest.snapshot("BTCUSDT") == Get(f"{root}/depth?symbol=BTCUSDT&limit=1000", 20)
    assert adapter.rest.page(key(adapter, "trade"), Hole(7, 9), "") is None
    assert adapter.rest.page(key(adapter, "agg_trade"), Hole(7, 9), "") == Get(
        f"{root}/aggTrades?symbol=BTCUSDT&fromId=7&limit=1000", 20
    )
    assert adapter.rest.clock() == Get(f"{root}/time", 1)


@pytest.mark.parametrize("data_type", ["book_delta", "book_snapshot", "book_ticker"])
def test_book_messages_cannot_be_requested_again(data_type: str) -> None:
    for adapter in MARKETS:
        assert adapter.rest.page(key(adapter, data_type), Hole(1, 9), "") is None


def test_a_symbol_beyond_ascii_is_percent_encoded() -> None:
    assert (spot.rest.snapshot("币安人生USDT") or Get("é", 1)).target.isascii()


def test_each_market_has_a_rate_limit_of_its_own() -> None:
    assert len({adapter.rest.limits.budget for adapter in MARKETS}) == 3


def test_each_trade_of_a_response_is_one_envelope_with_its_text() -> None:
    first, second = b'{"id":1, %s' % text(TRADE)[12:], text({**TRADE, "id": 3})
    body = b"[%s ,\n%s]" % (first, second)
    assert spot.rest.read_page(SPOT_TRADES, Hole(1, 9), "", body).messages == [
        Envelope(SPOT_TRADES, 1, None, 1499865549590000, first),
        Envelope(SPOT_TRADES, 3, None, 1499865549590000, second),
    ]


def test_pages_go_up_by_id_until_they_cover_the_hole() -> None:
    body = text([{**TRADE, "id": 1}, {**TRADE, "id": 3}])
    assert spot.rest.read_page(SPOT_TRADES, Hole(1, 9), "", body).cursor == "4"
    assert spot.rest.page(SPOT_TRADES, Hole(1, 9), "4") == Get(
        "/api/v3/historicalTrades?symbol=BTCUSDT&fromId=4&limit=1000", 25
    )
    assert spot.rest.read_page(SPOT_TRADES, Hole(1, 3), "", body).cursor is None
    assert spot.rest.read_page(SPOT_TRADES, Hole(1, 9), "4", b"[]").cursor == "4"


def test_trades_and_aggregates_of_a_response_have_typed_rows() -> None:
    assert rows_of(spot, "trade", [text(TRADE)]) == [TradeRow("28457", 4.000001, 12.0, "sell", None, "market")]
    assert rows_of(spot, "trade", [text({**TRADE, "isBuyerMaker": False})]) == [
        TradeRow("28457", 4.000001, 12.0, "buy", None, "market")
    ]
    for adapter in MARKETS:
        assert rows_of(adapter, "agg_trade", [text(AGG_TRADE)]) == [
            AggTradeRow("26129", 0.01633102, 4.70443515, "sell", "27781", "27783")
        ]


def test_rows_of_mixed_responses_and_frames_stay_in_order() -> None:
    payloads = [text({**TRADE, "id": 1}), framed("trade", {**TRADE, "id": 2}), b"{}", text({**TRADE, "id": 3})]
    assert [row and row[0] for row in rows_of(spot, "trade", payloads)] == ["1", "2", None, "3"]


@given(decimals, decimals, st.booleans(), st.integers(0, 2**62))
@example("NaN", "1e999", True, 0)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_a_trade_has_the_same_row_over_rest_and_stream(price: str, size: str, seller_took: bool, number: int) -> None:
    trade = {**TRADE, "id": number, "price": price, "qty": size, "isBuyerMaker": seller_took}
    aggregate = {**AGG_TRADE, "a": number, "p": price, "q": size, "m": seller_took}
    for data_type, answered in (("trade", trade), ("agg_trade", aggregate)):
        over_rest, in_stream = text(answered), framed(data_type, answered)
        assert rows_of(spot, data_type, [over_rest]) == rows_of(spot, data_type, [in_stream]) != [None]
        assert list(spot.decimals(data_type, over_rest)) == list(spot.decimals(data_type, in_stream)) == [price, size]


@pytest.mark.parametrize(("adapter", "name"), SNAPSHOTS)
def test_a_recorded_snapshot_keeps_its_levels_and_their_order(adapter: Adapter, name: str, recorded: Lines) -> None:
    bodies = [line["raw"].encode() for line in recorded(name) if line["dir"] == "http" and "/depth" in line["url"]]
    assert bodies
    rest = adapter.rest
    assert rest is not None
    for body in bodies:
        sent = json.loads(body)
        envelope = rest.read_snapshot(key(adapter, "book_delta"), body)
        exchange_us = sent["T"] * 1000 if "T" in sent else None
        assert envelope == (key(adapter, "book_delta"), sent["lastUpdateId"], None, exchange_us, body, True)
        (row,) = rows_of(adapter, "book_delta", [body])
        assert isinstance(row, BookRow)
        assert row[:4] == (None, sent["lastUpdateId"], None, True)
        assert list(row.bid_prices) == sorted(row.bid_prices, reverse=True)  # type: ignore[type-var]  # no nulls
        assert list(row.ask_prices) == sorted(row.ask_prices)  # type: ignore[type-var]  # no nulls
        numbers = [number for side in ("bids", "asks") for level in sent[side] for number in level]
        assert list(adapter.decimals("book_delta", body)) == numbers
        assert list(numbers_of(row)) == [float(number) for number in numbers]


def test_a_level_that_is_not_a_decimal_is_null() -> None:
    (row,) = rows_of(spot, "book_delta", [b'{"lastUpdateId":7,"bids":[["NaN","1"]],"asks":[]}'])
    assert row == BookRow(None, 7, None, True, (None,), (1.0,), (), ())


@pytest.mark.parametrize("bids", ["null", '[["1"]]', '[["x","1"]]', '[["NaN","1"]]', '[["1","1e999"]]'])
@pytest.mark.parametrize("adapter", [spot, usdm])
def test_a_rest_book_with_an_unreadable_level_is_refused(adapter: Binance | BinanceUsdm, bids: str) -> None:
    body = f'{{"lastUpdateId":7,"T":1,"bids":{bids},"asks":[["2","1"]]}}'.encode()
    with pytest.raises(UndecodableError):
        adapter.rest.read_snapshot(key(adapter, "book_delta"), body)


@pytest.mark.parametrize("time", [1784555555555123, 0, -1, "x", None])
def test_a_rest_trade_with_an_invalid_time_is_kept(time: object) -> None:
    body = text([TRADE, {**TRADE, "id": 28458, "time": time}])
    one, other = spot.rest.read_page(SPOT_TRADES, Hole(1, 9), "", body).messages
    assert (one.id, other.id) == (28457, 28458)
    assert one.exchange_us is not None
    assert sound_us(other.exchange_us, one.exchange_us) is None


def test_an_impossible_server_time_is_undecodable() -> None:
    with pytest.raises(UndecodableError):
        spot.rest.read_clock(b'{"serverTime":1784555555555123}')


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>403 Forbidden</html>",
        b'{"code":-1121,"msg":"Invalid symbol."}',
        b'[{"id":"x"}]',
        b'[{"id":1,"price":"\xff"}]',
        b"[" * 100_000,
        text([{**TRADE, "id": -1}]),
    ],
)
def test_any_other_response_is_undecodable(body: bytes) -> None:
    book = key(spot, "book_delta")
    for read in (
        lambda: spot.rest.read_page(SPOT_TRADES, Hole(1, 9), "", body),
        lambda: spot.rest.read_snapshot(book, body),
    ):
        with pytest.raises(UndecodableError) as caught:
            read()
        assert 0 < len(str(caught.value)) < 150
        assert str(caught.value).isascii()
    with pytest.raises(UndecodableError):
        spot.rest.read_clock(body)


def test_the_exchanges_clock_is_read_in_microseconds() -> None:
    for adapter in MARKETS:
        assert adapter.rest.read_clock(b'{"serverTime":1499827319559}') == 1499827319559000
