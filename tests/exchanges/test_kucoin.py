"""KuCoin: what it has that others have not, and its frames held against readings that share no code with the adapter."""

import json
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from collector.domain.errors import ConfigError, UndecodableError
from collector.domain.records import Envelope, InstrumentRow, StreamKey
from collector.exchanges.adapter import ControlKind, Subscription
from collector.exchanges.kucoin import Kucoin
from collector.exchanges.rest_adapter import Get, Hole, Refusal
from tests.conftest import Lines
from tests.exchanges.rows import rows_of

KUCOIN = Kucoin()
RECORDING = "kucoin/cryptofeed_v3_KUCOIN.prefix"
BOOK = StreamKey("kucoin", "BTC-USDT", "book_delta")
UPDATE = (
    b'{"type":"message","topic":"/market/level2:BTC-USDT","subject":"trade.l2update","data":{"symbol":"BTC-USDT",'
    b'"sequenceStart":11,"sequenceEnd":14,%s"changes":{"asks":[["0","0","11"],["5.50","0","12"],["6","0.10","14"]],'
    b'"bids":[["4","2","13"]]}}}'
)
ANSWER = {
    "code": "200000",
    "data": {
        "token": "2neA+/==.x",
        "instanceServers": [
            {"endpoint": "wss://ws-api-spot.kucoin.com/", "pingInterval": 15000, "pingTimeout": 10000},
            {"endpoint": "wss://other.kucoin.com/", "pingInterval": 9000},
        ],
    },
}


def decode(frame: bytes, *symbols: str) -> list[Envelope]:
    return KUCOIN.decoder(Subscription(symbols, tuple(KUCOIN.id_rules)))(frame)


def only_row(data_type: str, payload: bytes) -> Any:
    (row,) = rows_of(KUCOIN, data_type, [payload])
    return row


@pytest.fixture(scope="session")
def answers(recorded: Lines) -> list[bytes]:
    """The bodies of REST responses: the list of instruments, then books."""
    return [line["raw"].encode() for line in recorded(RECORDING) if line["dir"] == "http"]


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (b'{"id":"NSkIrWGB1s","type":"welcome"}', ControlKind.HEARTBEAT),
        (b'{"id":"ping","type":"pong","timestamp":1729843222921000}', ControlKind.HEARTBEAT),
        (b'{"id":"1","type":"ack"}', ControlKind.ACK),
        (b'{"id":"1","type":"error","code":404,"data":"topic /market/x:A-B is not found"}', ControlKind.ERROR),
        (b'{"id":"1","type":"notice","data":"hello"}', ControlKind.NOISE),
        (b'{"type":"message"}', ControlKind.NOISE),
    ],
)
def test_control_frames_are_known_by_their_type(frame: bytes, kind: ControlKind) -> None:
    control = KUCOIN.control(frame)
    assert control is not None
    assert control.kind is kind
    if kind is not ControlKind.NOISE:
        assert decode(frame, "BTC-USDT") == []


def test_an_error_says_what_the_exchange_says() -> None:
    control = KUCOIN.control(b'{"id":"1","type":"error","code":404,"data":"topic /market/x:A-B is not found"}')
    assert control is not None
    assert "topic /market/x:A-B is not found" in control.text


def test_a_hundred_symbols_of_a_channel_are_subscribed_at_once_and_each_request_is_answered() -> None:
    symbols = tuple(f"A{number}-USDT" for number in range(150))
    plans = KUCOIN.plan(Subscription(symbols, ("book_delta", "trade")), "")
    assert [len(plan.keys) for plan in plans] == [300]
    told = [json.loads(request.text) for request in plans[0].requests]
    assert [(one["topic"].partition(":")[0], one["topic"].count(",") + 1) for one in told] == [
        ("/market/level2", 100),
        ("/market/level2", 50),
        ("/market/match", 100),
        ("/market/match", 50),
    ]
    assert told[1]["topic"].startswith("/market/level2:A100-USDT,A101-USDT,")
    assert len({one["id"] for one in told}) == len(told)
    assert {(one["type"], one["response"]) for one in told} == {("subscribe", True)}
    assert {request.answers for request in plans[0].requests} == {1}


def test_a_connection_has_three_hundred_topics_at_most() -> None:
    symbols = tuple(f"A{number}-USDT" for number in range(200))
    plans = KUCOIN.plan(Subscription(symbols, ("book_delta", "trade")), "")
    assert [len(plan.keys) for plan in plans] == [200, 200]


@pytest.mark.parametrize("symbol", ["BTCUSDT", "btc-usdt", "BTC_USDT", "BTC-USDT,ETH-USDT", ""])
def test_symbols_of_another_spelling_are_refused(symbol: str) -> None:
    with pytest.raises(ConfigError, match="must be like BTC-USDT"):
        KUCOIN.plan(Subscription((symbol,), ("trade",)), "")


def test_the_answer_to_the_question_says_where_to_connect_and_how_often_to_ping() -> None:
    (plan,) = KUCOIN.plan(Subscription(("BTC-USDT",), ("trade",)), "")
    assert plan.question == Get("/api/v1/bullet-public", 10, "POST")
    dialled = KUCOIN.dial(plan, json.dumps(ANSWER).encode())
    assert dialled.url == "wss://ws-api-spot.kucoin.com/?token=2neA%2B%2F%3D%3D.x"
    assert dialled.keepalive is not None
    assert (json.loads(dialled.keepalive.text)["type"], dialled.keepalive.every_secs) == ("ping", 15.0)
    assert (dialled.requests, dialled.keys) == (plan.requests, plan.keys)


def test_without_a_question_the_configured_address_is_dialled() -> None:
    (plan,) = KUCOIN.plan(Subscription(("BTC-USDT",), ("trade",)), "ws://127.0.0.1:9000/")
    assert plan.url == "ws://127.0.0.1:9000"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[]",
        b'{"code":"200000","data":{"token":"t","instanceServers":[]}}',
        b'{"code":"200000","data":{"token":"","instanceServers":[{"endpoint":"wss://x","pingInterval":1}]}}',
        b'{"code":"200000","data":{"token":"t","instanceServers":[{"endpoint":7,"pingInterval":1}]}}',
        b'{"code":"200000","data":{"token":"t","instanceServers":[{"endpoint":"wss://x","pingInterval":0}]}}',
        b'{"code":"200000","data":{"token":"t","instanceServers":[{"endpoint":"wss://x","pingInterval":"x"}]}}',
    ],
)
def test_an_answer_that_does_not_say_where_to_connect_is_refused(answer: bytes) -> None:
    (plan,) = KUCOIN.plan(Subscription(("BTC-USDT",), ("trade",)), "")
    with pytest.raises(UndecodableError):
        KUCOIN.dial(plan, answer)


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        (b'{"code":"200000","data":[]}', None),
        (b'{"code":"429000","msg":"Too Many Requests"}', (Refusal.LIMITED, "429000 Too Many Requests")),
        (b'{"code":"503000","msg":"busy"}', (Refusal.PASSING, "503000 busy")),
        (b'{"code":"400100","msg":"symbol"}', (Refusal.FINAL, "400100 symbol")),
        (b"not JSON", None),
    ],
)
def test_a_code_other_than_success_is_a_refusal(body: bytes, refusal: tuple[Refusal, str] | None) -> None:
    assert KUCOIN.rest.refusal(body) == refusal


def test_an_update_covers_its_sequences_and_a_change_at_price_0_is_no_level() -> None:
    frame = UPDATE % b'"time":1729843222921,'
    (message,) = decode(frame, "BTC-USDT")
    assert message == Envelope(BOOK, 14, 11, 1729843222921_000, frame, is_snapshot=False)
    assert only_row("book_delta", frame) == (11, 14, None, False, (4.0,), (2.0,), (5.5, 6.0), (0.0, 0.1))
    assert list(KUCOIN.decimals("book_delta", frame)) == ["4", "2", "5.50", "0", "6", "0.10"]


def test_an_update_of_nothing_but_price_0_counts_all_the_same() -> None:
    frame = (
        b'{"type":"message","topic":"/market/level2:BTC-USDT","data":{"sequenceStart":7,"sequenceEnd":7,'
        b'"changes":{"asks":[["0","0","7"]],"bids":[]}}}'
    )
    (message,) = decode(frame, "BTC-USDT")
    assert (message.id, message.first_id, message.exchange_us) == (7, 7, None)
    assert only_row("book_delta", frame) == (7, 7, None, False, (), (), (), ())
    assert list(KUCOIN.decimals("book_delta", frame)) == []


def test_a_change_whose_price_is_no_number_is_kept_as_null() -> None:
    frame = (UPDATE % b"").replace(b'"5.50"', b'"x"')
    assert only_row("book_delta", frame).ask_prices == (None, 6.0)


def test_an_update_without_its_last_sequence_is_undecodable() -> None:
    with pytest.raises(UndecodableError, match="not a message of /market/level2"):
        decode((UPDATE % b"").replace(b"sequenceEnd", b"sequence"), "BTC-USDT")


def test_a_trade_has_its_place_in_the_exchanges_order_beside_its_id() -> None:
    frame = (
        b'{"type":"message","topic":"/market/match:BTC-USDT","subject":"trade.l3match","data":{"symbol":"BTC-USDT",'
        b'"side":"sell","type":"match","makerOrderId":"m","sequence":"1636276321894","size":"0.00001255","price":"24093.9",'
        b'"takerOrderId":"t","time":"1660608000026914990","tradeId":"62fade002e113d292303a18b"}}'
    )
    (message,) = decode(frame, "BTC-USDT")
    assert message == Envelope(
        StreamKey("kucoin", "BTC-USDT", "trade"), 1636276321894, None, 1660608000026914, frame, is_snapshot=False
    )
    assert only_row("trade", frame) == (
        "62fade002e113d292303a18b", 24093.9, 0.00001255, "sell", 1636276321894, None,
    )  # fmt: skip


def test_streams_are_heard_wherever_a_frame_names_its_topic() -> None:
    speaking = KUCOIN.speakers(Subscription(("BTC-USDT",), ("book_delta", "book_ticker")))
    assert speaking([UPDATE % b""]) == {BOOK}
    assert speaking([b'{"data":{"sequence":"1"},"topic":"/market/ticker:BTC-USDT","type":"message"}']) == {
        StreamKey("kucoin", "BTC-USDT", "book_ticker")
    }
    assert speaking([b'{"id":"1","type":"ack"}', b'{"topic":"/market/ticker:ETH-USDT"}']) == {None}


def test_channels_that_nobody_subscribed_are_nothing_and_unknown_ones_are_undecodable() -> None:
    assert decode(b'{"type":"message","topic":"/market/candles:BTC-USDT_1min","data":{}}', "BTC-USDT") == []
    with pytest.raises(UndecodableError, match="unknown channel: /market/weather"):
        decode(b'{"type":"message","topic":"/market/weather:BTC-USDT","data":{}}', "BTC-USDT")
    with pytest.raises(UndecodableError, match="stream not subscribed"):
        decode(UPDATE % b"", "ETH-USDT")


def test_a_book_over_rest_has_the_sequence_of_its_last_update(answers: list[bytes]) -> None:
    for body in answers[1:]:
        told = json.loads(body)["data"]
        message = KUCOIN.rest.read_snapshot(BOOK, body)
        assert message == Envelope(BOOK, int(told["sequence"]), None, told["time"] * 1000, body, is_snapshot=True)
        row = only_row("book_delta", body)
        assert row[:4] == (None, int(told["sequence"]), None, True)
        assert [Decimal(repr(price)) for price in row.bid_prices] == [Decimal(price) for price, _ in told["bids"]]
        assert [Decimal(repr(size)) for size in row.ask_sizes] == [Decimal(size) for _, size in told["asks"]]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"data":{"sequence":"1","bids":[["x","1"]],"asks":[]}}', b'{"data":null}']
)
def test_another_answer_than_a_book_is_refused(body: bytes) -> None:
    with pytest.raises(UndecodableError):
        KUCOIN.rest.read_snapshot(BOOK, body)


def test_a_book_is_asked_where_no_key_is_needed_and_trades_are_not_asked() -> None:
    assert KUCOIN.rest.snapshot("BTC-USDT").target == "/api/v1/market/orderbook/level2_100?symbol=BTC-USDT"
    assert KUCOIN.rest.page(StreamKey("kucoin", "BTC-USDT", "trade"), Hole(1, 2), "") is None


def test_the_recorded_list_is_read_whole(answers: list[bytes]) -> None:
    (get,) = KUCOIN.rest.lists()
    told = json.loads(answers[0])["data"]
    page = KUCOIN.rest.read_list(get, answers[0])
    assert page.following is None
    assert [(one.symbol, one.is_trading) for one in page.listings] == [
        (one["symbol"], one["enableTrading"]) for one in told
    ]
    KUCOIN.plan(Subscription(tuple(one.symbol for one in page.listings), ("trade",)), "")
    assert only_row("instrument", page.listings[0].payload) == InstrumentRow(
        "enabled", "spot", "REQ", "ETH", None, 1e-7, 0.0001, 1.0, None, None, None, None
    )


def test_volumes_are_in_the_quote_currency_and_absent_where_nothing_was_traded() -> None:
    (get,) = KUCOIN.rest.volumes()
    body = b'{"code":"200000","data":{"time":1,"ticker":[{"symbol":"A-B","volValue":"2.5"},{"symbol":"C-D","volValue":null}]}}'
    assert KUCOIN.rest.read_volumes(get, body) == {"A-B": 2.5}


def test_the_clock_is_in_milliseconds() -> None:
    assert KUCOIN.rest.read_clock(b'{"code":"200000","data":1546837113087}') == 1546837113087_000


def test_recorded_messages_are_what_their_frames_say(recorded: Lines) -> None:
    frames = [line["raw"].encode() for line in recorded(RECORDING) if line["dir"] == "in"]
    symbols = {json.loads(frame).get("topic", ":").partition(":")[2] for frame in frames}
    read = KUCOIN.decoder(Subscription(tuple(symbols), tuple(KUCOIN.id_rules)))
    last: dict[str, int] = {}
    counts = Counter[str]()
    for frame in frames:
        told = json.loads(frame)
        messages = read(frame)
        channel, _, symbol = told.get("topic", "").partition(":")
        if channel not in {"/market/level2", "/market/match", "/market/ticker"}:
            assert messages == []
            continue
        (message,) = messages
        data, row = told["data"], only_row(message.stream.data_type, frame)
        assert message.stream.symbol == symbol
        counts[message.stream.data_type] += 1
        if channel == "/market/match":
            assert (message.id, message.exchange_us) == (int(data["sequence"]), int(data["time"]) // 1000)
            exact = Decimal(repr(row.price)), Decimal(repr(row.size)), row.side, row.trade_id
            assert exact == (Decimal(data["price"]), Decimal(data["size"]), data["side"], data["tradeId"])
        elif channel == "/market/ticker":
            assert (message.id, message.exchange_us) == (int(data["sequence"]), data["time"] * 1000)
            names = ("bestBid", "bestBidSize", "bestAsk", "bestAskSize")
            assert [Decimal(repr(value)) for value in row[1:]] == [Decimal(data[name]) for name in names]
        else:
            assert (message.first_id, message.id) == (data["sequenceStart"], data["sequenceEnd"])
            assert data["sequenceStart"] == last.get(symbol, data["sequenceStart"] - 1) + 1, "dense"
            last[symbol] = data["sequenceEnd"]
            sides = [list(zip(*row[start : start + 2], strict=True)) for start in (4, 6)]
            assert [[(Decimal(repr(price)), Decimal(repr(size))) for price, size in side] for side in sides] == [
                [(Decimal(price), Decimal(size)) for price, size, _ in data["changes"][side] if Decimal(price)]
                for side in ("bids", "asks")
            ]
    assert counts == {"book_delta": 2558, "book_ticker": 556, "trade": 14}
