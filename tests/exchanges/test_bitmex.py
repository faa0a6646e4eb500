"""BitMEX: what it has that others have not, and its frames held against readings that share no code with the adapter."""

import json
from collections import Counter, defaultdict
from decimal import Decimal
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
from collector.exchanges.adapter import ControlKind, Request, Subscription
from collector.exchanges.bitmex import Bitmex
from tests.conftest import Lines
from tests.exchanges.bitmex_priced import with_prices
from tests.exchanges.rows import rows_of

BITMEX = Bitmex()
RECORDING = "bitmex/cryptofeed_v2_BITMEX"
AT = '"timestamp":"2023-05-19T08:51:43.911Z"'
AT_US = 1_684_486_303_911_000
ROW = '"symbol":"XBTUSD","id":8798309800,"side":"Buy"'


def key(data_type: str) -> StreamKey:
    return StreamKey("bitmex", "XBTUSD", data_type)


def decode(frame: bytes, *symbols: str) -> list[Envelope]:
    return BITMEX.decoder(Subscription(symbols or ("XBTUSD",), tuple(BITMEX.id_rules)))(frame)


def frame_of(table: str, action: str, *rows: str, more: str = "") -> bytes:
    return f'{{"table":"{table}","action":"{action}",{more}"data":[{",".join(f"{{{row}}}" for row in rows)}]}}'.encode()


def book(action: str, *rows: str) -> bytes:
    return frame_of("orderBookL2", action, *rows)


def only_row(data_type: str, payload: bytes) -> Any:
    (row,) = rows_of(BITMEX, data_type, [payload])
    return row


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (b'{"info":"Welcome to the BitMEX Realtime API.","version":"2.0.0","limit":{}}', ControlKind.HEARTBEAT),
        (b'{"success":true,"subscribe":"trade:XBTUSD","request":{"op":"subscribe","args":[]}}', ControlKind.ACK),
        (b'{"success":true,"unsubscribe":"trade:XBTUSD","request":{"op":"unsubscribe"}}', ControlKind.ACK),
        (b'{"status":400,"error":"Unknown or expired symbol.","meta":{},"request":{}}', ControlKind.ERROR),
        (b"pong", ControlKind.HEARTBEAT),
        (b'{"success":true}', ControlKind.NOISE),
        (b"hello", ControlKind.NOISE),
    ],
)
def test_control_frames(frame: bytes, kind: ControlKind) -> None:
    control = BITMEX.control(frame)
    assert control is not None
    assert control.kind is kind
    if kind is not ControlKind.NOISE and frame != b"pong":
        assert decode(frame) == []


def test_a_request_has_ten_topics_and_each_is_answered() -> None:
    symbols = tuple(f"XBTZ{number}" for number in range(10, 22))
    (plan,) = BITMEX.plan(Subscription(symbols, ("trade",)), "")
    assert plan.url == "wss://ws.bitmex.com/realtime"
    assert [(json.loads(one.text)["args"], one.answers) for one in plan.requests] == [
        ([f"trade:{symbol}" for symbol in symbols[:10]], 10),
        ([f"trade:{symbol}" for symbol in symbols[10:]], 2),
    ]
    assert BITMEX.again([key("book_delta")]) == tuple(
        Request(f'{{"op":"{verb}","args":["orderBookL2:XBTUSD"]}}') for verb in ("unsubscribe", "subscribe")
    )


@pytest.mark.parametrize("symbol", ["xbtusd", "XBT-USD", ".BXBT", ""])
def test_symbols_in_another_spelling_are_refused(symbol: str) -> None:
    with pytest.raises(ConfigError, match="must be like XBTUSD"):
        BITMEX.plan(Subscription((symbol,), ("trade",)), "")


@pytest.mark.parametrize(
    ("action", "told", "size"),
    [
        ("insert", f'{ROW},"size":32800,"price":26902,{AT}', 32_800.0),
        ("update", f'{ROW},"size":42800,"price":26902,{AT}', 42_800.0),
        ("delete", f'{ROW},"price":26902,{AT}', 0.0),
    ],
)
def test_a_level_of_a_book_names_its_price_whatever_happened_to_it(action: str, told: str, size: float) -> None:
    frame = book(action, told)
    assert decode(frame) == [Envelope(key("book_delta"), None, None, AT_US, frame, is_snapshot=False)]
    assert only_row("book_delta", frame) == BookRow(None, None, None, False, (26_902.0,), (size,), (), ())


def test_a_partial_is_a_whole_book_also_if_it_is_empty() -> None:
    frame = book(
        "partial", f'{ROW},"size":1,"price":26902', '"symbol":"XBTUSD","id":2,"side":"Sell","size":7,"price":3.50'
    )
    assert decode(frame) == [Envelope(key("book_delta"), None, None, None, frame, is_snapshot=True)]
    assert only_row("book_delta", frame) == BookRow(None, None, None, True, (26_902.0,), (1.0,), (3.5,), (7.0,))
    empty = frame_of("orderBookL2", "partial", more='"filter":{"symbol":"XBTUSD"},')
    assert [one.is_snapshot for one in decode(empty)] == [True]
    assert only_row("book_delta", empty) == BookRow(None, None, None, True, (), (), (), ())


def test_the_time_of_a_book_is_the_transactions_where_there_is_one() -> None:
    frame = book("insert", f'{ROW},"size":1,"price":2,{AT},"transactTime":"2023-05-19T08:51:43.900Z"')
    assert [one.exchange_us for one in decode(frame)] == [AT_US - 11_000]


@pytest.mark.parametrize(
    ("action", "told"),
    [
        ("update", f'{ROW},"size":1'),  # as it was until 2023
        ("delete", ROW),
        ("delete", f'{ROW},"price":2,"size":1'),
        ("update", f'{ROW},"price":2'),
        ("insert", f'{ROW},"size":1,"price":null'),
    ],
)
def test_a_frame_that_does_not_say_all_of_a_level_is_undecodable_as_a_whole(action: str, told: str) -> None:
    whole = f'{ROW},"price":7' + ("" if action == "delete" else ',"size":1')
    with pytest.raises(UndecodableError, match="not a message of orderBookL2"):
        decode(book(action, whole, told))


def test_a_book_of_two_symbols_and_one_that_nobody_asked_for_are_undecodable() -> None:
    other = '"symbol":"ETHUSD","id":1,"side":"Buy","size":1,"price":2'
    with pytest.raises(UndecodableError, match="not of one symbol"):
        decode(book("insert", f'{ROW},"size":1,"price":2', other), "XBTUSD", "ETHUSD")
    with pytest.raises(UndecodableError, match="stream not subscribed"):
        decode(book("insert", other))
    with pytest.raises(UndecodableError, match="unknown channel: weather"):
        decode(frame_of("weather", "insert", other))


def test_a_settlement_has_no_id_and_a_kind_of_its_own() -> None:
    told = f'"symbol":"XBTUSD","side":"Sell","size":100,"price":98570.9,{AT},"trdType":'
    match = '"trdMatchID":"00000000-0000-0000-0000-000000000000"'
    (message,) = decode(frame_of("trade", "insert", f'{told}"Settlement",{match}'))
    assert (message.id, message.exchange_us) == (None, AT_US)
    assert only_row("trade", message.payload).kind == "settlement"
    (message,) = decode(frame_of("trade", "insert", f'{told}"Regular","trdMatchID":"7"'))
    assert message.id is not None
    assert only_row("trade", message.payload) == TradeRow("7", 98_570.9, 100.0, "sell", None, "market")


def test_an_instrument_tells_only_what_has_changed() -> None:
    whole = (
        f'"symbol":"XBTUSD","markPrice":95125.7,"indicativeSettlePrice":95126.0,"openInterest":7,"openValue":9,{AT},'
        '"fundingRate":0.0001,"indicativeFundingRate":-0.0002,"fundingInterval":"2000-01-01T08:00:00.000Z",'
        '"fundingTimestamp":"2023-05-19T12:00:00.000Z"'
    )
    messages = decode(frame_of("instrument", "partial", whole, more='"filter":{"symbol":"XBTUSD"},'))
    assert [one.stream.data_type for one in messages] == ["mark_price", "funding_rate", "open_interest"]
    assert {one.exchange_us for one in messages} == {AT_US}
    assert [only_row(one.stream.data_type, one.payload) for one in messages] == [
        MarkPriceRow(95_125.7, 95_126.0, None),
        FundingRateRow(0.0001, -0.0002, 1_684_497_600_000_000, 28_800),
        OpenInterestRow(7.0, 9.0),
    ]
    (message,) = decode(frame_of("instrument", "update", f'"symbol":"XBTUSD","markPrice":1.5,{AT}'))
    assert only_row("mark_price", message.payload) == MarkPriceRow(1.5, None, None)
    assert decode(frame_of("instrument", "update", f'"symbol":"XBTUSD","lastPrice":1.5,{AT}')) == []
    assert only_row("funding_rate", b'{"fundingRate":1,"fundingInterval":"?"}').interval_secs is None


def test_a_liquidation_is_stored_when_it_begins() -> None:
    told = '"orderID":"dd9cea25","symbol":"XBTUSD","side":"Buy","price":10106,"leavesQty":9214'
    (message,) = decode(frame_of("liquidation", "insert", told))
    assert (message.id, message.exchange_us) == (None, None)
    assert only_row("liquidation", message.payload) == LiquidationRow("dd9cea25", "buy", 10_106.0, 9_214.0, None, None)
    assert decode(frame_of("liquidation", "partial")) == []
    assert decode(frame_of("liquidation", "delete", '"orderID":"dd9cea25","symbol":"XBTUSD"')) == []


def test_recorded_frames_are_what_they_say(recorded: Lines) -> None:
    frames = [with_prices(line["raw"]).encode() for line in recorded(RECORDING) if line["dir"] == "in"]
    tables = [json.loads(frame, parse_float=Decimal) for frame in frames]
    symbols = {row["symbol"] for told in tables for row in told.get("data", [])}
    counts, quotes, bought = Counter[str](), defaultdict[str, list[Any]](list), 0
    for frame, told in zip(frames, tables, strict=True):
        messages = decode(frame, *symbols)
        counts.update(one.stream.data_type for one in messages)
        rows: list[Any] = [only_row(one.stream.data_type, one.payload) for one in messages]
        if told.get("table") == "orderBookL2":
            (row,) = rows
            assert row.is_snapshot == messages[0].is_snapshot == (told["action"] == "partial")
            for side, prices, sizes in (
                ("Buy", row.bid_prices, row.bid_sizes),
                ("Sell", row.ask_prices, row.ask_sizes),
            ):
                levels = [(one["price"], one.get("size", 0)) for one in told["data"] if one["side"] == side]
                found = [(Decimal(repr(price)), Decimal(repr(size))) for price, size in zip(prices, sizes, strict=True)]
                assert found == levels
            continue
        assert [one.stream.symbol for one in messages] == [row["symbol"] for row in told.get("data", [])]
        for row, one in zip(rows, told.get("data", []), strict=True):
            if told["table"] == "quote":
                quotes[one["symbol"]].append(one)
                names = ("bidPrice", "bidSize", "askPrice", "askSize")
                assert row == BookTickerRow(None, *(float(one[name]) for name in names))
                continue
            exact = row.trade_id, Decimal(repr(row.price)), Decimal(repr(row.size)), row.side
            assert exact == (one["trdMatchID"], one["price"], one["size"], one["side"].lower())
            quotes_before = [quote for quote in quotes[one["symbol"]] if quote["timestamp"] < one["timestamp"]]
            if told["action"] == "insert" and one["side"] == "Buy":
                assert one["price"] >= quotes_before[-1]["askPrice"], "the buyer took it"
                bought += 1
    assert counts == {"book_delta": 1_979, "book_ticker": 436, "trade": 27}
    assert bought == 16


def test_the_recorded_list_has_symbols_that_can_be_subscribed(recorded: Lines) -> None:
    (body,) = (line["raw"].encode() for line in recorded(RECORDING) if line["dir"] == "http")
    (get,) = BITMEX.rest.lists()
    page = BITMEX.rest.read_list(get, body)
    assert page.following is None
    assert Counter((one.kind, one.is_trading) for one in page.listings) == {
        ("perpetual", True): 23,
        ("future", True): 11,
    }
    BITMEX.plan(Subscription(tuple(one.symbol for one in page.listings), ("trade",)), "")
    by_symbol = {one.symbol: one for one in page.listings}
    assert only_row("instrument", by_symbol["XBTUSD"].payload) == InstrumentRow(
        "Open", "perpetual", "XBT", "USD", "XBt", 0.5, 100.0, None, None, None, 1_463_140_800_000_000, None
    )
    assert BITMEX.rest.read_volumes(get, body)["XBTUSD"] == 662_123_900.0


def test_an_index_is_not_listed() -> None:
    (get,) = BITMEX.rest.lists()
    assert BITMEX.rest.read_list(get, b'[{"symbol":".BXBT","typ":"MRCXXX","state":"Unlisted"}]').listings == []
    with pytest.raises(UndecodableError):
        BITMEX.rest.read_list(get, b'[{"typ":"FFWCSX"}]')
