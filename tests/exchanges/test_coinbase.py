"""Coinbase Exchange: makers' sides, changes of both sides in one list, witnesses of trades, pages that go down."""

import json

import pytest

from collector.domain.errors import ConfigError, UndecodableError
from collector.domain.records import BookRow, BookTickerRow, Envelope, InstrumentRow, StreamKey, TradeRow
from collector.domain.times import NO_TIME_US
from collector.exchanges.adapter import ControlKind, Subscription
from collector.exchanges.coinbase import Coinbase
from collector.exchanges.rest_adapter import Get, Hole
from tests.exchanges.rows import rows_of
from tests.processes.writer.processor_world import ProcessorWorld

COINBASE = Coinbase()
REST = COINBASE.rest
BOOK = StreamKey("coinbase", "BTC-USD", "book_delta")
BEST = StreamKey("coinbase", "BTC-USD", "book_ticker")
TRADE = StreamKey("coinbase", "BTC-USD", "trade")
SUBSCRIPTION = Subscription(("BTC-USD", "ETH-USD"), ("book_delta", "book_ticker", "trade"))
decode = COINBASE.decoder(SUBSCRIPTION)
START_US = 1_415_348_367_000_000

MATCH = (
    b'{"type":"match","trade_id":10,"sequence":50,"maker_order_id":"ac928c66","taker_order_id":"132fb6ae",'
    b'"time":"2014-11-07T08:19:27.028459Z","product_id":"BTC-USD","size":"5.23512","price":"400.23","side":"sell"}'
)
HEARTBEAT = (
    b'{"type":"heartbeat","sequence":90,"last_trade_id":20,"product_id":"BTC-USD","time":"2014-11-07T08:19:28.464459Z"}'
)
CHANGES = (
    b'{"type":"l2update","product_id":"BTC-USD","changes":[["buy","10101.80000000","0.162567"],'
    b'["sell","10102.1","0"],["buy","10101.7","1"]],"time":"2019-08-14T20:42:27.265Z"}'
)
SNAPSHOT = (
    b'{"type":"snapshot","product_id":"BTC-USD","bids":[["10101.10","0.45054140"]],"asks":[["10102.55","0.57753524"]]}'
)
TICKER = (
    b'{"type":"ticker","sequence":37475248783,"product_id":"BTC-USD","price":"1285.22","open_24h":"1310.79",'
    b'"best_bid":"1285.04","best_bid_size":"0.46688654","best_ask":"1285.27","best_ask_size":"1.56637040",'
    b'"side":"buy","time":"2022-10-19T23:28:22.061769Z","trade_id":370843401,"last_size":"11.4396987"}'
)


def test_the_taker_is_on_the_other_side_of_the_maker() -> None:
    assert decode(MATCH) == [Envelope(TRADE, 10, None, 1_415_348_367_028_459, MATCH)]
    assert rows_of(COINBASE, "trade", [MATCH, MATCH.replace(b'"sell"', b'"buy"')]) == [
        TradeRow("10", 400.23, 5.23512, "buy", None, None),
        TradeRow("10", 400.23, 5.23512, "sell", None, None),
    ]


def test_changes_of_both_sides_stand_in_one_list() -> None:
    assert decode(CHANGES) == [Envelope(BOOK, None, None, 1_565_815_347_265_000, CHANGES)]
    assert rows_of(COINBASE, "book_delta", [CHANGES, SNAPSHOT]) == [
        BookRow(None, None, None, False, (10101.8, 10101.7), (0.162567, 1.0), (10102.1,), (0.0,)),
        BookRow(None, None, None, True, (10101.1,), (0.4505414,), (10102.55,), (0.57753524,)),
    ]
    assert sorted(COINBASE.decimals("book_delta", CHANGES)) == sorted(
        ["10101.80000000", "0.162567", "10102.1", "0", "10101.7", "1"]
    )


def test_a_snapshot_may_have_no_time() -> None:
    assert decode(SNAPSHOT) == [Envelope(BOOK, None, None, None, SNAPSHOT, True)]


def test_a_change_of_an_unknown_side_has_no_row() -> None:
    assert rows_of(COINBASE, "book_delta", [CHANGES.replace(b'"sell"', b'"offer"')]) == [None]


def test_a_size_that_is_no_number_is_null_and_costs_no_row() -> None:
    (row,) = rows_of(COINBASE, "book_delta", [SNAPSHOT.replace(b"0.45054140", b"0.-10000")])
    assert row == BookRow(None, None, None, True, (10101.1,), (None,), (10102.55,), (0.57753524,))


def test_the_year_1_is_no_time() -> None:
    (envelope,) = decode(CHANGES.replace(b"2019-08-14T20:42:27.265Z", b"0001-01-01T00:00:00.000000Z"))
    assert envelope.exchange_us == NO_TIME_US


def test_the_best_prices_are_told_at_each_trade() -> None:
    assert decode(TICKER) == [Envelope(BEST, None, None, 1_666_222_102_061_769, TICKER)]
    assert rows_of(COINBASE, "book_ticker", [TICKER]) == [BookTickerRow(None, 1285.04, 0.46688654, 1285.27, 1.5663704)]


def test_a_ticker_of_old_has_no_sizes() -> None:
    old = TICKER.replace(b'"best_bid_size":"0.46688654",', b"").replace(b'"best_ask_size":"1.56637040",', b"")
    assert rows_of(COINBASE, "book_ticker", [old]) == [BookTickerRow(None, 1285.04, None, 1285.27, None)]


def test_heartbeats_and_the_last_match_are_witnesses_of_a_trade() -> None:
    assert decode(HEARTBEAT) == [Envelope(TRADE, 20, None, 1_415_348_368_464_459, b"")]
    last = MATCH.replace(b'"match"', b'"last_match"')
    assert decode(last) == [Envelope(TRADE, 10, None, 1_415_348_367_028_459, b"")]


def test_a_heartbeat_is_no_life_of_a_stream() -> None:
    control = COINBASE.control(HEARTBEAT)
    assert control is not None
    assert control.kind is ControlKind.HEARTBEAT
    assert COINBASE.speakers(SUBSCRIPTION)([HEARTBEAT]) == {None}


def test_without_trades_a_heartbeat_is_nothing() -> None:
    assert COINBASE.decoder(Subscription(("BTC-USD",), ("book_delta",)))(HEARTBEAT) == []


@pytest.mark.parametrize(
    ("frame", "kind", "text"),
    [
        (
            b'{"type":"subscriptions","channels":[{"name":"matches","product_ids":["BTC-USD"]}]}',
            ControlKind.ACK,
            "subscriptions",
        ),
        (
            b'{"type":"error","message":"Failed to subscribe","reason":"level2 requires authentication"}',
            ControlKind.ERROR,
            "Failed to subscribe level2 requires authentication",
        ),
    ],
)
def test_answers_are_no_messages(frame: bytes, kind: ControlKind, text: str) -> None:
    control = COINBASE.control(frame)
    assert control is not None
    assert (control.kind, control.text) == (kind, text)
    assert decode(frame) == []


@pytest.mark.parametrize("frame", [b'{"type":"received"}', b'{"type":5}', b"[1]", b"{}"])
def test_what_is_neither_is_undecodable(frame: bytes) -> None:
    with pytest.raises(UndecodableError):
        decode(frame)


def test_trades_are_subscribed_with_their_witness() -> None:
    (plan,) = COINBASE.plan(SUBSCRIPTION, "")
    assert plan.url == "wss://ws-feed.exchange.coinbase.com"
    products = list(SUBSCRIPTION.symbols)
    assert [(json.loads(request.text), request.answers) for request in plan.requests] == [
        ({"type": "subscribe", "product_ids": products, "channels": channels}, 1)
        for channels in (["level2_batch"], ["ticker"], ["matches", "heartbeat"])
    ]


def test_a_book_begins_anew_by_subscribing_it_again() -> None:
    leave, enter = (json.loads(request.text) for request in COINBASE.again([BOOK]))
    assert leave | {"type": "subscribe"} == enter
    assert enter["channels"] == ["level2_batch"]


def test_frames_speak_for_their_own_streams() -> None:
    speaking = COINBASE.speakers(SUBSCRIPTION)
    assert speaking([CHANGES]) == speaking([SNAPSHOT]) == {BOOK}
    assert speaking([MATCH]) == {TRADE}
    assert speaking([TICKER]) == {BEST}
    assert speaking([b'{"type":"subscriptions","channels":[{"name":"matches","product_ids":["BTC-USD"]}]}']) == {None}


@pytest.mark.parametrize("symbol", ["btc-usd", "BTCUSD", "BTC/USD", "BTC-USD-X", ""])
def test_symbols_are_spelled_as_products_are(symbol: str) -> None:
    with pytest.raises(ConfigError):
        COINBASE.plan(Subscription((symbol,), ("trade",)), "")


def page_of(*ids: int) -> bytes:
    trades = [
        {"trade_id": number, "side": "sell", "size": "0.01", "price": "400.23", "time": "2014-11-07T08:19:27.028459Z"}
        for number in ids
    ]
    return json.dumps(trades).encode()


def test_pages_go_down_from_the_end_of_the_hole_to_its_beginning() -> None:
    hole = Hole(5, 9)
    assert REST.page(TRADE, hole, "") == Get("/products/BTC-USD/trades?limit=1000&after=10", 1)
    page = REST.read_page(TRADE, hole, "", page_of(9, 8, 7))
    assert [message.id for message in page.messages] == [9, 8, 7]
    assert page.cursor == "7"
    assert REST.page(TRADE, hole, "7") == Get("/products/BTC-USD/trades?limit=1000&after=7", 1)
    assert REST.read_page(TRADE, hole, "7", page_of(6, 5, 4)).cursor is None
    assert REST.read_page(TRADE, hole, "7", page_of()).cursor == "7"
    assert REST.page(BOOK, hole, "") is None


def test_a_fetched_trade_has_the_takers_side_too() -> None:
    (message,) = REST.read_page(TRADE, Hole(5, 5), "", page_of(5)).messages
    assert message.exchange_us == 1_415_348_367_028_459
    assert rows_of(COINBASE, "trade", [message.payload]) == [TradeRow("5", 400.23, 0.01, "buy", None, None)]


@pytest.mark.parametrize("body", [b'{"message":"NotFound"}', b"[", b'[{"trade_id":"x"}]', b"5"])
def test_a_body_without_trades_is_undecodable(body: bytes) -> None:
    with pytest.raises(UndecodableError):
        REST.read_page(TRADE, Hole(5, 9), "", body)


def test_products_are_listed_with_whether_they_trade() -> None:
    product = {
        "id": "BTC-USD", "base_currency": "BTC", "quote_currency": "USD", "quote_increment": "0.01",
        "base_increment": "0.00000001", "min_market_funds": "1", "status": "online", "trading_disabled": False,
    }  # fmt: skip
    body = json.dumps([product, product | {"id": "X-USD", "trading_disabled": True}, product | {"status": "delisted"}])
    first, *others = REST.read_list(REST.lists()[0], body.encode()).listings
    assert (first.symbol, first.kind, first.is_trading) == ("BTC-USD", "spot", True)
    assert [listing.is_trading for listing in others] == [False, False]
    assert rows_of(COINBASE, "instrument", [first.payload]) == [
        InstrumentRow("online", "spot", "BTC", "USD", None, 0.01, 1e-08, None, 1.0, None, None, None)
    ]


def test_turnover_is_told_of_products_quoted_in_dollars() -> None:
    day = {"stats_30day": {"volume": "9"}, "stats_24hour": {"volume": "2", "last": "10"}}
    body = json.dumps({"BTC-USD": day, "BTC-EUR": day, "ETH-USDT": day, "NEW-USD": {"stats_24hour": {}}})
    assert REST.read_volumes(REST.volumes()[0], body.encode()) == {"BTC-USD": 20, "ETH-USDT": 20}


def test_the_clock_is_read() -> None:
    assert REST.read_clock(b'{"iso":"2015-01-07T23:47:25.201Z","epoch":1420674445.201}') == 1_420_674_445_201_000


def match(trade_id: int) -> bytes:
    return MATCH.replace(b'"trade_id":10,', b'"trade_id":%d,' % trade_id)


def heartbeat(last_trade_id: int) -> bytes:
    return HEARTBEAT.replace(b'"last_trade_id":20,', b'"last_trade_id":%d,' % last_trade_id)


def ledger_of(*frames: bytes) -> tuple[list[int], list[tuple[str | None, int | None]]]:
    """The ids of the trades that a writer stores of these frames, a second each, and what its ledger says is missing."""
    world = ProcessorWorld("coinbase", ("BTC-USD",), ("trade",), repaired=False)
    world.connect(1, START_US)
    for second, frame in enumerate(frames, 1):
        world.receive(START_US + second * 1_000_000, [frame], connection=1)
    world.processor.ledger.close(START_US + 600_000_000)
    world.commit()
    rows = [(gap.expected_id, gap.missing) for gap in world.latest().values() if gap.kind != "silence"]
    return [message_id for _, message_id in world.messages], rows


def test_a_trade_that_the_exchange_dropped_shows_with_the_next_heartbeat() -> None:
    assert ledger_of(match(10), heartbeat(12)) == ([10], [("11", 2)])


def test_a_heartbeat_ahead_of_its_trade_costs_nothing() -> None:
    assert ledger_of(match(10), heartbeat(11), match(11), heartbeat(11)) == ([10, 11], [])


def test_trades_before_the_first_one_are_not_missing() -> None:
    assert ledger_of(heartbeat(9), match(10), heartbeat(10)) == ([10], [])
