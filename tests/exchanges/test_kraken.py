"""Kraken spot: control frames, checksums, trades by time, and the names of coins."""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import pytest

from collector.domain.errors import ConfigError, UndecodableError
from collector.domain.records import BookRow, BookTickerRow, Envelope, InstrumentRow, StreamKey, TradeRow
from collector.exchanges.adapter import BookUpdate, ControlKind, Subscription
from collector.exchanges.kraken import Kraken
from collector.exchanges.rest_adapter import Get, Hole, Refusal
from tests.conftest import Lines
from tests.exchanges.kraken_v2 import as_v2, book_frame
from tests.exchanges.rows import rows_of

KRAKEN = Kraken()
REST = KRAKEN.rest
BOOK = StreamKey("kraken", "BTC/USD", "book_delta")
BEST = StreamKey("kraken", "BTC/USD", "book_ticker")
TRADE = StreamKey("kraken", "BTC/USD", "trade")
SUBSCRIPTION = Subscription(("BTC/USD", "ETH/EUR"), ("book_delta", "book_ticker", "trade"))
decode = KRAKEN.decoder(SUBSCRIPTION)

DOCUMENTED_ASKS = (
    "45285.2 0.00100000, 45286.4 1.54571953, 45286.6 1.54571109, 45289.6 1.54560911, 45290.2 0.15890660, "
    "45291.8 1.54553491, 45294.7 0.04454749, 45296.1 0.35380000, 45297.5 0.09945542, 45299.5 0.18772827"
)
DOCUMENTED_BIDS = (
    "45283.5 0.10000000, 45283.4 1.54582015, 45282.1 0.10000000, 45281.0 0.10000000, 45280.3 1.54592586, "
    "45279.0 0.07990000, 45277.6 0.03310103, 45277.5 0.30000000, 45277.3 1.54602737, 45276.6 0.15445238"
)


def levels(text: str) -> list[tuple[str, str]]:
    pairs = (level.split() for level in text.split(", ") if level)
    return [(price, size) for price, size in pairs]


def book(kind: str, bids: str, asks: str, checksum: int) -> bytes:
    return book_frame(kind, "BTC/USD", levels(bids), levels(asks), checksum)


SNAPSHOT = book("snapshot", DOCUMENTED_BIDS, DOCUMENTED_ASKS, 3310070434)


def trade(trade_id: int, side: str = "buy") -> bytes:
    return (
        f'{{"symbol":"BTC/USD","side":"{side}","price":100.1,"qty":0.25000000,"ord_type":"market",'
        f'"trade_id":{trade_id},"timestamp":"2026-07-10T00:00:00.123456789Z"}}'
    ).encode()


def test_the_documented_book_gives_the_documented_checksum() -> None:
    check = KRAKEN.checks["book_delta"]
    update = check.read(SNAPSHOT)
    assert update.is_snapshot
    assert update.bids[0] == ("45283.5", "0.10000000")
    assert update.checksum == 3310070434 == check.digest(update.bids, update.asks)


def test_a_book_that_lost_a_level_gives_another_checksum() -> None:
    check = KRAKEN.checks["book_delta"]
    update = check.read(SNAPSHOT)
    assert check.digest(update.bids[1:], update.asks) != update.checksum


def test_a_book_without_a_checksum_is_no_error() -> None:
    frame = b'{"channel":"book","type":"update","data":[{"symbol":"BTC/USD","bids":[{"price":100,"qty":0}],"asks":[]}]}'
    assert KRAKEN.checks["book_delta"].read(frame) == BookUpdate(False, [("100", "0")], [], None)


def test_a_book_frame_is_a_message_without_an_id() -> None:
    (envelope,) = decode(SNAPSHOT)
    assert envelope == Envelope(BOOK, None, None, 1_696_613_755_440_295, SNAPSHOT, True)
    (update,) = decode(book("update", "45283.5 0.00000000", "", 1))
    assert not update.is_snapshot
    assert rows_of(KRAKEN, "book_delta", [update.payload]) == [
        BookRow(None, None, None, False, (45283.5,), (0.0,), (), ())
    ]


def test_a_frame_with_two_books_is_refused() -> None:
    frame = json.loads(SNAPSHOT)
    with pytest.raises(UndecodableError, match="not a message of book"):
        decode(json.dumps(frame | {"data": frame["data"] * 2}).encode())


def test_numbers_of_a_book_are_told_as_written() -> None:
    assert list(KRAKEN.decimals("book_delta", SNAPSHOT))[:2] == ["45283.5", "0.10000000"]


def test_trades_of_one_frame_become_messages_of_their_own() -> None:
    frame = b'{"channel":"trade","type":"update","data":[%s,%s]}' % (trade(124, "sell"), trade(123))
    assert decode(frame) == [
        Envelope(TRADE, number, None, 1_783_641_600_123_456, trade(number, side))
        for number, side in ((123, "buy"), (124, "sell"))
    ]
    assert rows_of(KRAKEN, "trade", [trade(124, "sell")]) == [TradeRow("124", 100.1, 0.25, "sell", None, None)]


def test_the_best_prices_are_read_from_tickers() -> None:
    frame = (
        b'{"channel":"ticker","type":"update","data":[{"symbol":"BTC/USD","bid":0.10025,"bid_qty":740.0,"ask":0.10035,'
        b'"ask_qty":1361.44813783,"last":0.10035,"volume":997038.98383185,"vwap":0.10148}]}'
    )
    (envelope,) = decode(frame)
    assert (envelope.stream, envelope.id) == (BEST, None)
    assert rows_of(KRAKEN, "book_ticker", [frame]) == [BookTickerRow(None, 0.10025, 740.0, 0.10035, 1361.44813783)]


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (b'{"method":"subscribe","result":{"channel":"book","symbol":"BTC/USD"},"success":true}', ControlKind.ACK),
        (b'{"method":"unsubscribe","result":{"channel":"book","symbol":"BTC/USD"},"success":true}', ControlKind.ACK),
        (
            b'{"error":"Currency pair not supported X/Y","method":"subscribe","success":false,"symbol":"X/Y"}',
            ControlKind.ERROR,
        ),
        (b'{"error":"Invalid request"}', ControlKind.ERROR),
        (b'{"method":"pong","time_in":"2023-09-24T14:10:23.799685Z"}', ControlKind.HEARTBEAT),
        (b'{"channel":"heartbeat"}', ControlKind.HEARTBEAT),
        (b'{"channel":"status","type":"update","data":[{"system":"online"}]}', ControlKind.HEARTBEAT),
    ],
)
def test_answers_and_heartbeats_are_no_messages(frame: bytes, kind: ControlKind) -> None:
    control = KRAKEN.control(frame)
    assert control is not None
    assert control.kind is kind
    assert decode(frame) == []


def test_a_refused_pair_is_named_in_the_log() -> None:
    control = KRAKEN.control(b'{"error":"Currency pair not supported X/Y","method":"subscribe","success":false}')
    assert control is not None
    assert control.text == "Currency pair not supported X/Y"


@pytest.mark.parametrize("frame", [b'{"channel":5}', b"[]", b'{"method":"add_order"}', b'{"channel":["book"]}'])
def test_what_is_neither_is_undecodable(frame: bytes) -> None:
    with pytest.raises(UndecodableError):
        decode(frame)


def test_a_known_channel_that_nobody_asked_for_is_nothing() -> None:
    assert decode(b'{"channel":"instrument","type":"update","data":{"assets":[],"pairs":[]}}') == []


def test_each_symbol_of_a_request_is_answered_by_itself() -> None:
    (plan,) = KRAKEN.plan(SUBSCRIPTION, "")
    assert plan.url == "wss://ws.kraken.com/v2"
    assert [(json.loads(request.text), request.answers) for request in plan.requests] == [
        ({"method": "subscribe", "params": {"channel": channel, "symbol": list(SUBSCRIPTION.symbols), **more}}, 2)
        for channel, more in (
            ("book", {"depth": 100, "snapshot": True}),
            ("ticker", {"event_trigger": "bbo", "snapshot": True}),
            ("trade", {"snapshot": True}),
        )
    ]
    assert [request.answers for request in KRAKEN.apart(plan.keys)] == [1] * 6


def test_a_book_begins_anew_by_subscribing_it_again() -> None:
    leave, enter = (json.loads(request.text) for request in KRAKEN.again([BOOK]))
    assert (leave["method"], enter["method"]) == ("unsubscribe", "subscribe")
    assert leave["params"] | {"snapshot": True} == enter["params"]
    assert "snapshot" not in leave["params"]


def test_a_frame_speaks_for_its_own_stream_and_an_answer_for_none() -> None:
    speaking = KRAKEN.speakers(SUBSCRIPTION)
    answer = b'{"method":"subscribe","result":{"channel":"book","symbol":"BTC/USD"},"success":true}'
    assert speaking([SNAPSHOT]) == {BOOK}
    assert speaking([b'{"channel":"trade","type":"update","data":[%s]}' % trade(1), answer]) == {TRADE, None}


@pytest.mark.parametrize("symbol", ["BTCUSD", "btc-usd", "BTC/USD ", "", "BTC/usd"])
def test_symbols_are_spelled_as_websocket_v2_does(symbol: str) -> None:
    with pytest.raises(ConfigError):
        KRAKEN.plan(Subscription((symbol,), ("trade",)), "")


def page_of(*ids: int, last: str = "1688671969993150842") -> bytes:
    rows = [["30243.40000", "0.34507674", 1688669597.8277369, "b", "m", "", number] for number in ids]
    return json.dumps({"error": [], "result": {"XXBTZUSD": rows, "last": last}}).encode()


def test_trades_are_asked_for_by_time_and_by_the_names_of_rest() -> None:
    hole = Hole(5, 9, 1_688_669_600_000_000, 1_688_669_700_000_000)
    first = REST.page(TRADE, hole, "")
    assert first == Get("/0/public/Trades?pair=XBTUSD&count=1000&since=1688669540000000000", 1)
    assert REST.page(TRADE, hole, "1688671969993150842") == Get(
        "/0/public/Trades?pair=XBTUSD&count=1000&since=1688671969993150842", 1
    )
    assert REST.page(TRADE, Hole(5, 9), "") == Get("/0/public/Trades?pair=XBTUSD&count=1000", 1)
    assert REST.page(BOOK, hole, "") is None


def test_pages_go_on_until_the_end_of_the_hole() -> None:
    page = REST.read_page(TRADE, Hole(5, 9), "", page_of(4, 5))
    assert [(trade.stream, trade.id, trade.exchange_us) for trade in page.messages] == [
        (TRADE, 4, 1_688_669_597_827_736),
        (TRADE, 5, 1_688_669_597_827_736),
    ]
    assert page.cursor == "1688671969993150842"
    assert REST.read_page(TRADE, Hole(5, 9), page.cursor, page_of(8, 9, 10)).cursor is None
    assert REST.read_page(TRADE, Hole(5, 9), "7", page_of(last="7")).cursor == "7"


def test_a_fetched_trade_has_the_row_of_a_streamed_one() -> None:
    (message,) = REST.read_page(TRADE, Hole(5, 9), "", page_of(5)).messages
    assert rows_of(KRAKEN, "trade", [message.payload]) == [TradeRow("5", 30243.4, 0.34507674, "buy", None, None)]
    assert list(KRAKEN.decimals("trade", message.payload)) == ["30243.40000", "0.34507674"]


@pytest.mark.parametrize("body", [b"{}", b"[", b'{"error":[],"result":{"X":[["1"]],"last":"1"}}'])
def test_a_body_without_trades_is_undecodable(body: bytes) -> None:
    with pytest.raises(UndecodableError):
        REST.read_page(TRADE, Hole(5, 9), "", body)


@pytest.mark.parametrize(
    ("error", "refusal"),
    [
        ("EAPI:Rate limit exceeded", Refusal.LIMITED),
        ("EGeneral:Too many requests", Refusal.LIMITED),
        ("EService:Unavailable", Refusal.PASSING),
        ("EQuery:Unknown asset pair", Refusal.FINAL),
    ],
)
def test_an_error_has_status_200(error: str, refusal: Refusal) -> None:
    assert REST.refusal(json.dumps({"error": [error]}).encode()) == (refusal, error)
    assert REST.refusal(page_of(1)) is None


def test_pairs_are_listed_by_their_names_on_the_websocket(recorded: Lines) -> None:
    (line,) = [line for line in recorded("kraken/cryptofeed_v3_KRAKEN.prefix") if line["dir"] == "http"]
    listings = REST.read_list(REST.lists()[0], line["raw"].encode()).listings
    by_symbol = {listing.symbol: listing for listing in listings}
    named = [pair for pair in json.loads(line["raw"])["result"].values() if "wsname" in pair]
    assert len(by_symbol) == len(listings) == len(named)
    assert {"BTC/USD", "DOGE/USD", "ETH/BTC"} <= by_symbol.keys()
    KRAKEN.plan(Subscription(tuple(by_symbol), ("trade",)), "")
    (row,) = rows_of(KRAKEN, "instrument", [by_symbol["BTC/USD"].payload])
    assert row == InstrumentRow(None, "spot", "BTC", "USD", None, None, None, 0.0002, None, None, None, None)


def test_a_pair_that_is_not_online_is_listed_as_not_trading() -> None:
    body = b'{"error":[],"result":{"XXBTZUSD":{"wsname":"XBT/USD","status":"cancel_only","tick_size":"0.1"}}}'
    (listing,) = REST.read_list(REST.lists()[0], body).listings
    assert (listing.symbol, listing.is_trading) == ("BTC/USD", False)


def test_turnover_is_told_of_pairs_quoted_in_dollars() -> None:
    pairs = {"XXBTZUSD": "2.5", "XDGUSD": "1", "ADAEUR": "9", "SOLUSDT": "4"}
    body = json.dumps(
        {"error": [], "result": {name: {"v": ["0", volume], "p": ["0", "10"]} for name, volume in pairs.items()}}
    )
    assert REST.read_volumes(REST.volumes()[0], body.encode()) == {"BTC/USD": 25, "DOGE/USD": 10, "SOL/USDT": 40}


def test_the_clock_tells_seconds() -> None:
    assert REST.read_clock(b'{"error":[],"result":{"unixtime":1688669448,"rfc1123":"x"}}') == 1_688_669_448_000_000


class Side(dict[str, str]):
    """One side of a book of texts: another way to keep it than the recorder's."""

    def cut(self, depth: int, best: Any) -> None:
        for price in sorted(self, key=Decimal, reverse=best is max)[depth:]:
            del self[price]


def books(lines: list[dict[str, Any]]) -> Iterator[tuple[bytes, Mapping[str, Any], str]]:
    """Recorded frames of v1's books as v2 writes them, what they say, and their symbols."""
    for line in lines:
        if line["dir"] != "in" or not line["raw"].startswith("["):
            continue
        _, *parts, channel, symbol = json.loads(line["raw"])
        if channel.startswith("book"):
            said = {name: value for part in parts for name, value in part.items()}
            yield as_v2(line["raw"]).encode(), said, symbol


def test_every_recorded_checksum_is_that_of_the_book(recorded: Lines) -> None:
    check = KRAKEN.checks["book_delta"]
    sides: dict[str, tuple[Side, Side]] = {}
    matching = 0
    for frame, said, symbol in books(recorded("kraken/cryptofeed_v3_KRAKEN.prefix")):
        update = check.read(frame)
        if update.is_snapshot:
            sides[symbol] = Side(), Side()
        for side, found, best in zip(sides[symbol], (update.bids, update.asks), (max, min), strict=True):
            side.update(found)
            for price in [price for price, size in side.items() if not Decimal(size)]:
                del side[price]
            side.cut(1000, best)
        if "c" in said:
            bids, asks = sides[symbol]
            best_bids = sorted(bids.items(), key=lambda level: Decimal(level[0]), reverse=True)
            best_asks = sorted(asks.items(), key=lambda level: Decimal(level[0]))
            assert check.digest(best_bids, best_asks) == update.checksum == int(said["c"])
            matching += 1
    assert matching == 2_800


def test_every_recorded_level_has_its_place_in_a_row(recorded: Lines) -> None:
    read = KRAKEN.decoder(Subscription(KRAKEN_SYMBOLS, ("book_delta",)))
    for frame, said, symbol in books(recorded("kraken/cryptofeed_v3_KRAKEN.prefix")):
        (envelope,) = read(frame)
        (row,) = rows_of(KRAKEN, "book_delta", [envelope.payload])
        assert isinstance(row, BookRow)
        assert envelope.stream.symbol == symbol
        for names, prices, sizes in (
            (("bs", "b"), row.bid_prices, row.bid_sizes),
            (("as", "a"), row.ask_prices, row.ask_sizes),
        ):
            told: list[list[str]] = next((said[name] for name in names if name in said), [])
            assert list(zip(prices, sizes, strict=True)) == [(float(price), float(size)) for price, size, *_ in told]


KRAKEN_SYMBOLS = (
    "WAVES/EUR", "XMR/USD", "KSM/XBT", "GRT/ETH", "SC/EUR", "ETH/CHF", "OCEAN/XBT", "OMG/USD", "XBT/CHF", "ADA/XBT",
)  # fmt: skip
