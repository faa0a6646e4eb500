"""Kraken's futures: books of one level a message, liquidations among trades, tickers with four data types."""

import json
from typing import Any

import pytest

from collector.domain.errors import ConfigError, UndecodableError
from collector.domain.records import (
    BookRow,
    BookTickerRow,
    Envelope,
    FundingRateRow,
    InstrumentRow,
    LiquidationRow,
    MarkPriceRow,
    OpenInterestRow,
    StreamKey,
    TradeRow,
)
from collector.exchanges.adapter import ControlKind, Subscription
from collector.exchanges.kraken_futures import KrakenFutures
from collector.exchanges.rest_adapter import Hole, Refusal
from tests.conftest import Lines
from tests.exchanges.rows import rows_of

KRAKEN = KrakenFutures()
REST = KRAKEN.rest
ALL = tuple(KRAKEN.id_rules)


def key(data_type: str, symbol: str = "PI_XBTUSD") -> StreamKey:
    return StreamKey("kraken_futures", symbol, data_type)


def subscribed(*data_types: str, symbol: str = "PI_XBTUSD") -> Subscription:
    return Subscription((symbol,), data_types or ALL)


decode = KRAKEN.decoder(subscribed())

LEVEL = b'{"feed":"book","product_id":"PI_XBTUSD","side":"sell","seq":326094643,"price":34981.0,"qty":0.0,"timestamp":1612269953629}'
SNAPSHOT = (
    b'{"feed":"book_snapshot","product_id":"PI_XBTUSD","timestamp":1612269825817,"seq":326072249,"tickSize":null,'
    b'"bids":[{"price":34892.5,"qty":6385.0},{"price":34892.0,"qty":10924.0}],"asks":[{"price":34911.5,"qty":20598.0}]}'
)
FILL = (
    b'{"feed":"trade","product_id":"PI_XBTUSD","uid":"05af78ac-a774-478c-a50c-8b9c234e071e","side":"sell",'
    b'"type":"fill","seq":653355,"time":1612266317519,"qty":15000,"price":34969.5}'
)
LIQUIDATION = FILL.replace(b'"fill"', b'"liquidation"').replace(b"653355", b"653356")
TICKER = (
    b'{"time":1676393235406,"product_id":"PI_XBTUSD","funding_rate":0.002,"funding_rate_prediction":0.001,'
    b'"relative_funding_rate":2.5e-05,"relative_funding_rate_prediction":1.5e-05,"next_funding_rate_time":1676394000000,'
    b'"feed":"ticker","bid":21978.5,"ask":21987.0,"bid_size":2536.0,"ask_size":13948.0,"volume":3.0,"dtm":0,'
    b'"leverage":"50x","index":21984.54,"premium":-0.1,"last":21978.5,"change":0.2,"suspended":false,'
    b'"tag":"perpetual","pair":"XBT:USD","openInterest":30072580.0,"markPrice":21979.68,"maturityTime":0}'
)


def test_a_message_is_one_level_and_a_snapshot_the_whole_book() -> None:
    assert decode(LEVEL) == [Envelope(key("book_delta"), 326094643, None, 1_612_269_953_629_000, LEVEL)]
    assert decode(SNAPSHOT) == [Envelope(key("book_delta"), 326072249, None, 1_612_269_825_817_000, SNAPSHOT, True)]
    assert rows_of(KRAKEN, "book_delta", [SNAPSHOT, LEVEL]) == [
        BookRow(None, 326072249, None, True, (34892.5, 34892.0), (6385.0, 10924.0), (34911.5,), (20598.0,)),
        BookRow(None, 326094643, None, False, (), (), (34981.0,), (0.0,)),
    ]


def test_a_level_of_an_unknown_side_has_no_row() -> None:
    assert rows_of(KRAKEN, "book_delta", [LEVEL.replace(b"sell", b"both")]) == [None]


def test_a_trade_is_numbered_by_seq_and_named_by_uid() -> None:
    (envelope,) = decode(FILL)
    assert envelope == Envelope(key("trade"), 653355, None, 1_612_266_317_519_000, FILL)
    assert rows_of(KRAKEN, "trade", [FILL]) == [
        TradeRow("05af78ac-a774-478c-a50c-8b9c234e071e", 34969.5, 15000.0, "sell", 653355, "market")
    ]


def test_a_trade_of_old_has_no_uid() -> None:
    (row,) = rows_of(KRAKEN, "trade", [FILL.replace(b'"uid":"05af78ac-a774-478c-a50c-8b9c234e071e",', b"")])
    assert isinstance(row, TradeRow)
    assert row.trade_id == "653355"


def test_a_liquidation_is_a_trade_and_a_liquidation() -> None:
    assert [envelope.stream for envelope in decode(LIQUIDATION)] == [key("trade"), key("liquidation")]
    (traded,) = rows_of(KRAKEN, "trade", [LIQUIDATION])
    assert isinstance(traded, TradeRow)
    assert traded.kind == "liquidation"
    assert rows_of(KRAKEN, "liquidation", [LIQUIDATION]) == [
        LiquidationRow("05af78ac-a774-478c-a50c-8b9c234e071e", "sell", 34969.5, 15000.0, None, None)
    ]


def test_liquidations_can_be_recorded_without_the_trades() -> None:
    read = KRAKEN.decoder(subscribed("liquidation"))
    assert [envelope.stream for envelope in read(LIQUIDATION)] == [key("liquidation")]
    assert read(FILL) == []
    assert KRAKEN.plan(subscribed("liquidation"), "")[0].requests == KRAKEN.plan(subscribed("trade"), "")[0].requests


def test_the_last_trades_come_in_the_order_of_their_numbers() -> None:
    frame = b'{"feed":"trade_snapshot","product_id":"PI_XBTUSD","trades":[%s,%s]}' % (LIQUIDATION, FILL)
    found = decode(frame)
    assert [(envelope.stream.data_type, envelope.id, envelope.payload) for envelope in found] == [
        ("trade", 653355, FILL),
        ("trade", 653356, LIQUIDATION),
        ("liquidation", 653356, LIQUIDATION),
    ]


def test_a_ticker_tells_four_data_types() -> None:
    found = decode(TICKER)
    assert {(envelope.stream.data_type, envelope.id, envelope.exchange_us) for envelope in found} == {
        (data_type, None, 1_676_393_235_406_000)
        for data_type in ("book_ticker", "mark_price", "funding_rate", "open_interest")
    }
    rows = [row for envelope in found for row in rows_of(KRAKEN, envelope.stream.data_type, [envelope.payload])]
    assert rows == [
        BookTickerRow(None, 21978.5, 2536.0, 21987.0, 13948.0),
        MarkPriceRow(21979.68, 21984.54, None),
        FundingRateRow(2.5e-05, 1.5e-05, 1_676_394_000_000_000, None),
        OpenInterestRow(30072580.0, None),
    ]


def test_a_rate_of_zero_is_left_out_and_the_time_of_funding_still_told() -> None:
    frame = TICKER.replace(b'"relative_funding_rate":2.5e-05,', b"")
    assert rows_of(KRAKEN, "funding_rate", [frame]) == [FundingRateRow(None, 1.5e-05, 1_676_394_000_000_000, None)]


def test_a_future_has_no_funding() -> None:
    frame = json.loads(TICKER)
    for name in [name for name in frame if "funding" in name]:
        del frame[name]
    types = {envelope.stream.data_type for envelope in decode(json.dumps(frame).encode())}
    assert types == {"book_ticker", "mark_price", "open_interest"}


@pytest.mark.parametrize(
    ("frame", "kind", "text"),
    [
        (b'{"event":"info","version":1}', ControlKind.HEARTBEAT, "info"),
        (
            b'{"event":"subscribed","feed":"book","product_ids":["PI_XBTUSD"]}',
            ControlKind.ACK,
            "subscribed ['PI_XBTUSD']",
        ),
        (b'{"event":"unsubscribed","feed":"book","product_ids":["PI_XBTUSD"]}', ControlKind.ACK, None),
        (b'{"event":"subscribed_failed","feed":"book"}', ControlKind.ERROR, "subscribed_failed"),
        (b'{"event":"error","message":"Invalid product id"}', ControlKind.ERROR, "error Invalid product id"),
        (b'{"event":"alert","message":"Bad websocket message"}', ControlKind.ERROR, None),
        (b'{"event":"subscribed","feed":"heartbeat"}', ControlKind.HEARTBEAT, "heartbeat"),
        (b'{"feed":"heartbeat","time":1534262350627}', ControlKind.HEARTBEAT, "heartbeat"),
    ],
)
def test_answers_and_heartbeats_are_no_messages(frame: bytes, kind: ControlKind, text: str | None) -> None:
    control = KRAKEN.control(frame)
    assert control is not None
    assert control.kind is kind
    assert text in {None, control.text}
    assert decode(frame) == []


@pytest.mark.parametrize("frame", [b'{"event":"challenge","message":"x"}', b'{"feed":"fills"}', b"[1]", b'{"feed":5}'])
def test_what_is_neither_is_undecodable(frame: bytes) -> None:
    with pytest.raises(UndecodableError):
        decode(frame)


def test_the_short_ticker_is_nothing_because_nobody_asks_for_it() -> None:
    assert decode(b'{"feed":"ticker_lite","product_id":"PI_XBTUSD","bid":1,"ask":2}') == []


def test_each_product_is_subscribed_and_answered_by_itself() -> None:
    (plan,) = KRAKEN.plan(Subscription(("PI_XBTUSD", "FI_XBTUSD_210924"), ("trade", "mark_price", "book_ticker")), "")
    assert plan.url == "wss://futures.kraken.com/ws/v1"
    assert {request.answers for request in plan.requests} == {1}
    assert [json.loads(request.text) for request in plan.requests] == [
        {"event": "subscribe", "feed": feed, "product_ids": [product]}
        for product in ("PI_XBTUSD", "FI_XBTUSD_210924")
        for feed in ("trade", "ticker")
    ]


def test_a_book_begins_anew_by_subscribing_it_again() -> None:
    assert [json.loads(request.text)["event"] for request in KRAKEN.again([key("book_delta")])] == [
        "unsubscribe", "subscribe",
    ]  # fmt: skip


def test_frames_speak_for_their_streams_and_answers_for_none() -> None:
    speaking = KRAKEN.speakers(subscribed())
    assert speaking([LEVEL]) == speaking([SNAPSHOT]) == {key("book_delta")}
    assert speaking([FILL]) == {key("trade"), key("liquidation")}
    of_ticker = {key(data_type) for data_type in ("book_ticker", "mark_price", "funding_rate", "open_interest")}
    assert speaking([TICKER]) == of_ticker
    assert speaking([b'{"time":1,"feed":"ticker","product_id":"PI_XBTUSD"}']) == of_ticker
    assert speaking([b'{"feed":"ticker_lite","product_id":"PI_XBTUSD"}']) == {None}
    assert speaking([b'{"event":"subscribed","feed":"book","product_ids":["PI_XBTUSD"]}']) == {None}


@pytest.mark.parametrize("symbol", ["pi_xbtusd", "XBTUSD", "in_xbtusd", "PI_XBTUSD_", "PI-XBTUSD", ""])
def test_symbols_are_spelled_as_frames_have_them(symbol: str) -> None:
    with pytest.raises(ConfigError):
        KRAKEN.plan(subscribed("trade", symbol=symbol), "")


def test_nothing_can_be_fetched_later() -> None:
    assert [REST.page(key(data_type), Hole(1, 2, 3, 4), "") for data_type in ALL] == [None] * len(ALL)
    assert REST.snapshot("PI_XBTUSD") is None


def test_products_are_listed_without_indices(recorded: Lines) -> None:
    (line,) = [line for line in recorded("kraken_futures/cryptofeed_v3_KRAKEN_FUTURES") if line["dir"] == "http"]
    listings = REST.read_list(REST.lists()[0], line["raw"].encode()).listings
    by_symbol = {listing.symbol: listing for listing in listings}
    kinds = {symbol: (listing.kind, listing.is_trading) for symbol, listing in by_symbol.items()}
    assert (kinds["PI_XBTUSD"], kinds["FI_XBTUSD_210730"]) == (("perpetual", True), ("future", True))
    assert len(listings) == 17
    KRAKEN.plan(Subscription(tuple(listing.symbol for listing in listings), ALL), "")
    row = rows_of(KRAKEN, "instrument", [by_symbol["FI_XBTUSD_210730"].payload])[0]
    assert isinstance(row, InstrumentRow)
    assert (row.status, row.kind, row.tick_size, row.contract_size) == ("tradeable", "future", 0.5, 1.0)
    assert row.expires_at == 1_627_657_200_000_000


def test_turnover_time_and_errors_are_read() -> None:
    body = b'{"result":"success","tickers":[{"symbol":"PF_XBTUSD","volumeQuote":5.5},{"symbol":"rr_xbtusd"}]}'
    assert REST.read_volumes(REST.volumes()[0], body) == {"PF_XBTUSD": 5.5}
    assert REST.read_clock(b'{"serverTime":"2022-06-17T11:00:31.335Z"}') == 1_655_463_631_335_000
    assert REST.refusal(b'{"result":"error","error":"apiLimitExceeded"}') == (Refusal.LIMITED, "apiLimitExceeded")
    assert REST.refusal(b'{"result":"error","error":"authenticationError"}') == (Refusal.FINAL, "authenticationError")
    assert REST.refusal(body) is None


def recorded_frames(recorded: Lines) -> list[dict[str, Any]]:
    lines = recorded("kraken_futures/cryptofeed_v3_KRAKEN_FUTURES")
    found = [json.loads(line["raw"]) for line in lines if line["dir"] == "in"]
    return [frame for frame in found if "event" not in frame]


def test_recorded_numbers_rise_by_one_from_the_snapshot_on(recorded: Lines) -> None:
    frames = recorded_frames(recorded)
    symbols = tuple({frame["product_id"] for frame in frames})
    read = KRAKEN.decoder(Subscription(symbols, ("book_delta", "trade")))
    numbers: dict[StreamKey, list[int]] = {}
    for frame in frames:
        for message in read(json.dumps(frame).encode()):
            numbers.setdefault(message.stream, []).append(message.id or 0)
    assert len(numbers) == 20
    assert all(ids == list(range(ids[0], ids[0] + len(ids))) for ids in numbers.values())
    assert sum(len(ids) for stream, ids in numbers.items() if stream.data_type == "book_delta") == 7_024
    assert sum(len(ids) for stream, ids in numbers.items() if stream.data_type == "trade") == 1_003
