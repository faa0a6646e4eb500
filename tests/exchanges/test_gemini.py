"""Gemini: what it has that others have not, and its frames held against a reading that shares no code with the adapter."""

import json
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from collector.domain.errors import ConfigError, UndecodableError
from collector.domain.records import BookRow, Envelope, InstrumentRow, StreamKey, TradeRow
from collector.exchanges.adapter import ControlKind, Request, Subscription
from collector.exchanges.gemini import Gemini
from tests.conftest import Lines
from tests.exchanges.rows import rows_of

GEMINI = Gemini()
RECORDING = "gemini/cryptofeed_v3_GEMINI"
BOTH = ("book_delta", "trade")
TRADE = (
    b'{"event_id":7,"price":"65206.29","quantity":"0.00007667","side":"buy","symbol":"BTCUSD","tid":9,'
    b'"timestamp":1786313194672,"type":"trade"}'
)
SNAPSHOT = (
    b'{"auction_events":[],"changes":[["buy","2.50","1"],["sell","3","0.10"],["buy","2","7"]],"symbol":"BTCUSD",'
    b'"trades":[%s],"type":"l2_updates"}'
) % TRADE


def decode(frame: bytes, *symbols: str, data_types: tuple[str, ...] = BOTH) -> list[Envelope]:
    return GEMINI.decoder(Subscription(symbols, data_types))(frame)


def key(data_type: str) -> StreamKey:
    return StreamKey("gemini", "BTCUSD", data_type)


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (b'{"timestamp":1786313195331,"type":"heartbeat"}', ControlKind.HEARTBEAT),
        (b'{"result":"error","reason":"InvalidSymbol","message":"no such symbol"}', ControlKind.ERROR),
        (b'{"hello":"world"}', ControlKind.NOISE),
        (b"hello", ControlKind.NOISE),
    ],
)
def test_control_frames(frame: bytes, kind: ControlKind) -> None:
    control = GEMINI.control(frame)
    assert control is not None
    assert control.kind is kind
    if kind is not ControlKind.NOISE:
        assert decode(frame, "BTCUSD") == []


def test_book_and_trades_share_a_subscription_that_nothing_acknowledges() -> None:
    (plan,) = GEMINI.plan(Subscription(("BTCUSD", "ETHUSD"), BOTH), "")
    assert plan.url == "wss://api.gemini.com/v2/marketdata"
    assert plan.requests == (
        Request('{"type":"subscribe","subscriptions":[{"name":"l2","symbols":["BTCUSD","ETHUSD"]}]}', 0),
    )
    assert GEMINI.again([key("book_delta")]) == (
        Request('{"type":"unsubscribe","subscriptions":[{"name":"l2","symbols":["BTCUSD"]}]}', 0),
        Request('{"type":"subscribe","subscriptions":[{"name":"l2","symbols":["BTCUSD"]}]}', 0),
    )


@pytest.mark.parametrize("symbol", ["btcusd", "BTC-USD", ""])
def test_symbols_in_another_spelling_are_refused(symbol: str) -> None:
    with pytest.raises(ConfigError, match="must be like BTCUSD"):
        GEMINI.plan(Subscription((symbol,), ("trade",)), "")


def test_the_first_frame_brings_the_book_and_past_trades() -> None:
    assert decode(SNAPSHOT, "BTCUSD") == [
        Envelope(key("book_delta"), None, None, None, SNAPSHOT, is_snapshot=True),
        Envelope(key("trade"), 9, None, 1786313194672000, TRADE),
    ]
    assert rows_of(GEMINI, "book_delta", [SNAPSHOT]) == [
        BookRow(None, None, None, True, (2.5, 2.0), (1.0, 7.0), (3.0,), (0.1,))
    ]
    assert rows_of(GEMINI, "trade", [TRADE]) == [TradeRow("9", 65206.29, 0.00007667, "buy", None, None)]


@pytest.mark.parametrize("data_type", BOTH)
def test_who_records_one_data_type_gets_that_one(data_type: str) -> None:
    (message,) = decode(SNAPSHOT, "BTCUSD", data_types=(data_type,))
    assert message.stream == key(data_type)
    found = decode(TRADE, "BTCUSD", data_types=(data_type,))
    assert [one.stream.data_type for one in found] == (["trade"] if data_type == "trade" else [])


@pytest.mark.parametrize("frame", [SNAPSHOT, TRADE, b'{"changes":[],"symbol":"BTCUSD","type":"l2_updates"}'])
def test_frames_of_other_symbols_are_undecodable(frame: bytes) -> None:
    with pytest.raises(UndecodableError, match="stream not subscribed"):
        decode(frame, "ETHUSD")


def test_an_auction_is_nothing_and_an_unknown_type_is_undecodable() -> None:
    assert decode(b'{"type":"auction_result","symbol":"BTCUSD","result":"failure"}', "BTCUSD") == []
    with pytest.raises(UndecodableError, match="unknown channel: weather"):
        decode(b'{"type":"weather","symbol":"BTCUSD"}', "BTCUSD")


def test_recorded_frames_are_what_they_say(recorded: Lines) -> None:
    frames = [line["raw"].encode() for line in recorded(RECORDING) if line["dir"] == "in"]
    symbols = {json.loads(frame).get("symbol", "BTCUSD") for frame in frames}
    books, past = set[str](), 0
    for frame in frames:
        told: Any = json.loads(frame, parse_float=Decimal)
        messages = decode(frame, *symbols)
        assert {one.stream.symbol for one in messages} <= {told.get("symbol")}
        trades = told.get("trades", []) if told["type"] == "l2_updates" else [told] * (told["type"] == "trade")
        past += len(trades) - (told["type"] == "trade")
        found = [one for one in messages if one.stream.data_type == "trade"]
        assert [(one.id, one.exchange_us) for one in found] == [
            (one["tid"], one["timestamp"] * 1_000) for one in trades
        ]
        rows: Any = rows_of(GEMINI, "trade", [one.payload for one in found])
        assert [(Decimal(repr(row.price)), Decimal(repr(row.size)), row.side) for row in rows] == [
            (Decimal(one["price"]), Decimal(one["quantity"]), one["side"]) for one in trades
        ]
        if told["type"] != "l2_updates":
            continue
        assert messages[0].is_snapshot == (told["symbol"] not in books), "the first of each symbol"
        books.add(told["symbol"])
        row: Any = rows_of(GEMINI, "book_delta", [frame])[0]
        for side, prices, sizes in (("buy", row.bid_prices, row.bid_sizes), ("sell", row.ask_prices, row.ask_sizes)):
            levels = [(Decimal(price), Decimal(size)) for mark, price, size in told["changes"] if mark == side]
            assert [(Decimal(repr(a)), Decimal(repr(b))) for a, b in zip(prices, sizes, strict=True)] == levels
    assert (len(books), past) == (10, 810)


def test_recorded_entries_of_the_list_make_rows(recorded: Lines) -> None:
    entries = [line["raw"] for line in recorded(RECORDING) if line["dir"] == "http" and "/details/" in line["url"]]
    (get,) = GEMINI.rest.lists()
    page = GEMINI.rest.read_list(get, f"[{','.join(entries)}]".encode())
    assert page.following is None
    assert Counter(one.kind for one in page.listings) == {"spot": 334, "perpetual": 13}
    assert sum(not one.is_trading for one in page.listings) == 2
    GEMINI.plan(Subscription(tuple(one.symbol for one in page.listings), ("trade",)), "")
    by_symbol = {one.symbol: one for one in page.listings}
    assert rows_of(GEMINI, "instrument", [by_symbol["ELONUSDC"].payload]) == [
        InstrumentRow("open", "spot", "ELON", "USDC", None, 1e-9, 1e-6, 60_000.0, None, None, None, None)
    ]


def test_a_list_without_a_symbol_is_refused() -> None:
    (get,) = GEMINI.rest.lists()
    with pytest.raises(UndecodableError):
        GEMINI.rest.read_list(get, b'[{"status":"open"}]')
