"""The futures' mark prices, funding rates, liquidations and open interest: from their frames to their rows."""

import pytest

from collector.domain.errors import UndecodableError
from collector.domain.records import (
    Envelope,
    FundingRateRow,
    LiquidationRow,
    MarkPriceRow,
    OpenInterestRow,
    StreamKey,
)
from collector.exchanges.adapter import Subscription
from collector.exchanges.binance import BinanceCoinm, BinanceUsdm
from collector.exchanges.rest_adapter import Get
from tests.exchanges.rows import rows_of

MARK = (
    b'{"stream":"btcusdt@markPrice@1s","data":{"e":"markPriceUpdate","E":1562305380000,"s":"BTCUSDT","p":"11794.15",'
    b'"ap":"11794.1","P":"11784.62","i":"11784.25","r":"0.00038167","T":1562306400000}}'
)
LIQUIDATION = (
    b'{"stream":"btcusdt@forceOrder","data":{"e":"forceOrder","E":1568014460893,"o":{"s":"BTCUSDT","S":"SELL",'
    b'"o":"LIMIT","f":"IOC","q":"0.014","p":"9910","ap":"9911.5","X":"FILLED","l":"0.014","z":"0.014",'
    b'"T":1568014460891}}}'
)
DELIVERY = (
    b'{"stream":"btcusd_200930@markPrice@1s","data":{"e":"markPriceUpdate","E":1596095725000,"s":"BTCUSD_200930",'
    b'"p":"10934.62","P":"10962.17","r":"","T":0}}'
)

usdm, coinm = BinanceUsdm(), BinanceCoinm()
TYPES = ("mark_price", "funding_rate", "liquidation")
decode = usdm.decoder(Subscription(("BTCUSDT",), TYPES))


def stream(data_type: str) -> StreamKey:
    return StreamKey("binance_usdm", "BTCUSDT", data_type)


def test_a_mark_price_frame_tells_price_and_rate() -> None:
    assert decode(MARK) == [
        Envelope(stream(name), None, None, 1562305380000000, MARK) for name in ("mark_price", "funding_rate")
    ]
    assert rows_of(usdm, "mark_price", [MARK]) == [MarkPriceRow(11794.15, 11784.25, 11784.62)]
    assert rows_of(usdm, "funding_rate", [MARK]) == [FundingRateRow(0.00038167, None, 1562306400000000, None)]


def test_only_what_is_subscribed_is_told() -> None:
    rates = usdm.decoder(Subscription(("BTCUSDT",), ("funding_rate",)))
    assert [message.stream for message in rates(MARK)] == [stream("funding_rate")]


def test_a_contract_with_a_delivery_date_has_no_funding_rate_and_no_index() -> None:
    read = coinm.decoder(Subscription(("BTCUSD_200930",), TYPES))
    assert [message.stream.data_type for message in read(DELIVERY)] == ["mark_price"]
    assert rows_of(coinm, "mark_price", [DELIVERY]) == [MarkPriceRow(10934.62, None, 10962.17)]


def test_a_liquidation_is_its_order() -> None:
    assert decode(LIQUIDATION) == [Envelope(stream("liquidation"), None, None, 1568014460891000, LIQUIDATION)]
    assert rows_of(usdm, "liquidation", [LIQUIDATION]) == [
        LiquidationRow(None, "sell", 9910.0, 0.014, 9911.5, "filled")
    ]


@pytest.mark.parametrize("frame", [MARK, LIQUIDATION])
def test_a_message_of_another_symbol_than_its_frame_names_is_refused(frame: bytes) -> None:
    with pytest.raises(UndecodableError):
        decode(frame.replace(b'"BTCUSDT"', b'"ETHUSDT"'))


@pytest.mark.parametrize(("adapter", "root"), [(usdm, "/fapi/v1"), (coinm, "/dapi/v1")])
def test_open_interest_is_asked_for_every_minute(adapter: BinanceUsdm | BinanceCoinm, root: str) -> None:
    poll = adapter.rest.polls["open_interest"]
    assert (poll.every_secs, poll.get("BTCUSDT")) == (60.0, Get(f"{root}/openInterest?symbol=BTCUSDT", 1))
    key = StreamKey(adapter.exchange, "BTCUSDT", "open_interest")
    body = b'{"openInterest":"10659.509","symbol":"BTCUSDT","time":1589437530011}'
    assert adapter.rest.read_poll(key, body) == Envelope(key, None, None, 1589437530011000, body)
    assert rows_of(adapter, "open_interest", [body]) == [OpenInterestRow(10659.509, None)]
    with pytest.raises(UndecodableError):
        adapter.rest.read_poll(key, b'{"code":-1121,"msg":"Invalid symbol."}')
