"""Binance's futures: where to connect, what to subscribe where, and which symbols there are."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from collector.domain.errors import ConfigError
from collector.domain.records import IdRule, StreamKey
from collector.exchanges.adapter import ConnectionPlan, ControlKind, Subscription
from collector.exchanges.binance import Binance, BinanceCoinm, BinanceUsdm
from collector.exchanges.market import Market

PUBLIC_TYPES = ("book_snapshot", "book_delta", "trade", "book_ticker")
ALL_TYPES = (*PUBLIC_TYPES, "agg_trade")

usdm = BinanceUsdm()
coinm = BinanceCoinm()

both = pytest.mark.parametrize("adapter", [usdm, coinm], ids=lambda adapter: adapter.exchange)


def names_of(plan: ConnectionPlan) -> list[str]:
    """Every stream a connection asks for, in order."""
    in_url = parse_qs(urlsplit(plan.url).query)["streams"][0].split("/")
    return in_url + [name for request in plan.requests for name in json.loads(request.text)["params"]]


@both
def test_trade_ids_are_dense_diffs_chained_other_book_ids_rise_and_prices_have_none(adapter: Market) -> None:
    assert adapter.id_rules == {
        "book_snapshot": IdRule.RISING,
        "book_delta": IdRule.CHAINED,
        "trade": IdRule.DENSE,
        "agg_trade": IdRule.DENSE,
        "book_ticker": IdRule.RISING,
        "mark_price": IdRule.NONE,
        "funding_rate": IdRule.NONE,
        "liquidation": IdRule.NONE,
        "open_interest": IdRule.NONE,
        "instrument": IdRule.NONE,
    }


def test_usdm_streams_are_subscribed_on_their_path() -> None:
    plans = usdm.plan(Subscription(("BTCUSDT",), ALL_TYPES), "")
    assert plans == [
        ConnectionPlan(
            "wss://fstream.binance.com/public/stream?streams=btcusdt@depth20@100ms/btcusdt@depth@100ms/btcusdt@trade"
            "/btcusdt@bookTicker",
            (),
            tuple(StreamKey("binance_usdm", "BTCUSDT", data_type) for data_type in PUBLIC_TYPES),
        ),
        ConnectionPlan(
            "wss://fstream.binance.com/market/stream?streams=btcusdt@aggTrade",
            (),
            (StreamKey("binance_usdm", "BTCUSDT", "agg_trade"),),
        ),
    ]


@pytest.mark.parametrize(("data_type", "path"), [*((name, "public") for name in PUBLIC_TYPES), ("agg_trade", "market")])
def test_streams_of_one_path_need_connections_of_that_path_only(data_type: str, path: str) -> None:
    (plan,) = usdm.plan(Subscription(("BTCUSDT", "ETHUSDT"), (data_type,)), "")
    assert plan.url.startswith(f"wss://fstream.binance.com/{path}/stream?streams=btcusdt@")
    assert plan.streams == 2


def test_coinm_streams_share_a_connection_without_a_route() -> None:
    (plan,) = coinm.plan(Subscription(("BTCUSD_PERP",), ALL_TYPES), "")
    assert plan == ConnectionPlan(
        "wss://dstream.binance.com/stream?streams=btcusd_perp@depth20@100ms/btcusd_perp@depth@100ms/btcusd_perp@trade"
        "/btcusd_perp@bookTicker/btcusd_perp@aggTrade",
        (),
        tuple(StreamKey("binance_coinm", "BTCUSD_PERP", data_type) for data_type in ALL_TYPES),
    )


@pytest.mark.parametrize("ws_url", ["ws://127.0.0.1:8080", "ws://127.0.0.1:8080/", "wss://host:1/some/prefix"])
def test_another_server_gets_the_same_paths(ws_url: str) -> None:
    base = ws_url.rstrip("/")
    first, second = usdm.plan(Subscription(("BTCUSDT",), ("agg_trade", "trade")), ws_url)
    assert first.url == f"{base}/public/stream?streams=btcusdt@trade"
    assert second.url == f"{base}/market/stream?streams=btcusdt@aggTrade"
    (plan,) = coinm.plan(Subscription(("BTCUSD_PERP",), ("trade",)), ws_url)
    assert plan.url == f"{base}/stream?streams=btcusd_perp@trade"


def test_each_path_has_the_fewest_connections() -> None:
    symbols = tuple(f"COIN{number}USDT" for number in range(600))
    plans = usdm.plan(Subscription(symbols, ("agg_trade", "trade", "book_delta")), "")
    paths = [urlsplit(plan.url).path for plan in plans]
    assert paths == ["/public/stream", "/public/stream", "/market/stream"]
    assert [plan.streams for plan in plans] == [600, 600, 600]
    names = [names_of(plan) for plan in plans]
    assert {name.split("@")[1] for name in names[0] + names[1]} == {"trade", "depth"}
    assert names[2] == [f"{symbol.lower()}@aggTrade" for symbol in symbols]


@pytest.mark.parametrize("symbol", ["BTCUSDT", "1000SHIBUSDT", "BTCUSDT_261225", "币安人生USDT"])
def test_usdm_symbols_are_perpetuals_and_deliveries(symbol: str) -> None:
    (plan,) = usdm.plan(Subscription((symbol,), ("trade",)), "")
    assert names_of(plan) == [f"{symbol.lower()}@trade"]


@pytest.mark.parametrize("symbol", ["BTCUSD_PERP", "BTCUSD_261225", "1INCHUSD_PERP"])
def test_coinm_symbols_name_their_delivery(symbol: str) -> None:
    (plan,) = coinm.plan(Subscription((symbol,), ("trade",)), "")
    assert names_of(plan) == [f"{symbol.lower()}@trade"]


@pytest.mark.parametrize(
    "symbol", ["BTCUSDT", "BTCUSD", "btcusd_perp", "BTCUSD_perp", "BTCUSD_2612", "_PERP", "BTC/USD"]
)
def test_an_invalid_coinm_symbol_is_refused(symbol: str) -> None:
    with pytest.raises(ConfigError) as refused:
        coinm.plan(Subscription(("BTCUSD_PERP", symbol), ("trade",)), "")
    (problem,) = refused.value.problems
    assert problem.startswith(f"symbols = {symbol!a}: ")
    assert problem.endswith("must be like BTCUSD_PERP")


@both
def test_a_data_type_that_is_not_offered_is_refused(adapter: Market) -> None:
    with pytest.raises(ConfigError, match=f"'kline': is not offered by {adapter.exchange}"):
        adapter.plan(Subscription((adapter.symbol_example,), ("kline",)), "")


def test_mark_price_and_funding_rate_are_one_stream_and_open_interest_none() -> None:
    wanted = Subscription(("BTCUSDT",), ("mark_price", "funding_rate", "liquidation", "open_interest"))
    (plan,) = usdm.plan(wanted, "")
    assert plan.url == "wss://fstream.binance.com/market/stream?streams=btcusdt@markPrice@1s/btcusdt@forceOrder"
    assert [key.data_type for key in plan.keys] == ["mark_price", "funding_rate", "liquidation"]


@both
def test_answers_to_requests_are_not_data(adapter: Market) -> None:
    decode = adapter.decoder(Subscription((adapter.symbol_example,), ALL_TYPES))
    answers = {
        b'{"result":null,"id":1}': ControlKind.ACK,
        b'{"id":1,"result":null}': ControlKind.ACK,
        b'{"error":{"code":2,"msg":"Invalid request"},"id":1}': ControlKind.ERROR,
        b'{"code":3,"msg":"Invalid JSON"}': ControlKind.ERROR,
    }
    for frame, kind in answers.items():
        control = adapter.control(frame)
        assert control is not None
        assert control.kind is kind
        assert decode(frame) == []


def test_silent_streams_are_subscribed_on_the_other_path() -> None:
    usdm, coinm = BinanceUsdm(), BinanceCoinm()
    keys = [StreamKey("binance_usdm", "BTCUSDT", name) for name in ("book_delta", "agg_trade")]
    book, trades = usdm.elsewhere(keys, "")
    assert book == ConnectionPlan("wss://fstream.binance.com/market/stream?streams=btcusdt@depth@100ms", (), (keys[0],))
    assert trades == ConnectionPlan("wss://fstream.binance.com/public/stream?streams=btcusdt@aggTrade", (), (keys[1],))
    keys = [StreamKey("binance_coinm", "BTCUSD_PERP", name) for name in ("trade", "agg_trade")]
    assert [plan.url.partition("?")[0] for plan in coinm.elsewhere(keys, "ws://127.0.0.1:9/")] == [
        "ws://127.0.0.1:9/public/stream", "ws://127.0.0.1:9/market/stream"
    ]  # fmt: skip
    assert Binance().elsewhere([StreamKey("binance", "BTCUSDT", "trade")], "") == []


def test_speakers_takes_no_name_for_another_that_begins_or_goes_on_as_it_does() -> None:
    speakers = BinanceUsdm().speakers(Subscription(("BTCUSDT", "1000SHIBUSDT"), ("trade",)))
    trades = [StreamKey("binance_usdm", symbol, "trade") for symbol in ("BTCUSDT", "1000SHIBUSDT")]
    frames = [
        b'{"stream":"%s@trade","data":{"E":%d}}' % (name, at) for name in (b"btcusdt", b"1000shibusdt") for at in (1, 2)
    ]
    assert speakers(frames) == set(trades)
    for name in (b"1000shibusdt@trades", b"1000shibusdt@trad", b"btcusdt@trad", b"xbtcusdt@trade", b"usdt@trade"):
        assert speakers([*frames, b'{"stream":"%s","data":{}}' % name]) == {*trades, None}
    assert speakers([b'{"Stream":"btcusdt@trade","data":{}}']) == {None}
    assert speakers([]) == set()


def test_speakers_finds_the_stream_of_each_frame() -> None:
    speakers = BinanceUsdm().speakers(Subscription(("BTCUSDT",), ("trade", "book_delta")))
    assert speakers([b'{"stream":"btcusdt@trade","data":{}}']) == {StreamKey("binance_usdm", "BTCUSDT", "trade")}
    book = b'{"stream":"btcusdt@depth@100ms","data":{}}'
    assert speakers([book, b"{}", book]) == {StreamKey("binance_usdm", "BTCUSDT", "book_delta"), None}
    for frame in (b'{"stream":"ethusdt@trade","data":{}}', b'{"result":null,"id":1}', b"", b'{"stream":"btcusdt@trade'):
        assert speakers([frame]) == {None}


ODD_FORMS = {
    "blanks": b'{ "stream" : "btcusdt@trade", "data": {} }', "a line": b'{"stream":\n"btcusdt@trade","data":{}}',
    "another order": b'{"data":{},"stream":"btcusdt@trade"}',
}  # fmt: skip


@pytest.mark.parametrize("frame", ODD_FORMS.values(), ids=ODD_FORMS)
def test_speakers_finds_the_stream_in_any_spelling_of_the_json(frame: bytes) -> None:
    trades, book = (StreamKey("binance_usdm", "BTCUSDT", name) for name in ("trade", "book_delta"))
    speakers = BinanceUsdm().speakers(Subscription(("BTCUSDT",), ("trade", "book_delta")))
    usual, other = b'{"stream":"btcusdt@depth@100ms","data":{}}', frame.replace(b"btcusdt", b"ethusdt")
    assert speakers([frame, usual, frame]) == {trades, book}
    assert speakers([frame, other, usual]) == {trades, book, None}
