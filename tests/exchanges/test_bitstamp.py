"""Bitstamp: what it has that others have not, and its frames held against readings that share no code with the adapter."""

import json
from decimal import Decimal
from typing import Any

import pytest

from collector.domain.errors import ConfigError, UndecodableError
from collector.domain.records import Envelope, InstrumentRow, StreamKey
from collector.domain.times import NO_TIME_US
from collector.exchanges.adapter import ControlKind, Request, Subscription
from collector.exchanges.bitstamp import Bitstamp
from collector.exchanges.rest_adapter import Hole
from tests.conftest import Lines
from tests.exchanges.rows import rows_of

BITSTAMP = Bitstamp()
RECORDING = "bitstamp/cryptofeed_v3_BITSTAMP"
BOOK = StreamKey("bitstamp", "ethusd", "book_delta")
LEVELS = '"bids":[["2.5","0.00000"]],"asks":[["3","1.10"],["4","7"]]'
PERPETUAL = (
    b'{"data":{"market":"btcusd-perp",%s"timestamp":"1789457618","next_funding_time":"1789459200"},'
    b'"channel":"funding_rate_btcusd-perp","event":"funding_rate_saved"}'
)


def decode(frame: bytes, *symbols: str) -> list[Envelope]:
    return BITSTAMP.decoder(Subscription(symbols, tuple(BITSTAMP.id_rules)))(frame)


def only_row(data_type: str, payload: bytes) -> Any:
    (row,) = rows_of(BITSTAMP, data_type, [payload])
    return row


@pytest.fixture(scope="session")
def answers(recorded: Lines) -> list[bytes]:
    """The bodies of REST responses: the list of instruments, then books."""
    return [line["raw"].encode() for line in recorded(RECORDING) if line["dir"] == "http"]


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ('"bts:subscription_succeeded","channel":"live_trades_btcusd","data":{}', ControlKind.ACK),
        ('"bts:unsubscription_succeeded","channel":"live_trades_btcusd","data":{}', ControlKind.ACK),
        ('"bts:error","channel":"","data":{"code":null,"message":"Bad subscription string."}', ControlKind.ERROR),
        ('"bts:heartbeat","channel":"","data":{"status":"success"}', ControlKind.HEARTBEAT),
        ('"bts:request_reconnect","channel":"","data":null', ControlKind.SHUTDOWN),
        ('"bts:news","channel":"","data":{}', ControlKind.NOISE),
    ],
)
def test_control_frames_are_known_by_their_event(event: str, kind: ControlKind) -> None:
    frame = f'{{"event":{event}}}'.encode()
    control = BITSTAMP.control(frame)
    assert control is not None
    assert control.kind is kind
    if kind is not ControlKind.NOISE:
        assert decode(frame, "btcusd") == []


def test_an_error_says_what_the_exchange_says() -> None:
    control = BITSTAMP.control(b'{"event":"bts:error","channel":"","data":{"message":"Invalid channel provided."}}')
    assert control is not None
    assert "Invalid channel provided." in control.text


def test_an_acknowledgement_is_not_taken_for_the_stream_that_it_names() -> None:
    speaking = BITSTAMP.speakers(Subscription(("btcusd",), ("trade",)))
    assert speaking([b'{"event":"bts:subscription_succeeded","channel":"live_trades_btcusd","data":{}}']) == {None}
    assert speaking([b'{"event":"trade","channel":"live_trades_btcusd","data":{"id":1}}']) == {
        StreamKey("bitstamp", "btcusd", "trade")
    }


def test_each_topic_has_a_request_of_its_own() -> None:
    (plan,) = BITSTAMP.plan(Subscription(("btcusd", "ethusd-perp"), ("trade", "mark_price", "funding_rate")), "")
    assert plan.url == "wss://ws.bitstamp.net"
    assert plan.requests == tuple(
        Request(f'{{"event":"bts:subscribe","data":{{"channel":"{channel}"}}}}')
        for channel in (
            "live_trades_btcusd",
            "funding_rate_btcusd",
            "live_trades_ethusd-perp",
            "funding_rate_ethusd-perp",
        )
    )
    assert all(len(request.text) < 512 for request in plan.requests), "longer ones close the connection"


@pytest.mark.parametrize("symbol", ["BTCUSD", "BTC/USD", "btc_usd", "btcusd-PERP", ""])
def test_symbols_that_are_acknowledged_and_never_sent_are_refused(symbol: str) -> None:
    with pytest.raises(ConfigError, match="must be like btcusd"):
        BITSTAMP.plan(Subscription((symbol,), ("trade",)), "")


@pytest.mark.parametrize(("channel", "data_type"), [("diff_order_book", "book_delta"), ("order_book", "book_snapshot")])
def test_a_books_time_is_its_id(channel: str, data_type: str) -> None:
    frame = (
        f'{{"data":{{"timestamp":"1641343691","microtimestamp":"1641343691244908",{LEVELS}}},'
        f'"channel":"{channel}_ethusd","event":"data"}}'
    ).encode()
    (message,) = decode(frame, "ethusd")
    assert message == Envelope(
        StreamKey("bitstamp", "ethusd", data_type), 1641343691244908, None, 1641343691244908, frame, is_snapshot=False
    )
    (row,) = rows_of(BITSTAMP, data_type, [frame])
    assert row == (
        None, 1641343691244908, None, data_type == "book_snapshot", (2.5,), (0.0,), (3.0, 4.0), (1.1, 7.0),
    )  # fmt: skip


def test_a_trade_has_the_texts_of_its_numbers_and_the_takers_side() -> None:
    frame = (
        b'{"data":{"id":2001939623936278528,"type":1,"amount":0.1,"amount_str":"0.00921","price":1,"price_str":"77204",'
        b'"microtimestamp":"1789456400586000","timestamp":"1789456400586"},"channel":"live_trades_btcusd-perp",'
        b'"event":"trade"}'
    )
    (message,) = decode(frame, "btcusd-perp")
    assert (message.id, message.exchange_us) == (2001939623936278528, 1789456400586000)
    assert rows_of(BITSTAMP, "trade", [frame]) == [("2001939623936278528", 77204.0, 0.00921, "sell", None, None)]


def test_a_perpetuals_frame_tells_its_prices_and_its_funding() -> None:
    frame = PERPETUAL % b'"mark_price":"77186.8","index_price":"77177.9","funding_rate":"0.000123",'
    mark, funding = decode(frame, "btcusd-perp")
    assert (mark.stream.data_type, funding.stream.data_type) == ("mark_price", "funding_rate")
    assert {mark.exchange_us, funding.exchange_us} == {1789457618_000_000}
    assert rows_of(BITSTAMP, "mark_price", [frame]) == [(77186.8, 77177.9, None)]
    assert rows_of(BITSTAMP, "funding_rate", [frame]) == [(0.000123, None, 1789459200_000_000, None)]


def test_what_a_perpetuals_frame_does_not_tell_has_no_row() -> None:
    (only,) = decode(PERPETUAL % b'"index_price":"7",', "btcusd-perp")
    assert only.stream.data_type == "mark_price"


def test_channels_that_nobody_subscribed_are_nothing_and_unknown_ones_are_undecodable() -> None:
    assert decode(b'{"data":{"id":1},"channel":"live_orders_btcusd","event":"order_created"}', "btcusd") == []
    with pytest.raises(UndecodableError, match="unknown channel: weather"):
        decode(b'{"data":{},"channel":"weather_btcusd","event":"data"}', "btcusd")
    with pytest.raises(UndecodableError, match="stream not subscribed"):
        decode(b'{"data":{"id":1,"microtimestamp":"1"},"channel":"live_trades_ethusd","event":"trade"}', "btcusd")


def test_a_book_over_rest_is_placed_by_its_time(answers: list[bytes]) -> None:
    body = answers[2]
    told = json.loads(body)
    message = BITSTAMP.rest.read_snapshot(BOOK, body)
    assert message == Envelope(
        BOOK, int(told["microtimestamp"]), None, int(told["microtimestamp"]), body, is_snapshot=True
    )
    row = only_row("book_delta", body)
    assert row[:4] == (None, int(told["microtimestamp"]), None, True)
    assert [Decimal(repr(price)) for price in row[4]] == [Decimal(price) for price, _ in told["bids"]]
    assert [Decimal(repr(size)) for size in row[7]] == [Decimal(size) for _, size in told["asks"]]


@pytest.mark.parametrize("body", [b"", b"[]", b'{"microtimestamp":"1","bids":[["x","1"]],"asks":[]}', b'{"bids":[]}'])
def test_another_answer_than_a_book_is_refused(body: bytes) -> None:
    with pytest.raises(UndecodableError):
        BITSTAMP.rest.read_snapshot(BOOK, body)


def test_a_book_is_asked_with_the_sizes_of_a_price_added_up_and_trades_are_not_asked() -> None:
    assert BITSTAMP.rest.snapshot("ethusd").target == "/api/v2/order_book/ethusd/?group=1"
    assert BITSTAMP.rest.page(StreamKey("bitstamp", "ethusd", "trade"), Hole(1, 2), "") is None


def test_the_recorded_list_has_the_symbols_as_topics_spell_them(answers: list[bytes]) -> None:
    (get,) = BITSTAMP.rest.lists()
    page = BITSTAMP.rest.read_list(get, answers[0])
    assert page.following is None
    assert [one.symbol for one in page.listings] == [one["url_symbol"] for one in json.loads(answers[0])]
    assert {(one.kind, one.is_trading) for one in page.listings} == {("spot", True)}
    BITSTAMP.plan(Subscription(tuple(one.symbol for one in page.listings), ("trade",)), "")
    (row,) = rows_of(BITSTAMP, "instrument", [page.listings[0].payload])
    assert row == InstrumentRow("Enabled", None, "BTC", "USD", None, 0.01, 1e-8, None, None, None, None, None)


def test_the_list_of_all_markets_has_perpetuals_too() -> None:
    body = (
        b'[{"name":"BTC/USD-PERP","market_symbol":"btcusd-perp","base_decimals":5,"counter_decimals":0,'
        b'"base_currency":"BTC","counter_currency":"USD","minimum_order_value":"10.00","market_type":"PERPETUAL",'
        b'"contract_size":"1.00000000","trading":"Disabled"}]'
    )
    (get,) = BITSTAMP.rest.lists()
    (listing,) = BITSTAMP.rest.read_list(get, body).listings
    assert (listing.symbol, listing.kind, listing.is_trading) == ("btcusd-perp", "perpetual", False)
    assert rows_of(BITSTAMP, "instrument", [listing.payload]) == [
        InstrumentRow("Disabled", "perpetual", "BTC", "USD", None, 1.0, 1e-5, None, 10.0, 1.0, None, None)
    ]


def test_a_list_without_a_symbol_is_refused() -> None:
    (get,) = BITSTAMP.rest.lists()
    with pytest.raises(UndecodableError):
        BITSTAMP.rest.read_list(get, b'[{"trading":"Enabled","name":"BTC/USD"}]')


def test_volumes_are_in_the_quote_currency_by_the_symbol_of_the_list() -> None:
    (get,) = BITSTAMP.rest.volumes()
    body = (
        b'[{"market":"BTC/USD-PERP","pair":"BTC/USD-PERP","volume":"2","vwap":"50000"},'
        b'{"market":"ETH/EUR","volume":"3.5","vwap":"2000"}]'
    )
    assert BITSTAMP.rest.read_volumes(get, body) == {"btcusd-perp": 100_000.0, "etheur": 7_000.0}


@pytest.mark.parametrize("body", [b"7", b'[{"market":"BTC/USD","volume":"x","vwap":"1"}]', b'[{"market":"BTC/USD"}]'])
def test_volumes_that_cannot_be_read_are_refused(body: bytes) -> None:
    (get,) = BITSTAMP.rest.volumes()
    with pytest.raises(UndecodableError):
        BITSTAMP.rest.read_volumes(get, body)


def test_a_time_that_is_none_costs_a_trade_no_row() -> None:
    (message,) = decode(
        b'{"data":{"id":7,"microtimestamp":"x"},"channel":"live_trades_btcusd","event":"trade"}', "btcusd"
    )
    assert message.exchange_us == NO_TIME_US


def test_recorded_trades_and_updates_are_what_their_frames_say(recorded: Lines) -> None:
    frames = [line["raw"].encode() for line in recorded(RECORDING) if line["dir"] == "in"]
    symbols = {json.loads(frame)["channel"].rpartition("_")[2] for frame in frames}
    counts = {"book_delta": 0, "trade": 0}
    for frame in frames:
        told = json.loads(frame)
        if told["event"].startswith("bts:"):
            assert decode(frame, *symbols) == []
            continue
        (message,) = decode(frame, *symbols)
        data, data_type = told["data"], message.stream.data_type
        row = only_row(data_type, frame)
        assert message.stream.symbol == told["channel"].rpartition("_")[2]
        assert message.exchange_us == int(data["microtimestamp"])
        assert message.id == (data["id"] if told["event"] == "trade" else int(data["microtimestamp"]))
        counts[data_type] += 1
        if data_type == "trade":
            exact = Decimal(repr(row[1])), Decimal(repr(row[2])), row[3]
            assert exact == (Decimal(data["price_str"]), Decimal(data["amount_str"]), ["buy", "sell"][data["type"]])
        else:
            sides = [[(Decimal(price), Decimal(size)) for price, size in data[side]] for side in ("bids", "asks")]
            assert [
                [
                    (Decimal(repr(price)), Decimal(repr(size)))
                    for price, size in zip(*row[start : start + 2], strict=True)
                ]
                for start in (4, 6)
            ] == sides
    assert counts == {"book_delta": 717, "trade": 10}
