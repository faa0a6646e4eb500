"""OKX: chained books in lists of one, sums of trades, liquidations of whole markets, and pages that go down."""

import json
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from collector.domain.errors import ConfigError, UndecodableError
from collector.domain.records import (
    BookRow,
    BookTickerRow,
    FundingRateRow,
    InstrumentRow,
    LiquidationRow,
    MarkPriceRow,
    OpenInterestRow,
    StreamKey,
    TradeRow,
)
from collector.exchanges.adapter import ControlKind, Subscription
from collector.exchanges.okx import Okx
from collector.exchanges.rest_adapter import Listing, Refusal
from tests.conftest import Lines
from tests.exchanges.conversing import as_frame, decoded, kind_of, refusal
from tests.exchanges.recorded_markets import MARKETS, Received, Recording
from tests.exchanges.rows import rows_of
from tests.exchanges.test_every_adapter import stored

OKX = Okx()
REST = OKX.rest
SWAP, PAIR = "BTC-USDT-SWAP", "BTC-USDT"
TYPES = tuple(OKX.id_rules)
DECODE = OKX.decoder(Subscription((SWAP, PAIR), TYPES))
RECORDING = "okx/cryptofeed_v3_OKX.prefix"
RECORDED = ("BTC-USD-220527", "UNI-USD-SWAP", "BTC-USDT")
TIME_US = 1_790_000_000_000_000


def book(action: str, previous: int, last: int) -> bytes:
    levels: dict[str, Any] = {"asks": [["8476.98", "415", "0", "13"]], "bids": [["8476.97", "0", "0", "0"]]}
    data = {**levels, "ts": "1790000000000", "checksum": 0, "seqId": last, "prevSeqId": previous}
    return as_frame({"arg": {"channel": "books", "instId": SWAP}, "action": action, "data": [data]})


def pushed(channel: str, *data: dict[str, Any], **arg: str) -> bytes:
    named: dict[str, Any] = {"channel": channel, **(arg or {"instId": SWAP})}
    return as_frame({"arg": named, "data": list(data)})


def ids(*frames: bytes) -> list[tuple[int | None, int | None, bool]]:
    return [(one.first_id, one.id, one.is_snapshot) for one in decoded(DECODE, frames)]


def test_a_book_names_the_update_before_its_own() -> None:
    # The exchange's own example.
    frames = [book("snapshot", -1, 10), book("update", 10, 15), book("update", 15, 15), book("update", 15, 3)]
    assert ids(*frames, book("update", 3, 5)) == [(None, 10, True), (11, 15, False), (16, 3, False), (4, 5, False)]
    (message,) = DECODE(frames[1])
    assert (message.stream, message.exchange_us) == (StreamKey("okx", SWAP, "book_delta"), TIME_US)
    rows = rows_of(OKX, "book_delta", frames[:2])
    assert rows == [
        BookRow(None, 10, None, True, (8476.97,), (0.0,), (8476.98,), (415.0,)),
        BookRow(None, 15, 10, False, (8476.97,), (0.0,), (8476.98,), (415.0,)),
    ]


def test_a_list_of_two_books_is_undecodable_because_its_action_stands_outside() -> None:
    frame = json.loads(book("update", 1, 2))
    frame["data"] *= 2
    assert refusal(DECODE, as_frame(frame)).startswith("not a message of books")


@pytest.mark.parametrize("previous", ["-2", '"x"', "9223372036854775807", "1.5"])
def test_a_book_after_what_is_no_id_is_undecodable(previous: str) -> None:
    frame = book("update", 77, 99).replace(b'"prevSeqId":77', f'"prevSeqId":{previous}'.encode())
    assert refusal(DECODE, frame).startswith("not a message of books")


def test_books_without_ids_are_books() -> None:
    frame = json.loads(book("update", 1, 2))
    del frame["data"][0]["seqId"], frame["data"][0]["prevSeqId"]
    assert ids(as_frame(frame)) == [(None, None, False)]


def test_a_sum_of_trades_has_the_id_of_the_last() -> None:
    trade = {"instId": SWAP, "px": "42219.9", "sz": "0.12", "side": "buy", "ts": "1790000000000", "seqId": 1234}
    several = pushed(
        "trades", {**trade, "tradeId": "130639474", "count": "3"}, {**trade, "tradeId": "130639471", "count": "1"}
    )
    assert ids(several) == [(None, 130639471, False), (None, 130639474, False)]
    assert rows_of(OKX, "trade", [DECODE(several)[1].payload]) == [
        TradeRow("130639474", 42219.9, 0.12, "buy", None, None)
    ]


def test_best_prices_are_named_by_the_frame_around_them() -> None:
    data = {"asks": [["111.06", "55154", "0", "2"]], "bids": [], "ts": "1790000000000", "seqId": 363996337}
    (message,) = DECODE(pushed("bbo-tbt", data))
    assert message.stream == StreamKey("okx", SWAP, "book_ticker")
    assert rows_of(OKX, "book_ticker", [message.payload]) == [BookTickerRow(363996337, None, None, 111.06, 55154.0)]


@pytest.mark.parametrize(
    ("channel", "data", "row"),
    [
        ("mark-price", {"markPx": "36.232"}, MarkPriceRow(36.232, None, None)),
        (
            "funding-rate",
            {"fundingRate": "-0.0004", "nextFundingRate": "", "fundingTime": "1790000000000"},
            FundingRateRow(-0.0004, None, TIME_US, None),
        ),
        (
            "open-interest",
            {"oi": "2216113.01", "oiCcy": "22161.13", "oiUsd": "1939251795.5"},
            OpenInterestRow(2216113.01, 1939251795.5),
        ),
    ],
)
def test_what_is_told_of_a_contract(channel: str, data: dict[str, Any], row: object) -> None:
    (message,) = DECODE(pushed(channel, {"instId": SWAP, "instType": "SWAP", "ts": "1790000000000", **data}))
    assert message.exchange_us == TIME_US
    typed = OKX.columns(message.stream.data_type, [message.payload])
    assert rows_of(OKX, message.stream.data_type, [message.payload]) == [row]
    assert list(typed.unread) == []


def test_liquidations_of_other_symbols_are_skipped() -> None:
    details = [
        {"bkLoss": "0", "bkPx": price, "posSide": "short", "side": "buy", "sz": "13", "ts": "1790000000000"}
        for price in ("0.5", "0.6")
    ]
    others = {"instId": "IOST-USDT-SWAP", "instType": "SWAP", "details": details}
    frame = pushed("liquidation-orders", others, {**others, "instId": SWAP}, instType="SWAP")
    messages = DECODE(frame)
    assert {message.stream for message in messages} == {StreamKey("okx", SWAP, "liquidation")}
    assert rows_of(OKX, "liquidation", [message.payload for message in messages]) == [
        LiquidationRow(None, "buy", price, 13.0, None, None) for price in (0.5, 0.6)
    ]
    assert DECODE(pushed("liquidation-orders", others, instType="SWAP")) == []


def test_liquidations_are_subscribed_once_for_all_instruments_of_a_type() -> None:
    symbols = (SWAP, "ETH-USDT-SWAP", PAIR, "BTC-USD-261225", "BTC-USD_UM_XPERP-310404", "BTC-USD-261225-100000-C")
    (plan,) = OKX.plan(Subscription(symbols, ("liquidation",)), "")
    assert len(plan.keys) == len(symbols)
    (request,) = plan.requests
    kinds = ["SWAP", "MARGIN", "FUTURES", "OPTION"]
    assert json.loads(request.text)["args"] == [{"channel": "liquidation-orders", "instType": kind} for kind in kinds]
    frame = pushed("liquidation-orders", instType="SWAP")
    assert OKX.speakers(Subscription(symbols, ("liquidation",)))([frame]) == set(plan.keys[:2])


def test_each_channel_of_a_request_is_answered_by_itself() -> None:
    (plan,) = OKX.plan(Subscription(tuple(f"A{number}-USDT" for number in range(25)), ("trade",)), "ws://localhost:1/")
    assert plan.url == "ws://localhost:1/ws/v5/public"
    assert [request.answers for request in plan.requests] == [20, 5]
    assert json.loads(plan.requests[1].text) == {
        "op": "subscribe",
        "args": [{"channel": "trades", "instId": f"A{number}-USDT"} for number in range(20, 25)],
    }
    assert plan.keepalive is not None
    assert plan.keepalive.text == "ping"


def test_a_book_is_sent_anew_by_subscribing_again() -> None:
    requests = OKX.again([StreamKey("okx", PAIR, "book_delta")])
    assert [json.loads(request.text)["op"] for request in requests] == ["unsubscribe", "subscribe"]


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (b"pong", ControlKind.HEARTBEAT),
        (b'{"event":"subscribe","arg":{"channel":"trades","instId":"BTC-USDT"},"connId":"a4d3ae55"}', ControlKind.ACK),
        (b'{"arg":{"channel":"trades","instId":"BTC-USDT"},"event":"subscribe"}', ControlKind.ACK),
        (b'{"event":"unsubscribe","arg":{"channel":"books","instId":"BTC-USDT"}}', ControlKind.ACK),
        (b'{"event":"error","code":"60018","msg":"Wrong URL or channel"}', ControlKind.ERROR),
        (b'{"event":"notice","code":"64008","msg":"The connection will soon be closed"}', ControlKind.SHUTDOWN),
        (b'{"event":"channel-conn-count","channel":"books","connCount":"2"}', ControlKind.HEARTBEAT),
    ],
)
def test_what_is_no_data(frame: bytes, kind: ControlKind) -> None:
    assert kind_of(OKX, frame) is kind
    assert DECODE(frame) == []
    assert OKX.speakers(Subscription((PAIR,), TYPES))([frame]) == {None}


def test_what_cannot_be_understood_is_noise_and_undecodable() -> None:
    for frame in (b"ping?", b'{"event":"merry"}', b"[]"):
        assert kind_of(OKX, frame) is ControlKind.NOISE
        assert refusal(DECODE, frame)


def test_symbols_are_spelled_as_in_the_list() -> None:
    OKX.plan(Subscription((PAIR, SWAP, "BTC-USD-220514-22000-C", "1INCH-USDT"), ("trade",)), "")
    for symbol in ("btc-usdt", "BTCUSDT", "BTC/USDT", ""):
        with pytest.raises(ConfigError, match="symbols"):
            OKX.plan(Subscription((symbol,), ("trade",)), "")


def test_a_book_over_rest_has_the_id_of_the_stream() -> None:
    body = as_frame({"code": "0", "msg": "", "data": [{
        "asks": [["41006.8", "0.6", "0", "1"]], "bids": [["41006.3", "0.3", "0", "2"]], "ts": "1790000000000", "seqId": 3235851742,
    }]})  # fmt: skip
    message = REST.read_snapshot(StreamKey("okx", PAIR, "book_delta"), body)
    assert (message.id, message.exchange_us, message.is_snapshot) == (3235851742, TIME_US, True)
    assert rows_of(OKX, "book_delta", [message.payload]) == [
        BookRow(None, 3235851742, None, True, (41006.3,), (0.3,), (41006.8,), (0.6,))
    ]


def test_errors_have_a_code_and_status_200() -> None:
    assert REST.refusal(b'{"code":"51001","msg":"Instrument ID does not exist","data":[]}') == (
        Refusal.FINAL, "51001 Instrument ID does not exist",
    )  # fmt: skip
    limited, passing = (REST.refusal(as_frame({"code": code, "msg": ""})) for code in ("50011", "50013"))
    assert limited is not None
    assert passing is not None
    assert (limited[0], passing[0]) == (Refusal.LIMITED, Refusal.PASSING)
    assert REST.refusal(b'{"code":"0","msg":"","data":[]}') is None
    with pytest.raises(UndecodableError):
        REST.read_list(REST.lists()[0], b'{"code":"51001","msg":"","data":[{}]}')


def test_recorded_lists_name_every_instrument(recorded: Lines) -> None:
    bodies = [line for line in recorded(RECORDING) if line["dir"] == "http"]
    known = [get.target for get in REST.lists()]
    listings: dict[str, Listing] = {}
    for line in bodies:
        target = line["url"].removeprefix("https://www.okx.com")
        assert target in known
        found = REST.read_list(REST.lists()[0], line["raw"].encode())
        assert found.following is None
        listings |= {listing.symbol: listing for listing in found.listings}
    kinds = {
        "BTC-USDT": "spot",
        "UNI-USD-SWAP": "perpetual",
        "BTC-USD-220527": "future",
        "BTC-USD-220514-22000-C": "option",
    }
    assert {symbol: listings[symbol].kind for symbol in kinds} == kinds
    OKX.plan(Subscription(tuple(listings), TYPES), "")
    swap = rows_of(OKX, "instrument", [listings["BTC-USD-220520"].payload])
    assert swap == [
        InstrumentRow(
            "live", "future", "", "", "BTC", 0.1, 1.0, 1.0, None, 100.0, 1651824600735000, 1653033600000000,
        )
    ]  # fmt: skip


def test_traded_value_is_told_in_the_quote_currency() -> None:
    tickers = [
        {"instType": "SPOT", "instId": PAIR, "last": "50000", "volCcy24h": "1000000"},
        {"instType": "SWAP", "instId": SWAP, "last": "50000", "volCcy24h": "30"},
        {"instType": "FUTURES", "instId": "BTC-USD-261225", "last": "", "volCcy24h": ""},
    ]
    values = REST.read_volumes(REST.volumes()[0], as_frame({"code": "0", "data": tickers}))
    assert values == {PAIR: 1_000_000.0, SWAP: 1_500_000.0, "BTC-USD-261225": 0.0}
    assert REST.read_clock(b'{"code":"0","msg":"","data":[{"ts":"1790000000000"}]}') == TIME_US


def test_every_recorded_frame_is_read(received: Callable[[str], list[bytes]]) -> None:
    decode = OKX.decoder(Subscription(RECORDED, TYPES))
    messages = decoded(decode, received(RECORDING))
    books = [message for message in messages if message.stream.data_type == "book_delta"]
    trades = [message.id for message in messages if message.stream == StreamKey("okx", "BTC-USDT", "trade")]
    assert (len(books), sum(book.is_snapshot for book in books), len(messages) - len(books)) == (189, 3, 46)
    assert all((second or 0) - (first or 0) == 1 for first, second in pairwise(trades))


def ledger(*frames: bytes) -> Counter[str]:
    """The kinds of rows that the writer makes of what a connection sent, a second between frames."""
    at_us = (TIME_US + 1_000_000 * number for number in range(len(frames)))
    sent = [Received(now_us, _at(frame, now_us)) for now_us, frame in zip(at_us, frames, strict=True)]
    market = next(market for market in MARKETS if market.exchange == "okx")
    played = Recording(market, Subscription((SWAP,), ("book_delta", "trade")), sent)
    return Counter(gap.kind for _, _, gap in stored(played, sent).gaps if gap.kind != "silence")


def _at(frame: bytes, at_us: int) -> bytes:
    return frame.replace(b"1790000000000", str(at_us // 1_000).encode())


def test_the_writer_finds_losses_of_books_and_neither_resets_nor_signs_of_life() -> None:
    whole = [book("snapshot", -1, 10), book("update", 10, 15), book("update", 15, 15), book("update", 15, 20)]
    assert ledger(*whole) == {}
    assert ledger(*whole[:1], *whole[2:]) == {"sequence": 1}
    assert ledger(*whole, book("snapshot", -1, 20), book("update", 20, 21)) == {}
    assert ledger(*whole, book("update", 20, 3), book("update", 3, 5)) == {"reset": 1}


def test_the_writer_keeps_sums_of_trades_that_leave_ids_out() -> None:
    def trade(last: int, count: int) -> bytes:
        data = {"instId": SWAP, "px": "1", "sz": "2", "side": "buy", "ts": "1790000000000", "count": str(count)}
        return pushed("trades", {**data, "tradeId": str(last)})

    assert ledger(trade(100, 1), trade(103, 3), trade(109, 1)) == {}
