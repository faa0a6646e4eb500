"""Gate: what it has that others have not, and its frames held against readings that share no code with the adapter."""

import json
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from collector.domain.errors import ConfigError, UndecodableError
from collector.domain.records import Envelope, InstrumentRow, StreamKey
from collector.exchanges.adapter import ControlKind, Request, Subscription
from collector.exchanges.gate import Gate
from collector.exchanges.rest_adapter import Hole
from tests.conftest import Lines
from tests.exchanges.rows import rows_of

GATE = Gate()
RECORDING = "gateio/cryptofeed_v3_GATEIO"
BOOK = StreamKey("gate", "BTC_USDT", "book_delta")
UPDATE = (
    b'{"time":1606294781,"time_ms":1606294781123,"channel":"spot.order_book_update","event":"update","result":'
    b'{"t":1606294781123,%s"s":"BTC_USDT","U":48776301,"u":48776306%s}}'
)
LEVELS = b',"b":[["19137.74","0.0001"],["19088.37","0"]],"a":[["19137.75","0.6135"]]'
ANSWER = '{"time":1,"time_ms":1,"channel":"%s","event":"%s"%s,"result":%s}'


def decode(frame: bytes, *symbols: str) -> list[Envelope]:
    return GATE.decoder(Subscription(symbols, tuple(GATE.id_rules)))(frame)


def only_row(data_type: str, payload: bytes) -> Any:
    (row,) = rows_of(GATE, data_type, [payload])
    return row


@pytest.fixture(scope="session")
def answers(recorded: Lines) -> list[bytes]:
    """The bodies of REST responses: the list of instruments, then books."""
    return [line["raw"].encode() for line in recorded(RECORDING) if line["dir"] == "http"]


@pytest.mark.parametrize(
    ("frame", "kind", "text"),
    [
        (ANSWER % ("spot.trades", "subscribe", "", '{"status":"success"}'), ControlKind.ACK, "spot.trades"),
        (
            ANSWER % ("spot.trades", "subscribe", ',"error":null', '{"status":"success"}'),
            ControlKind.ACK,
            "spot.trades",
        ),
        (ANSWER % ("spot.trades", "unsubscribe", "", '{"status":"success"}'), ControlKind.ACK, "spot.trades"),
        (
            ANSWER
            % (
                "spot.order_book_update",
                "subscribe",
                ',"error":{"code":2,"message":"unknown currency pair NOPE_USDT"}',
                '{"status":"fail"}',
            ),
            ControlKind.ERROR,
            "unknown currency pair NOPE_USDT",
        ),
        (ANSWER % ("", "", ',"error":"busy"', "null"), ControlKind.ERROR, "busy"),
        (ANSWER % ("spot.pong", "", "", "null"), ControlKind.HEARTBEAT, "pong"),
        (ANSWER % ("spot.news", "published", "", "null"), ControlKind.NOISE, "spot.news"),
    ],
)
def test_answers_are_known_by_their_event_and_error(frame: str, kind: ControlKind, text: str) -> None:
    control = GATE.control(frame.encode())
    assert control is not None
    assert control.kind is kind
    assert text in control.text
    if kind is not ControlKind.NOISE:
        assert decode(frame.encode(), "BTC_USDT") == []


def test_books_are_subscribed_one_by_one_and_other_channels_many_at_once() -> None:
    symbols = tuple(f"A{number}_USDT" for number in range(60))
    (plan,) = GATE.plan(Subscription(symbols, ("book_delta", "trade", "book_ticker")), "")
    assert plan.url == "wss://api.gateio.ws/ws/v4/"
    told = [json.loads(request.text) for request in plan.requests]
    assert Counter((one["channel"], len(one["payload"])) for one in told) == {
        ("spot.order_book_update", 2): 60,
        ("spot.trades", 50): 1,
        ("spot.trades", 10): 1,
        ("spot.book_ticker", 50): 1,
        ("spot.book_ticker", 10): 1,
    }
    assert told[0] == {
        "time": 1,
        "channel": "spot.order_book_update",
        "event": "subscribe",
        "payload": ["A0_USDT", "100ms"],
    }
    assert {request.answers for request in plan.requests} == {1}


def test_a_refused_request_is_repeated_pair_by_pair() -> None:
    keys = [StreamKey("gate", symbol, "trade") for symbol in ("A_B", "C_D")]
    assert GATE.apart(keys) == tuple(
        Request(f'{{"time":1,"channel":"spot.trades","event":"subscribe","payload":["{pair}"]}}')
        for pair in ("A_B", "C_D")
    )


def test_the_connection_is_kept_open_within_half_a_minute() -> None:
    assert json.loads(GATE.keepalive.text) == {"time": 1, "channel": "spot.ping"}
    assert GATE.keepalive.every_secs < 30


@pytest.mark.parametrize("symbol", ["BTCUSDT", "btc_usdt", "BTC-USDT", "BTC_USDT_X", ""])
def test_symbols_of_another_spelling_are_refused(symbol: str) -> None:
    with pytest.raises(ConfigError, match="must be like BTC_USDT"):
        GATE.plan(Subscription((symbol,), ("trade",)), "")


def test_an_update_covers_the_ids_from_its_first_to_its_last() -> None:
    frame = UPDATE % (b'"e":"depthUpdate","E":1606294781,', LEVELS)
    (message,) = decode(frame, "BTC_USDT")
    assert message == Envelope(BOOK, 48776306, 48776301, 1606294781123_000, frame, is_snapshot=False)
    assert only_row("book_delta", frame) == (
        48776301, 48776306, None, False, (19137.74, 19088.37), (0.0001, 0.0), (19137.75,), (0.6135,),
    )  # fmt: skip


@pytest.mark.parametrize(("told", "is_snapshot"), [(b'"full":true,', True), (b'"full":false,', False)])
def test_a_full_update_replaces_the_book(told: bytes, is_snapshot: bool) -> None:
    frame = UPDATE % (told, LEVELS)
    (message,) = decode(frame, "BTC_USDT")
    assert (message.is_snapshot, message.id) == (is_snapshot, 48776306)
    assert only_row("book_delta", frame).is_snapshot is is_snapshot


@pytest.mark.parametrize("levels", [b"", b',"b":null,"a":null', b',"b":[],"a":[]'])
def test_an_update_without_levels_counts_all_the_same(levels: bytes) -> None:
    frame = UPDATE % (b"", levels)
    (message,) = decode(frame, "BTC_USDT")
    assert message.id == 48776306
    assert only_row("book_delta", frame)[4:] == ((), (), (), ())


@pytest.mark.parametrize("of", ["", '"time_ms":1,', '"event":"update",', '"trace_id":"x",'])
def test_updates_are_known_in_whatever_order_their_keys_stand(of: str) -> None:
    told = UPDATE % (b"", LEVELS)
    result = told[told.index(b'"result"') :].decode()
    frame = f'{{"time":1,{of}"channel":"spot.order_book_update","event":"update",{result}'.encode()
    (message,) = decode(frame, "BTC_USDT")
    assert (message.stream, message.id) == (BOOK, 48776306)


def test_an_update_without_ids_is_undecodable() -> None:
    with pytest.raises(UndecodableError, match=r"not a message of spot\.order_book_update"):
        decode((UPDATE % (b"", b"")).replace(b'"u"', b'"x"'), "BTC_USDT")


def test_a_trades_time_has_a_fraction_of_a_millisecond() -> None:
    frame = (
        b'{"time":1619093543,"channel":"spot.trades","event":"update","result":{"id":816995772,"create_time":1619093543,'
        b'"create_time_ms":"1619093543708.2642","side":"sell","currency_pair":"DIS_USDT","amount":"0.2010000000",'
        b'"price":"121.5800000000"}}'
    )
    (message,) = decode(frame, "DIS_USDT")
    assert message == Envelope(
        StreamKey("gate", "DIS_USDT", "trade"), 816995772, None, 1619093543708_264, frame, is_snapshot=False
    )
    assert only_row("trade", frame) == ("816995772", 121.58, 0.201, "sell", None, None)


def test_an_empty_side_of_the_best_prices_is_null() -> None:
    frame = (
        b'{"time":1,"channel":"spot.book_ticker","event":"update","result":'
        b'{"t":1682689046131,"u":517377894,"s":"ETC_ETH","b":"0.010326","B":"0.001","a":"","A":""}}'
    )
    (message,) = decode(frame, "ETC_ETH")
    assert (message.id, message.exchange_us) == (517377894, 1682689046131_000)
    assert only_row("book_ticker", frame) == (517377894, 0.010326, 0.001, None, None)


def test_streams_are_heard_by_channel_and_pair() -> None:
    speaking = GATE.speakers(Subscription(("BTC_USDT",), ("book_delta", "trade")))
    assert speaking([UPDATE % (b'"full":true,"e":"depthUpdate",', LEVELS)]) == {BOOK}
    assert speaking([(ANSWER % ("spot.trades", "subscribe", "", '{"status":"success"}')).encode()]) == {None}
    assert speaking([UPDATE.replace(b"BTC_USDT", b"ETH_USDT") % (b"", LEVELS)]) == {None}


def test_channels_that_nobody_subscribed_are_nothing_and_unknown_ones_are_undecodable() -> None:
    assert (
        decode(b'{"channel":"spot.tickers","event":"update","result":{"currency_pair":"BTC_USDT"}}', "BTC_USDT") == []
    )
    with pytest.raises(UndecodableError, match=r"unknown channel: spot\.weather"):
        decode(b'{"channel":"spot.weather","event":"update","result":{}}', "BTC_USDT")
    with pytest.raises(UndecodableError, match="stream not subscribed: book_delta BTC_USDT"):
        decode(UPDATE % (b"", LEVELS), "ETH_USDT")


def test_a_book_over_rest_has_the_id_of_its_last_update(answers: list[bytes]) -> None:
    for body in answers[1:]:
        told = json.loads(body)
        message = GATE.rest.read_snapshot(BOOK, body)
        assert message == Envelope(BOOK, told["id"], None, None, body, is_snapshot=True)
        row = only_row("book_delta", body)
        assert row[:4] == (None, told["id"], None, True)
        assert [Decimal(repr(price)) for price in row.bid_prices] == [Decimal(price) for price, _ in told["bids"]]
        assert [Decimal(repr(size)) for size in row.ask_sizes] == [Decimal(size) for _, size in told["asks"]]


def test_a_book_over_rest_that_says_when_it_changed_has_that_time() -> None:
    body = b'{"id":7,"current":1682689052257,"update":1682689052253,"asks":[],"bids":[["1","2"]]}'
    assert GATE.rest.read_snapshot(BOOK, body).exchange_us == 1682689052253_000


@pytest.mark.parametrize("body", [b"", b"[]", b'{"id":1,"bids":[["x","1"]],"asks":[]}', b'{"bids":[],"asks":[]}'])
def test_another_answer_than_a_book_is_refused(body: bytes) -> None:
    with pytest.raises(UndecodableError):
        GATE.rest.read_snapshot(BOOK, body)


def test_a_book_is_asked_with_its_id_and_trades_are_not_asked() -> None:
    target = "/api/v4/spot/order_book?currency_pair=BTC_USDT&limit=100&with_id=true"
    assert GATE.rest.snapshot("BTC_USDT").target == target
    assert GATE.rest.page(StreamKey("gate", "BTC_USDT", "trade"), Hole(1, 2), "") is None


def test_the_recorded_list_is_read_whole(answers: list[bytes]) -> None:
    (get,) = GATE.rest.lists()
    told = json.loads(answers[0])
    page = GATE.rest.read_list(get, answers[0])
    assert page.following is None
    assert [one.symbol for one in page.listings] == [one["id"] for one in told]
    assert [one.is_trading for one in page.listings] == [one["trade_status"] != "untradable" for one in told]
    GATE.plan(Subscription(tuple(one.symbol for one in page.listings), ("trade",)), "")
    assert only_row("instrument", page.listings[0].payload) == InstrumentRow(
        "tradable", "spot", "IHT", "ETH", None, 1e-9, 0.1, None, 0.001, None, None, None
    )


def test_a_pair_has_its_dates_where_it_has_any() -> None:
    payload = b'{"id":"A_B","trade_status":"sellable","buy_start":1500000000,"delisting_time":0,"min_base_amount":"3"}'
    row = only_row("instrument", payload)
    assert (row.listed_at, row.expires_at, row.min_size) == (1500000000_000_000, None, 3.0)


def test_volumes_are_in_the_quote_currency() -> None:
    (get,) = GATE.rest.volumes()
    body = b'[{"currency_pair":"A_B","quote_volume":"2.5"},{"currency_pair":"C_D","quote_volume":"0"}]'
    assert GATE.rest.read_volumes(get, body) == {"A_B": 2.5, "C_D": 0.0}


@pytest.mark.parametrize("body", [b"7", b'[{"currency_pair":"A_B","quote_volume":"x"}]', b'[{"currency_pair":7}]'])
def test_volumes_that_cannot_be_read_are_refused(body: bytes) -> None:
    (get,) = GATE.rest.volumes()
    with pytest.raises(UndecodableError):
        GATE.rest.read_volumes(get, body)


def test_the_clock_is_in_milliseconds() -> None:
    assert GATE.rest.read_clock(b'{"server_time":1597026383085}') == 1597026383085_000


def test_recorded_trades_and_updates_are_what_their_frames_say(recorded: Lines) -> None:
    frames = [line["raw"].encode() for line in recorded(RECORDING) if line["dir"] == "in"]
    told = [json.loads(frame) for frame in frames]
    symbols = {one["result"].get("s") or one["result"].get("currency_pair", "") for one in told}
    last: dict[str, int] = {}
    counts = Counter[str]()
    for frame, one in zip(frames, told, strict=True):
        data = one["result"]
        messages = decode(frame, *symbols)
        if one["event"] != "update" or one["channel"] not in {"spot.order_book_update", "spot.trades"}:
            assert messages == []
            continue
        (message,) = messages
        row = only_row(message.stream.data_type, frame)
        counts[message.stream.data_type] += 1
        if one["channel"] == "spot.trades":
            assert (message.stream.symbol, message.id) == (data["currency_pair"], data["id"])
            assert message.exchange_us == int(Decimal(data["create_time_ms"]) * 1000)
            exact = Decimal(repr(row.price)), Decimal(repr(row.size)), row.side
            assert exact == (Decimal(data["price"]), Decimal(data["amount"]), data["side"])
            continue
        assert (message.stream.symbol, message.first_id, message.id) == (data["s"], data["U"], data["u"])
        assert message.exchange_us == data["t"] * 1000
        assert data["U"] == last.get(data["s"], data["U"] - 1) + 1, "dense"
        last[data["s"]] = data["u"]
        sides = [list(zip(*row[start : start + 2], strict=True)) for start in (4, 6)]
        assert [[(Decimal(repr(price)), Decimal(repr(size))) for price, size in side] for side in sides] == [
            [(Decimal(price), Decimal(size)) for price, size in data[side]] for side in ("b", "a")
        ]
    assert counts == {"book_delta": 172, "trade": 9}
