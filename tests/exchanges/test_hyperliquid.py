"""Hyperliquid: whole books, best prices that may be null, contexts of perpetuals and of pairs, and POST requests."""

import json
from collections.abc import Callable
from typing import Any

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
from collector.exchanges.hyperliquid import Hyperliquid
from collector.exchanges.rest_adapter import Listing
from collector.feed.outbox import PACE_MARGIN
from tests.exchanges.conversing import as_frame, decoded, kind_of, refusal
from tests.exchanges.rows import rows_of

HYPERLIQUID = Hyperliquid()
REST = HYPERLIQUID.rest
TYPES = tuple(HYPERLIQUID.id_rules)
SYMBOLS = ("BTC", "@107", "xyz:TSLA")
SUBSCRIPTION = Subscription(SYMBOLS, TYPES)
DECODE = HYPERLIQUID.decoder(SUBSCRIPTION)
TIME_US = 1_790_000_000_000_000
LEVEL = {"px": "1.5", "sz": "2", "n": 3}


def sent(channel: str, **data: Any) -> bytes:
    return as_frame({"channel": channel, "data": {"coin": "BTC", **data}})


def test_each_book_is_whole() -> None:
    (message,) = DECODE(sent("l2Book", time=1790000000000, levels=[[LEVEL], []]))
    assert (message.stream.data_type, message.id, message.exchange_us) == ("book_snapshot", None, TIME_US)
    assert rows_of(HYPERLIQUID, "book_snapshot", [message.payload]) == [
        BookRow(None, None, None, True, (1.5,), (2.0,), (), ())
    ]


def test_the_best_price_of_an_empty_side_is_null() -> None:
    frames = [sent("bbo", time=1790000000000, bbo=bbo) for bbo in ([LEVEL, None], [None, LEVEL])]
    payloads = [message.payload for message in decoded(DECODE, frames)]
    assert payloads == frames
    assert rows_of(HYPERLIQUID, "book_ticker", payloads) == [
        BookTickerRow(None, 1.5, 2.0, None, None),
        BookTickerRow(None, None, None, 1.5, 2.0),
    ]
    assert list(HYPERLIQUID.decimals("book_ticker", payloads[0])) == ["1.5", "2"]


def test_trades_stay_in_the_order_sent_and_name_the_taker() -> None:
    trade = {"coin": "BTC", "px": "69997.0", "sz": "0.38", "time": 1790000000000, "hash": "0x40"}
    frame = as_frame(
        {"channel": "trades", "data": [{**trade, "side": side, "tid": tid} for side, tid in (("B", 9), ("A", 8))]}
    )
    rows = rows_of(HYPERLIQUID, "trade", [message.payload for message in DECODE(frame)])
    assert rows == [
        TradeRow("9", 69997.0, 0.38, "buy", None, None),
        TradeRow("8", 69997.0, 0.38, "sell", None, None),
    ]


def test_a_context_of_a_perpetual_tells_three_data_types_and_no_time() -> None:
    context = {"funding": "0.00004863", "openInterest": "18617460.0", "oraclePx": "0.1995", "markPx": "0.19963"}
    messages = DECODE(sent("activeAssetCtx", ctx=context))
    rows = {one.stream.data_type: rows_of(HYPERLIQUID, one.stream.data_type, [one.payload])[0] for one in messages}
    assert rows == {
        "mark_price": MarkPriceRow(0.19963, 0.1995, None),
        "funding_rate": FundingRateRow(0.00004863, None, None, None),
        "open_interest": OpenInterestRow(18617460.0, None),
    }
    assert {one.exchange_us for one in messages} == {None}


def test_a_context_of_a_pair_comes_on_a_channel_of_its_own() -> None:
    frame = as_frame({"channel": "activeSpotAssetCtx", "data": {"coin": "@107", "ctx": {"markPx": "12.5"}}})
    (message,) = DECODE(frame)
    assert message.stream == StreamKey("hyperliquid", "@107", "mark_price")
    assert message.stream in HYPERLIQUID.speakers(SUBSCRIPTION)([frame])
    requests = HYPERLIQUID.plan(Subscription(("@107",), ("mark_price",)), "")[0].requests
    assert [json.loads(request.text)["subscription"] for request in requests] == [
        {"type": "activeAssetCtx", "coin": "@107"}
    ]


def test_each_subscription_is_a_request() -> None:
    (plan,) = HYPERLIQUID.plan(SUBSCRIPTION, "ws://localhost:1")
    assert plan.url == "ws://localhost:1/ws"
    asked = [json.loads(request.text)["subscription"] for request in plan.requests]
    assert len(asked) == len(SYMBOLS) * 4
    assert asked[0] == {"type": "l2Book", "coin": "BTC"}
    assert plan.keepalive is not None
    assert json.loads(plan.keepalive.text) == {"method": "ping"}


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (b"Websocket connection established.", ControlKind.HEARTBEAT),
        (b'{"channel":"pong"}', ControlKind.HEARTBEAT),
        (b'{"channel":"subscriptionResponse","data":{"method":"subscribe","subscription":{}}}', ControlKind.ACK),
        (b'{"channel":"error","data":"Invalid subscription"}', ControlKind.ERROR),
    ],
)
def test_what_is_no_data(frame: bytes, kind: ControlKind) -> None:
    assert kind_of(HYPERLIQUID, frame) is kind
    assert DECODE(frame) == []
    assert HYPERLIQUID.speakers(SUBSCRIPTION)([frame]) == {None}


def test_what_cannot_be_understood_is_undecodable() -> None:
    assert kind_of(HYPERLIQUID, b"hello") is ControlKind.NOISE
    assert refusal(DECODE, b"hello")
    assert refusal(DECODE, b'{"channel":"weather"}') == "unknown channel: weather"
    assert refusal(DECODE, sent("l2Book", levels=[[], []])).startswith("not a message of l2Book")


def test_symbols_are_spelled_as_in_the_list() -> None:
    HYPERLIQUID.plan(Subscription(("kPEPE", "PURR/USDC", "@1"), ("trade",)), "")
    for symbol in ("BTC USD", "@x", "BTC/", ":BTC", ""):
        with pytest.raises(ConfigError, match="symbols"):
            HYPERLIQUID.plan(Subscription((symbol,), ("trade",)), "")


def test_lists_and_volumes_are_asked_with_a_body() -> None:
    perpetuals, pairs = REST.lists()
    assert (perpetuals.method, perpetuals.target, json.loads(perpetuals.body)) == ("POST", "/info", {"type": "meta"})
    coins = [{"szDecimals": 5, "name": "BTC", "maxLeverage": 50}, {"name": "OLD", "maxLeverage": 3, "isDelisted": True}]
    universe = [{"tokens": [1, 0], "name": "@1", "index": 1, "isCanonical": False}]
    listings = REST.read_list(perpetuals, as_frame({"universe": coins})).listings
    listings += REST.read_list(pairs, as_frame({"tokens": [], "universe": universe})).listings
    assert [listing[:3] for listing in listings] == [
        ("BTC", "perpetual", True), ("OLD", "perpetual", False), ("@1", "spot", True),
    ]  # fmt: skip
    assert isinstance(listings[0], Listing)
    assert rows_of(HYPERLIQUID, "instrument", [listings[0].payload, listings[2].payload]) == [
        InstrumentRow(None, "perpetual", "BTC", None, None, None, 0.00001, None, None, None, None, None),
        InstrumentRow(None, "spot", None, None, None, None, None, None, None, None, None, None),
    ]


def test_contexts_of_perpetuals_follow_their_list() -> None:
    of_perpetuals, of_pairs = REST.volumes()
    body = as_frame([{"universe": [{"name": "BTC"}, {"name": "ETH"}]}, [{"dayNtlVlm": "5.5"}, {"dayNtlVlm": "3"}]])
    assert REST.read_volumes(of_perpetuals, body) == {"BTC": 5.5, "ETH": 3.0}
    pairs = as_frame([{"universe": []}, [{"coin": "@1", "dayNtlVlm": "7"}]])
    assert REST.read_volumes(of_pairs, pairs) == {"@1": 7.0}
    for wrong in (as_frame([{"universe": [{"name": "BTC"}]}, []]), b"{}", as_frame([{"universe": []}])):
        with pytest.raises(UndecodableError):
            REST.read_volumes(of_perpetuals, wrong)


def test_every_recorded_frame_is_read(received: Callable[[str], list[bytes]]) -> None:
    messages = decoded(DECODE, received("hyperliquid/hftbacktest_btc_20250126"))
    trades = [message.id for message in messages if message.stream.data_type == "trade"]
    assert (len(messages) - len(trades), len(trades), len(set(trades))) == (46, 64, 64)


def test_all_connections_together_keep_to_what_one_address_may_subscribe_and_send() -> None:
    limits = HYPERLIQUID.limits
    assert limits.live is not None
    assert limits.live * limits.streams_per_connection <= 1_000
    assert limits.live * 60 * limits.messages_per_sec / PACE_MARGIN <= 2_000
