"""Binance spot: where to connect, what to subscribe, and what control frames mean."""

import json
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.domain.errors import ConfigError
from collector.domain.records import IdRule, StreamKey
from collector.exchanges.adapter import ConnectionPlan, ControlKind, Subscription
from collector.exchanges.binance import Binance

ALL_TYPES = ("book_snapshot", "book_delta", "trade", "agg_trade", "book_ticker")

adapter = Binance()


def names_of(plan: ConnectionPlan) -> list[str]:
    """Every stream a connection asks for, in order."""
    in_url = parse_qs(urlsplit(plan.url).query)["streams"][0].split("/")
    return in_url + [name for request in plan.requests for name in json.loads(request.text)["params"]]


def symbols(count: int) -> tuple[str, ...]:
    return tuple(f"COIN{number}USDT" for number in range(count))


def test_trade_ids_are_dense_and_book_ids_rise() -> None:
    assert adapter.id_rules == {
        "book_snapshot": IdRule.RISING,
        "book_delta": IdRule.DENSE,
        "trade": IdRule.DENSE,
        "agg_trade": IdRule.DENSE,
        "book_ticker": IdRule.RISING,
        "instrument": IdRule.NONE,
    }


def test_a_small_feed_is_one_connection_with_all_streams_in_its_url() -> None:
    (plan,) = adapter.plan(Subscription(("BTCUSDT",), ALL_TYPES), "")
    assert plan == ConnectionPlan(
        "wss://stream.binance.com:9443/stream?streams=btcusdt@depth20@100ms/btcusdt@depth@100ms/btcusdt@trade"
        "/btcusdt@aggTrade/btcusdt@bookTicker",
        (),
        tuple(StreamKey("binance", "BTCUSDT", data_type) for data_type in ALL_TYPES),
    )


def test_streams_are_ordered_by_symbol_then_data_type() -> None:
    (plan,) = adapter.plan(Subscription(("ETHUSDT", "BTCUSDT", "ETHUSDT"), ("trade", "book_ticker")), "")
    assert names_of(plan) == ["ethusdt@trade", "ethusdt@bookTicker", "btcusdt@trade", "btcusdt@bookTicker"]
    assert plan.streams == 4


@pytest.mark.parametrize("ws_url", ["ws://127.0.0.1:8080", "ws://127.0.0.1:8080/", "wss://host:1/some/prefix"])
def test_another_server_gets_the_same_path(ws_url: str) -> None:
    (plan,) = adapter.plan(Subscription(("BTCUSDT",), ("trade",)), ws_url)
    assert plan.url == f"{ws_url.rstrip('/')}/stream?streams=btcusdt@trade"


def test_unknown_data_types_of_another_version_have_no_streams() -> None:
    subscription = Subscription(("btcusdt", "BTCUSDT"), ("kline", "trade"))
    assert adapter.shares(subscription) == [
        (StreamKey("binance", "btcusdt", "trade"), StreamKey("binance", "BTCUSDT", "trade"))
    ]
    known = Subscription(symbols(600), ("trade", "book_delta"))
    assert adapter.shares(known) == [plan.keys for plan in adapter.plan(known, "")]


def test_times_stay_in_milliseconds() -> None:
    (plan,) = adapter.plan(Subscription(("BTCUSDT",), ALL_TYPES), "")
    assert "timeUnit" not in plan.url


def test_non_ascii_symbols_are_percent_encoded_in_urls_only() -> None:
    first, *_ = adapter.plan(Subscription(("币安人生USDT",), ("trade",)), "")
    assert first.url.endswith("?streams=%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9Fusdt@trade")
    (plan,) = adapter.plan(Subscription((*symbols(100), "币安人生USDT"), ("trade",)), "")
    assert json.loads(plan.requests[0].text) == {"method": "SUBSCRIBE", "params": ["币安人生usdt@trade"], "id": 1}


def test_streams_that_do_not_fit_into_the_url_are_subscribed_in_batches() -> None:
    (plan,) = adapter.plan(Subscription(symbols(512), ("trade", "book_delta")), "")
    requests = [json.loads(request.text) for request in plan.requests]
    assert [request["id"] for request in requests] == [1, 2, 3, 4, 5]
    assert all(request["method"] == "SUBSCRIBE" for request in requests)
    assert [len(request["params"]) for request in requests] == [200, 200, 200, 200, 124]


@given(st.integers(0, 3000), st.sets(st.sampled_from(ALL_TYPES), min_size=1))
def test_streams_are_spread_evenly_over_the_fewest_connections(count: int, data_types: set[str]) -> None:
    plans = adapter.plan(Subscription(symbols(count), tuple(data_types)), "")
    streams = count * len(data_types)
    assert len(plans) == -(-streams // 1024)
    assert sum(plan.streams for plan in plans) == streams
    assert max((plan.streams for plan in plans), default=0) - min((plan.streams for plan in plans), default=0) <= 1
    names = [name for plan in plans for name in names_of(plan)]
    assert len(set(names)) == len(names) == streams
    assert all(len(names_of(plan)) == plan.streams for plan in plans)


def test_no_url_is_too_long_for_an_http_server() -> None:
    (plan,) = adapter.plan(
        Subscription(tuple(f"币安人生{number}USDT" for number in range(1000)), ("book_snapshot",)), ""
    )
    assert len(plan.url) < 8192
    assert unquote(plan.url).count("/币安人生") == 99


@pytest.mark.parametrize(
    "symbol", ["btcusdt", "BtcUSDT", "BTC/USDT", "BTC USDT", "", "BTC@USDT", "BTC\nUSDT", 'A"', "_é"]
)
def test_misspelled_symbols_are_refused(symbol: str) -> None:
    with pytest.raises(ConfigError) as refused:
        adapter.plan(Subscription(("BTCUSDT", symbol), ("trade",)), "")
    (problem,) = refused.value.problems
    assert ascii(symbol) in problem


def test_all_problems_of_a_subscription_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as refused:
        adapter.plan(Subscription(("btcusdt", "ethusdt"), ("trade", "funding_rate")), "")
    assert len(refused.value.problems) == 3


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (b'{"result":null,"id":1}', ControlKind.ACK),
        (b'{"id":"a1","result":null}', ControlKind.ACK),
        (b'{"result":null,"id":null}', ControlKind.ACK),
        (b'{"result":true,"id":2}', ControlKind.ACK),
        (b'{"result":["btcusdt@trade","btcusdt@depth@100ms"],"id":3}', ControlKind.ACK),
        (b'{"error":{"code":2,"msg":"Invalid request: unknown variant"},"id":1}', ControlKind.ERROR),
        (b'{"code":3,"msg":"Invalid JSON: expected value at line 1 column 1"}', ControlKind.ERROR),
        (b'{"code":0,"msg":"Unknown property","id":5}', ControlKind.ERROR),
        (b'{"e":"serverShutdown","E":1770123456789}', ControlKind.SHUTDOWN),
        (b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}', ControlKind.SHUTDOWN),
        (b' { "stream" : "!serverShutdown", "data" : {"e" : "serverShutdown"} } ', ControlKind.SHUTDOWN),
    ],
)
def test_control_frames_say_what_they_mean(frame: bytes, kind: ControlKind) -> None:
    control = adapter.control(frame)
    assert control is not None
    assert control.kind is kind
    assert control.text == frame.decode()[:100]
    assert adapter.decoder(Subscription(("BTCUSDT",), ("trade",)))(frame) == []


def test_the_text_of_a_control_frame_is_safe_to_print() -> None:
    control = adapter.control('{"code":1,"msg":"é \x7f \\u001b[31m"}'.encode())
    assert control is not None
    assert control.text.isascii()
    assert control.text.isprintable()
    long = adapter.control(b'{"result":["' + b"x" * 5000 + b'"],"id":1}')
    assert long is not None
    assert len(long.text) == 100


@pytest.mark.parametrize(
    "frame",
    [
        b'{"stream":"btcusdt@trade","data":{}}',
        b'{ "stream":"btcusdt@trade","data":{}}',
        b'{"stream":"btcusdt@trade","result":null,"id":1}',
        b'{"stream":"!serverShutdown","data":{"e":"trade"}}',
    ],
)
def test_a_frame_that_names_a_stream_counts_as_data(frame: bytes) -> None:
    assert adapter.control(frame) is None


@pytest.mark.parametrize(
    "frame",
    [
        b'{"e":"trade","E":1}',
        b'{"lastUpdateId":1,"bids":[],"asks":[]}',
        b'{"result":null}',
        b'{"code":"1","msg":"x"}',
        b"[1]",
        b"null",
        b"",
        b"\xff",
        b'{"result":"\xff","id":1}',
        b"{",
        b"[" * 100_000,
    ],
)
def test_any_other_frame_is_noise(frame: bytes) -> None:
    said = adapter.control(frame)
    assert said is not None
    assert said.kind is ControlKind.NOISE
