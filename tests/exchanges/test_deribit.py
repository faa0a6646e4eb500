"""Deribit: chained books, trades with a number and an id, signs of life on request, and pages by number."""

import json
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest

from collector.domain.errors import ConfigError, UndecodableError
from collector.domain.records import (
    BookRow,
    BookTickerRow,
    FundingRateRow,
    InstrumentRow,
    MarkPriceRow,
    OpenInterestRow,
    StreamKey,
    TradeRow,
)
from collector.exchanges.adapter import ControlKind, Subscription
from collector.exchanges.deribit import Deribit
from collector.exchanges.rest_adapter import Hole, Listing
from tests.conftest import Lines
from tests.exchanges.conversing import as_frame, decoded, kind_of, refusal
from tests.exchanges.recorded_markets import raw_as_subscribed
from tests.exchanges.rows import rows_of

DERIBIT = Deribit()
REST = DERIBIT.rest
TYPES = tuple(DERIBIT.id_rules)
SYMBOL = "BTC-PERPETUAL"
SUBSCRIPTION = Subscription((SYMBOL,), TYPES)
DECODE = DERIBIT.decoder(SUBSCRIPTION)
RECORDING = "deribit/cryptofeed_v3_DERIBIT.prefix"
TRADES = StreamKey("deribit", SYMBOL, "trade")
TIME_US = 1_790_000_000_000_000


def told(channel: str, data: object) -> bytes:
    return as_frame({"jsonrpc": "2.0", "method": "subscription", "params": {"channel": channel, "data": data}})


def book(kind: str, change: int, **previous: int | None) -> bytes:
    data = {"type": kind, "timestamp": 1790000000000, "instrument_name": SYMBOL, "change_id": change, **previous}
    levels = {"bids": [["new", 42500.0, 950.0]], "asks": [["delete", 42501.0, 0.0]]}
    return told(f"book.{SYMBOL}.100ms", {**data, **levels})


def trade(number: int, **marks: object) -> dict[str, object]:
    return {
        "trade_seq": number, "trade_id": f"ETH-{number + 9}", "timestamp": 1790000000000, "price": 9598.5, "amount": 2000,
        "instrument_name": SYMBOL, "direction": "sell", "tick_direction": 2, **marks,
    }  # fmt: skip


def test_a_book_names_the_change_before_its_own() -> None:
    frames = [book("snapshot", 789), book("change", 790, prev_change_id=789), book("snapshot", 5, prev_change_id=None)]
    messages = decoded(DECODE, frames)
    assert [(one.first_id, one.id, one.is_snapshot, one.exchange_us) for one in messages] == [
        (None, 789, True, TIME_US), (790, 790, False, TIME_US), (None, 5, True, TIME_US),
    ]  # fmt: skip
    assert rows_of(DERIBIT, "book_delta", frames[1:2]) == [
        BookRow(None, 790, 789, False, (42500.0,), (950.0,), (42501.0,), (0.0,))
    ]
    for previous in ("-1", '"x"', "1.5", "9223372036854775807"):
        wrong = frames[1].replace(b'"prev_change_id":789', f'"prev_change_id":{previous}'.encode())
        assert refusal(DECODE, wrong).startswith("no id")


def test_trades_are_numbered_beside_their_ids() -> None:
    frame = told(f"trades.{SYMBOL}.100ms", [trade(8, liquidation="MT"), trade(7), trade(9, block_trade_id="BLOCK-1")])
    messages = DECODE(frame)
    assert [(one.stream, one.id) for one in messages] == [(TRADES, 7), (TRADES, 8), (TRADES, 9)]
    assert rows_of(DERIBIT, "trade", [one.payload for one in messages]) == [
        TradeRow("ETH-16", 9598.5, 2000.0, "sell", 7, None),
        TradeRow("ETH-17", 9598.5, 2000.0, "sell", 8, "liquidation"),
        TradeRow("ETH-18", 9598.5, 2000.0, "sell", 9, "block"),
    ]


def test_a_ticker_tells_what_the_instrument_has() -> None:
    data = {
        "timestamp": 1790000000000, "instrument_name": SYMBOL, "mark_price": 10094.1, "index_price": 10091.15,
        "estimated_delivery_price": 10091.2, "open_interest": 66128281, "current_funding": 0.0, "funding_8h": 0.00016,
    }  # fmt: skip
    messages = DECODE(told(f"ticker.{SYMBOL}.100ms", data))
    rows = {one.stream.data_type: rows_of(DERIBIT, one.stream.data_type, [one.payload])[0] for one in messages}
    assert rows == {
        "mark_price": MarkPriceRow(10094.1, 10091.15, 10091.2),
        "funding_rate": FundingRateRow(0.0, None, None, None),
        "open_interest": OpenInterestRow(66128281.0, None),
    }
    del data["current_funding"]
    of_future = DECODE(told(f"ticker.{SYMBOL}.100ms", data))
    assert {one.stream.data_type for one in of_future} == {"mark_price", "open_interest"}


def test_a_quote_is_the_best_price() -> None:
    data = {"timestamp": 1790000000000, "instrument_name": SYMBOL, "best_bid_price": 9600.5, "best_bid_amount": 162800}
    (message,) = DECODE(told(f"quote.{SYMBOL}", {**data, "best_ask_price": None, "best_ask_amount": 0.0}))
    assert message.exchange_us == TIME_US
    assert rows_of(DERIBIT, "book_ticker", [message.payload]) == [BookTickerRow(None, 9600.5, 162800.0, None, 0.0)]


def test_a_connection_asks_for_heartbeats_and_then_subscribes() -> None:
    (plan,) = DERIBIT.plan(
        Subscription(tuple(f"A{number}-PERPETUAL" for number in range(60)), ("book_delta", "trade")), ""
    )
    assert plan.url == "wss://www.deribit.com/ws/api/v2"
    calls = [json.loads(request.text) for request in plan.requests]
    assert [call["method"] for call in calls] == ["public/set_heartbeat", "public/subscribe", "public/subscribe"]
    assert [len(call["params"].get("channels", ())) for call in calls] == [0, 100, 20]
    assert calls[1]["params"]["channels"][:2] == ["book.A0-PERPETUAL.100ms", "trades.A0-PERPETUAL.100ms"]
    assert [request.answers for request in plan.requests] == [1, 1, 1]
    assert DERIBIT.limits.live == 32


def test_a_test_request_is_answered_at_once_and_the_reply_to_that_is_no_answer() -> None:
    control = DERIBIT.control(b'{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"test_request"}}')
    assert control is not None
    assert control.kind is ControlKind.HEARTBEAT
    reply = json.loads(control.reply)
    assert reply["method"] == "public/test"
    answer = as_frame({"jsonrpc": "2.0", "id": reply["id"], "result": {"version": "1.2.26"}, "testnet": False})
    assert kind_of(DERIBIT, answer) is ControlKind.HEARTBEAT
    plain = DERIBIT.control(b'{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"heartbeat"}}')
    assert plain is not None
    assert (plain.kind, plain.reply) == (ControlKind.HEARTBEAT, "")


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (b'{"jsonrpc":"2.0","id":3,"result":["book.BTC-PERPETUAL.100ms"]}', ControlKind.ACK),
        (b'{"jsonrpc":"2.0","id":3,"result":[]}', ControlKind.ACK),
        (b'{"jsonrpc":"2.0","id":2,"result":"ok"}', ControlKind.ACK),
        (b'{"jsonrpc":"2.0","id":3,"error":{"message":"Invalid params","code":-32602}}', ControlKind.ERROR),
        (b'{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"test_request"}}', ControlKind.HEARTBEAT),
    ],
)
def test_what_is_no_data(frame: bytes, kind: ControlKind) -> None:
    assert kind_of(DERIBIT, frame) is kind
    assert DECODE(frame) == []
    assert DERIBIT.speakers(SUBSCRIPTION)([frame]) == {None}


def test_what_cannot_be_understood_is_undecodable() -> None:
    assert kind_of(DERIBIT, b'{"jsonrpc":"2.0"}') is ControlKind.NOISE
    assert refusal(DECODE, b'{"jsonrpc":"2.0"}') == "unknown message"
    assert refusal(DECODE, told("weather.any", {})) == "unknown channel: weather"
    assert DECODE(told("platform_state", {})) == []


def test_a_book_is_sent_anew_by_subscribing_again() -> None:
    calls = [json.loads(request.text) for request in DERIBIT.again([TRADES._replace(data_type="book_delta")])]
    assert [call["method"] for call in calls] == ["public/unsubscribe", "public/subscribe"]
    assert calls[0]["params"] == calls[1]["params"] == {"channels": [f"book.{SYMBOL}.100ms"]}


def test_symbols_are_spelled_as_in_the_list() -> None:
    symbols = ("BTC-PERPETUAL", "BTC-25DEC26", "BTC-25DEC26-100000-C", "XRP_USDC-30AUG24-0d625-P", "BTC_USDC")
    DERIBIT.plan(Subscription(symbols, TYPES), "")
    for symbol in ("BTC", "btc-perpetual", "BTC/USD", "BTC-PERPETUAL.raw", ""):
        with pytest.raises(ConfigError, match="symbols"):
            DERIBIT.plan(Subscription((symbol,), TYPES), "")


def page(*numbers: int) -> bytes:
    return as_frame({"jsonrpc": "2.0", "result": {"trades": [trade(number) for number in numbers], "has_more": True}})


def test_pages_of_trades_go_up_by_number() -> None:
    hole = Hole(100, 3_000)
    first = REST.page(TRADES, hole, "")
    assert first is not None
    assert parse_qs(urlsplit(first.target).query) == {
        "instrument_name": [SYMBOL], "start_seq": ["100"], "end_seq": ["3000"], "count": ["1000"], "sorting": ["asc"],
    }  # fmt: skip
    messages, cursor = REST.read_page(TRADES, hole, "", page(100, 101))
    assert ([message.id for message in messages], cursor) == ([100, 101], "102")
    assert rows_of(DERIBIT, "trade", [messages[0].payload]) == [TradeRow("ETH-109", 9598.5, 2000.0, "sell", 100, None)]
    following = REST.page(TRADES, hole, "102")
    assert following is not None
    assert "start_seq=102" in following.target
    assert REST.read_page(TRADES, hole, "102", page()) == ([], "102")
    assert REST.read_page(TRADES, hole, "102", page(3_000)).cursor is None
    assert REST.page(TRADES._replace(data_type="book_delta"), hole, "") is None
    with pytest.raises(UndecodableError):
        REST.read_page(TRADES, hole, "", b'{"jsonrpc":"2.0","error":{"code":-32602}}')


def test_recorded_lists_name_every_instrument(recorded: Lines) -> None:
    listings: dict[str, Listing] = {}
    for line in recorded(RECORDING):
        if line["dir"] == "http":
            found = REST.read_list(REST.lists()[0], line["raw"].encode())
            listings |= {listing.symbol: listing for listing in found.listings}
    assert len(listings) == 398 + 426 + 177 + 16
    kinds = {"BTC-24SEP21-40000-P": "option", "UNI_USDC-PERPETUAL": "perpetual", "BTC-25MAR22": "future"}
    assert {symbol: listings[symbol].kind for symbol in kinds} == kinds
    DERIBIT.plan(Subscription(tuple(listings), TYPES), "")
    rows = rows_of(
        DERIBIT, "instrument", [listings[symbol].payload for symbol in ("BTC-25MAR22", "UNI_USDC-PERPETUAL")]
    )
    assert rows == [
        InstrumentRow(
            "active", "future", "BTC", "USD", None, 0.5, None, 10.0, None, 10.0, 1618833701000000, 1648195200000000
        ),
        InstrumentRow(
            "active", "perpetual", "UNI", "USDC", "USDC", 0.001, None, 1.0, None, 1.0, 1651149400000000, None
        ),
    ]


def test_volumes_and_time() -> None:
    summaries = [{"instrument_name": SYMBOL, "volume_usd": 5.5}, {"instrument_name": "BTC_USDC", "volume": 1.0}]
    body = as_frame({"jsonrpc": "2.0", "result": summaries})
    assert REST.read_volumes(REST.volumes()[0], body) == {SYMBOL: 5.5, "BTC_USDC": 0.0}
    assert REST.read_clock(b'{"jsonrpc":"2.0","result":1790000000000}') == TIME_US


def test_every_recorded_frame_is_read(received: Callable[[str], list[bytes]]) -> None:
    frames = [raw_as_subscribed(frame.decode()).encode() for frame in received(RECORDING)]
    symbols = {json.loads(frame)["params"]["data"]["instrument_name"] for frame in frames if b"params" in frame}
    messages = decoded(DERIBIT.decoder(Subscription(tuple(symbols), TYPES)), frames)
    books = [message.is_snapshot for message in messages if message.stream.data_type == "book_delta"]
    assert (len(books), sum(books)) == (33, 10)
    assert len(messages) - len(books) == 2 * 56
