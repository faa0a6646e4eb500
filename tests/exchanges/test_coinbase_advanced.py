"""Coinbase Advanced Trade: tickets, offers, trades that come newest first, products without a stream of their own."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from collector.domain.errors import ConfigError, UndecodableError
from collector.domain.records import BookRow, BookTickerRow, Envelope, InstrumentRow, StreamKey, TradeRow
from collector.exchanges.adapter import ControlKind, Subscription
from collector.exchanges.coinbase_advanced import CoinbaseAdvanced
from collector.exchanges.rest_adapter import Get, Hole
from tests.conftest import Lines
from tests.exchanges.rows import rows_of

COINBASE = CoinbaseAdvanced()
REST = COINBASE.rest
RECORDING = "coinbase/cryptofeed_v3_COINBASE"
BOOK = StreamKey("coinbase_advanced", "BTC-USD", "book_delta")
BEST = StreamKey("coinbase_advanced", "BTC-USD", "book_ticker")
TRADE = StreamKey("coinbase_advanced", "BTC-USD", "trade")
SUBSCRIPTION = Subscription(("BTC-USD", "ETH-USD"), ("book_delta", "book_ticker", "trade"))
decode = COINBASE.decoder(SUBSCRIPTION)


def frame(channel: str, *events: str, number: int = 7) -> bytes:
    return (
        f'{{"channel":"{channel}","timestamp":"2026-08-09T21:05:48.228568804Z","sequence_num":{number},'
        f'"events":[{",".join(events)}]}}'
    ).encode()


def changes(kind: str, product: str = "BTC-USD") -> str:
    return (
        f'{{"type":"{kind}","product_id":"{product}","updates":['
        '{"side":"bid","event_time":"2026-08-09T21:05:48.26Z","price_level":"65083.66","new_quantity":"0.20371215"},'
        '{"side":"offer","event_time":"2026-08-09T21:05:48.26Z","price_level":"65083.67","new_quantity":"0"}]}'
    )


def trade(trade_id: int, side: str) -> str:
    return (
        f'{{"product_id":"BTC-USD","trade_id":"{trade_id}","price":"65083.67","size":"0.002186",'
        f'"time":"2026-08-09T21:05:42.514318Z","side":"{side}"}}'
    )


def test_a_book_has_bids_and_offers_and_no_id() -> None:
    sent_us = 1_786_309_548_228_568
    whole = frame("l2_data", changes("snapshot"))
    assert decode(whole) == [Envelope(BOOK, None, None, sent_us, whole, True)]
    (update,) = decode(frame("l2_data", changes("update")))
    assert not update.is_snapshot
    assert rows_of(COINBASE, "book_delta", [update.payload]) == [
        BookRow(None, None, None, False, (65083.66,), (0.20371215,), (65083.67,), (0.0,))
    ]


def test_each_event_of_a_frame_is_a_message() -> None:
    found = decode(frame("l2_data", changes("snapshot"), changes("update", "ETH-USD")))
    assert [message.payload for message in found] == [
        changes("snapshot").encode(),
        changes("update", "ETH-USD").encode(),
    ]
    assert [(message.stream.symbol, message.is_snapshot) for message in found] == [
        ("BTC-USD", True),
        ("ETH-USD", False),
    ]


def test_a_level_of_an_unknown_side_has_no_row() -> None:
    assert rows_of(COINBASE, "book_delta", [changes("update").replace("offer", "ask").encode()]) == [None]


def test_trades_are_put_in_the_order_of_their_numbers() -> None:
    events = [f'{{"type":"update","trades":[{trade(12, "SELL")},{trade(11, "BUY")}]}}']
    found = decode(frame("market_trades", *events))
    assert found == [
        Envelope(TRADE, number, None, 1_786_309_542_514_318, trade(number, side).encode())
        for number, side in ((11, "BUY"), (12, "SELL"))
    ]


def test_the_taker_is_on_the_other_side_of_the_maker() -> None:
    assert rows_of(COINBASE, "trade", [trade(12, side).encode() for side in ("SELL", "BUY")]) == [
        TradeRow("12", 65083.67, 0.002186, "buy", None, None),
        TradeRow("12", 65083.67, 0.002186, "sell", None, None),
    ]


def test_the_best_prices_are_told_at_each_trade() -> None:
    ticker = (
        '{"type":"ticker","product_id":"BTC-USD","price":"65086.18","best_bid":"65083.66","best_ask":"65083.67",'
        '"best_bid_quantity":"0.20371215","best_ask_quantity":"0.24290402"}'
    )
    (message,) = decode(frame("ticker", f'{{"type":"update","tickers":[{ticker}]}}'))
    assert (message.stream, message.id, message.payload) == (BEST, None, ticker.encode())
    assert rows_of(COINBASE, "book_ticker", [message.payload]) == [
        BookTickerRow(None, 65083.66, 0.20371215, 65083.67, 0.24290402)
    ]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (frame("subscriptions", '{"subscriptions":{"level2":["BTC-USD"]}}'), ControlKind.ACK),
        (
            frame("heartbeats", '{"current_time":"2026-08-09 21:05:48","heartbeat_counter":41691}'),
            ControlKind.HEARTBEAT,
        ),
        (b'{"type":"error","message":"authentication failure"}', ControlKind.ERROR),
    ],
)
def test_answers_and_heartbeats_are_no_messages(text: bytes, kind: ControlKind) -> None:
    control = COINBASE.control(text)
    assert control is not None
    assert control.kind is kind
    assert decode(text) == []


@pytest.mark.parametrize("text", [frame("user"), b'{"channel":5}', b"[1]", b"{}", frame("l2_data", "5")])
def test_what_is_neither_is_undecodable(text: bytes) -> None:
    with pytest.raises(UndecodableError):
        decode(text)


def test_candles_are_nothing_because_nobody_asks_for_them() -> None:
    assert decode(frame("candles", '{"type":"update","candles":[]}')) == []


def test_a_ticket_is_the_number_of_the_frame_wherever_it_stands() -> None:
    assert COINBASE.ticket(frame("l2_data", changes("update"), number=1029)) == 1029
    assert COINBASE.ticket(b'{"channel":"l2_data","events":[%s],"sequence_num":3}' % (b"{}," * 200 + b"{}")) == 3
    assert COINBASE.ticket(b'{"type":"error","message":"x"}') is None


def received(recorded: Lines) -> Iterator[tuple[bytes, dict[str, Any]]]:
    for line in recorded(RECORDING):
        if line["dir"] == "in":
            yield line["raw"].encode(), json.loads(line["raw"])


def test_the_tickets_of_the_recorded_connection_have_no_hole(recorded: Lines) -> None:
    tickets = [COINBASE.ticket(text) for text, _ in received(recorded)]
    assert tickets == list(range(1_030))


def test_the_recorded_trades_are_numbered_without_holes(recorded: Lines) -> None:
    numbers: dict[str, list[int]] = {}
    for text, _ in received(recorded):
        for message in decode(text):
            if message.stream.data_type == "trade":
                numbers.setdefault(message.stream.symbol, []).append(message.id or 0)
    assert sum(map(len, numbers.values())) == 279
    assert all(ids == list(range(ids[0], ids[0] + len(ids))) for ids in numbers.values())


def test_the_recorded_sides_are_those_of_the_makers(recorded: Lines) -> None:
    """A maker's bid is met at the best bid that a ticker told before, an offer at the best offer."""
    best: dict[str, tuple[float, float]] = {}
    met: Counter[tuple[str, str]] = Counter()
    for _, message in received(recorded):
        for event in message["events"]:
            for ticker in event.get("tickers", ()):
                best[ticker["product_id"]] = float(ticker["best_bid"]), float(ticker["best_ask"])
            for one in event.get("trades", ()) if event.get("type") == "update" else ():
                bid, offer = best[one["product_id"]]
                price = float(one["price"])
                if price <= bid or price >= offer:
                    met[one["side"], "bid" if price <= bid else "offer"] += 1
    assert met == {("SELL", "offer"): 49, ("BUY", "bid"): 26, ("SELL", "bid"): 1}


def test_every_recorded_level_has_its_place_in_a_row(recorded: Lines) -> None:
    for text, message in received(recorded):
        if message["channel"] != "l2_data":
            continue
        (event,), (envelope,) = message["events"], decode(text)
        (row,) = rows_of(COINBASE, "book_delta", [envelope.payload])
        assert isinstance(row, BookRow)
        assert (envelope.stream.symbol, row.is_snapshot) == (event["product_id"], event["type"] == "snapshot")
        for side, prices, sizes in (("bid", row.bid_prices, row.bid_sizes), ("offer", row.ask_prices, row.ask_sizes)):
            told = [one for one in event["updates"] if one["side"] == side]
            assert prices == tuple(float(one["price_level"]) for one in told)
            assert sizes == tuple(float(one["new_quantity"]) for one in told)


def test_a_request_names_one_channel_and_heartbeats_keep_all_open() -> None:
    (plan,) = COINBASE.plan(SUBSCRIPTION, "")
    assert plan.url == "wss://advanced-trade-ws.coinbase.com"
    heartbeats, *others = (json.loads(request.text) for request in plan.requests)
    assert heartbeats == {"type": "subscribe", "channel": "heartbeats"}
    assert others == [
        {"type": "subscribe", "product_ids": ["BTC-USD", "ETH-USD"], "channel": channel}
        for channel in ("level2", "ticker", "market_trades")
    ]
    assert {request.answers for request in plan.requests} == {1}


def test_a_book_begins_anew_by_subscribing_it_again() -> None:
    leave, enter = (json.loads(request.text) for request in COINBASE.again([BOOK]))
    assert leave == enter | {"type": "unsubscribe"}


def test_frames_speak_for_their_own_streams() -> None:
    speaking = COINBASE.speakers(SUBSCRIPTION)
    assert speaking([frame("l2_data", changes("update"))]) == {BOOK}
    assert speaking([frame("market_trades", f'{{"type":"update","trades":[{trade(1, "BUY")}]}}')]) == {TRADE}
    assert speaking([frame("subscriptions", '{"subscriptions":{"level2":["BTC-USD"]}}')]) == {None}


@pytest.mark.parametrize("symbol", ["btc-usd", "BTC/USD", "USDC", "BTC-USD-X", ""])
def test_symbols_are_spelled_as_products_are(symbol: str) -> None:
    with pytest.raises(ConfigError):
        COINBASE.plan(Subscription((symbol,), ("trade",)), "")


def test_products_are_listed_without_aliases(recorded: Lines) -> None:
    (line,) = [line for line in recorded(RECORDING) if line["dir"] == "http"]
    page = REST.read_list(REST.lists()[0], line["raw"].encode())
    by_symbol = {listing.symbol: listing for listing in page.listings}
    products = json.loads(line["raw"])["products"]
    assert by_symbol.keys() == {product["product_id"] for product in products if not product["alias"]}
    assert page.following is None
    assert (by_symbol["BTC-USD"].kind, by_symbol["BTC-USD"].is_trading) == ("spot", True)
    assert "BTC-USDC" not in by_symbol
    assert {"USDT-USDC", "EURC-USDC", "XSGD-USDC"} <= by_symbol.keys()
    (row,) = rows_of(COINBASE, "instrument", [by_symbol["BTC-USD"].payload])
    assert row == InstrumentRow(
        "online", "spot", "BTC", "USD", None, 0.01, 1e-08, 1e-08, 1.0, None, 1_672_531_200_000_000, None
    )
    trading = tuple(listing.symbol for listing in page.listings if listing.is_trading)
    assert len(COINBASE.plan(Subscription(trading, ("trade",)), "")) == -(-len(trading) // 30)
    volumes = REST.read_volumes(REST.volumes()[0], line["raw"].encode())
    assert max(volumes, key=volumes.__getitem__) == "BTC-USD"
    assert volumes["BTC-USD"] == 186637571.25


def test_a_list_goes_on_where_there_is_more() -> None:
    body = b'{"products":[],"pagination":{"next_cursor":"x=","has_next":true}}'
    assert REST.read_list(REST.lists()[0], body).following == Get(
        "/api/v3/brokerage/market/products?product_type=SPOT&cursor=x%3D", 1
    )


def test_pages_of_trades_go_down_by_time() -> None:
    hole = Hole(5, 9, 1_786_309_500_000_000, 1_786_309_542_000_000)
    path = "/api/v3/brokerage/market/products/BTC-USD/ticker?limit=1000"
    assert REST.page(TRADE, hole, "") == Get(f"{path}&start=1786309440&end=1786309602", 1)
    body = f'{{"trades":[{trade(9, "BUY")},{trade(8, "SELL")}],"best_bid":"1","best_ask":"2"}}'.encode()
    page = REST.read_page(TRADE, hole, "", body)
    assert [(message.id, message.payload) for message in page.messages] == [
        (9, trade(9, "BUY").encode()), (8, trade(8, "SELL").encode()),
    ]  # fmt: skip
    assert page.cursor == "1786309543"
    assert REST.page(TRADE, hole, page.cursor) == Get(f"{path}&start=1786309440&end=1786309543", 1)
    assert REST.read_page(TRADE, hole, page.cursor, f'{{"trades":[{trade(5, "BUY")}]}}'.encode()).cursor is None
    assert REST.read_page(TRADE, hole, page.cursor, b'{"trades":[]}').cursor == page.cursor
    assert REST.page(TRADE, Hole(5, 9), "") == Get(path, 1)
    assert REST.page(BOOK, hole, "") is None


@pytest.mark.parametrize("body", [b"{}", b"[", b'{"trades":[{"trade_id":"x"}]}', b"5"])
def test_a_body_without_trades_is_undecodable(body: bytes) -> None:
    with pytest.raises(UndecodableError):
        REST.read_page(TRADE, Hole(5, 9, 1, 2), "", body)


def test_copies_on_other_connections_differ_in_number_and_time_alone() -> None:
    events = (
        b'[{"type":"update","product_id":"BTC-USD","updates":[{"side":"bid","price_level":"1","new_quantity":"2"}]}]'
    )
    frame = b'{"channel":"l2_data","timestamp":"2026-08-09T21:05:48.6Z","sequence_num":25,"events":%b}' % events
    assert COINBASE.content(frame) == events
    assert COINBASE.content(b'{"sequence_num":7,"events":%b,"timestamp":"x","channel":"l2_data"}' % events) == events
    for part in (b'{"type":"ticker","product_id":"BTC-USD","best_bid":"1"}', b'{"events":', b"7"):
        assert COINBASE.content(part) == part


def test_the_clock_is_read() -> None:
    body = b'{"iso":"2023-02-14T22:00:00Z","epochSeconds":"1676412000","epochMillis":"1676412000123"}'
    assert REST.read_clock(body) == 1_676_412_000_123_000
