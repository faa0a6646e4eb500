"""Bitfinex: channel ids that each connection explains anew, a count of all frames, sides by sign, and lists of names."""

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
    Envelope,
    FundingRateRow,
    InstrumentRow,
    LiquidationRow,
    MarkPriceRow,
    OpenInterestRow,
    StreamKey,
    TradeRow,
)
from collector.exchanges.adapter import Control, ControlKind, Conversation, Subscription
from collector.exchanges.bitfinex import Bitfinex
from collector.exchanges.rest_adapter import Listing
from tests.conftest import Lines
from tests.exchanges.conversing import as_frame, decoded, kind_of, refusal
from tests.exchanges.rows import rows_of

BITFINEX = Bitfinex()
REST = BITFINEX.rest
PAIR, PERPETUAL = "tBTCUSD", "tBTCF0:USTF0"
TYPES = tuple(BITFINEX.id_rules)
SUBSCRIPTION = Subscription((PAIR, PERPETUAL), TYPES)
RECORDING = "bitfinex/cryptofeed_v3_BITFINEX.prefix"
RECORDED = Subscription(
    ("tBFTUSD", "tIOTETH", "tDOGUSD", "tMNABTC", "tODEUSD", "tTESTBTC:TESTUSD", "tSNGUSD"),
    ("book_delta", "trade", "book_ticker"),
)
TIME_US = 1_790_000_000_000_000


def explained(number: int, channel: str, **named: str) -> bytes:
    return as_frame({"event": "subscribed", "channel": channel, "chanId": number, **named})


BOOK, TRADES, TICKER, STATUS, LIQUIDATIONS = range(1, 6)
ANSWERS = (
    explained(BOOK, "book", symbol=PAIR, prec="P0", freq="F0", len="250", pair="BTCUSD"),
    explained(TRADES, "trades", symbol=PAIR, pair="BTCUSD"),
    explained(TICKER, "ticker", symbol=PAIR, pair="BTCUSD"),
    explained(STATUS, "status", key=f"deriv:{PERPETUAL}"),
    explained(LIQUIDATIONS, "status", key="liq:global"),
)


def conversation(state: bytes = b"", subscription: Subscription = SUBSCRIPTION) -> Conversation:
    found = BITFINEX.decoder(subscription, state)
    assert isinstance(found, Conversation)
    return found


def said(*frames: bytes) -> list[Envelope]:
    """What a connection says after all answers."""
    return decoded(conversation(), [*ANSWERS, *frames])


def array(*parts: object) -> bytes:
    return as_frame([*parts, 55, 1790000000000])


def test_a_book_is_a_list_of_levels_and_then_one_level_at_a_time() -> None:
    messages = said(
        array(BOOK, [[216, 2, 31.52], [218.75, 1, -13.33333333]]),
        array(BOOK, [219.11, 3, -18.5]),
        array(BOOK, [218.99, 0, -1]),
        array(BOOK, [218.03, 0, 1]),
        array(BOOK, []),
    )
    assert {one.stream for one in messages} == {StreamKey("bitfinex", PAIR, "book_delta")}
    assert [(one.id, one.exchange_us, one.is_snapshot) for one in messages] == [
        (None, TIME_US, is_snapshot) for is_snapshot in (True, False, False, False, True)
    ]
    assert rows_of(BITFINEX, "book_delta", [one.payload for one in messages]) == [
        BookRow(None, None, None, True, (216.0,), (31.52,), (218.75,), (13.33333333,)),
        BookRow(None, None, None, False, (), (), (219.11,), (18.5,)),
        BookRow(None, None, None, False, (), (), (218.99,), (0.0,)),
        BookRow(None, None, None, False, (218.03,), (0.0,), (), ()),
        BookRow(None, None, None, True, (), (), (), ()),
    ]
    assert BITFINEX.decimals("book_delta", array(BOOK, [219.110, 3, -18.50])) == ["219.11", "18.5"]


def test_a_number_of_a_book_that_is_none_is_null_in_its_row() -> None:
    typed = BITFINEX.columns("book_delta", [array(BOOK, [1.5, 1, 2]), array(BOOK, ["x", 1, -3])])
    assert (typed.untyped, list(typed.unread)) == ([], [1])
    assert rows_of(BITFINEX, "book_delta", [array(BOOK, ["x", 1, -3])])[0] == BookRow(
        None, None, None, False, (), (), (None,), (3.0,)
    )


def test_a_trade_is_kept_once_it_is_confirmed() -> None:
    trade = [401, 1790000000000, -0.01, 64000]
    messages = said(
        array(TRADES, [[400, 1790000000000, 0.5, 63999], [399, 1790000000000, 1, 63998]]),
        array(TRADES, "te", trade),
        array(TRADES, "tu", trade),
    )
    assert [(one.id, one.exchange_us) for one in messages] == [(399, TIME_US), (400, TIME_US), (401, TIME_US)]
    assert rows_of(BITFINEX, "trade", [one.payload for one in messages]) == [
        TradeRow("399", 63998.0, 1.0, "buy", None, None),
        TradeRow("400", 63999.0, 0.5, "buy", None, None),
        TradeRow("401", 64000.0, 0.01, "sell", None, None),
    ]


def test_a_ticker_has_best_prices_and_sizes_of_something_else() -> None:
    (message,) = said(array(TICKER, [71741, 0.26, 71760, 1.22, 647, 0.009, 71754, 900.8, 73120, 70434, None]))
    assert message.exchange_us == TIME_US
    assert rows_of(BITFINEX, "book_ticker", [message.payload]) == [BookTickerRow(None, 71741.0, None, 71760.0, None)]


def test_the_status_of_a_perpetual_tells_three_data_types() -> None:
    status = [
        1790000000000, None, 9166.3, 9169.35, None, 1372762.9, None, 1790000000000, -1.415e-05, 533, None, 0, None, None,
        9170.3525, None, None, 3005.25,
    ]  # fmt: skip
    messages = said(array(STATUS, status))
    rows = {one.stream: rows_of(BITFINEX, one.stream.data_type, [one.payload])[0] for one in messages}
    assert rows == {
        StreamKey("bitfinex", PERPETUAL, "mark_price"): MarkPriceRow(9170.3525, 9169.35, None),
        StreamKey("bitfinex", PERPETUAL, "funding_rate"): FundingRateRow(0.0, -1.415e-05, TIME_US, None),
        StreamKey("bitfinex", PERPETUAL, "open_interest"): OpenInterestRow(3005.25, None),
    }
    assert {one.stream.data_type for one in said(array(STATUS, status[:12]))} == {"mark_price", "funding_rate"}


def test_liquidations_of_other_symbols_are_skipped() -> None:
    position = ["pos", 143683674, 1790000000000, None, PERPETUAL, 0.5, 9135.9, None, 0, 1, None, 9080]
    other, short = [*position], [*position]
    other[4], short[5] = "tETHF0:USTF0", -0.25
    messages = said(array(LIQUIDATIONS, [other, position, short]))
    assert {one.stream for one in messages} == {StreamKey("bitfinex", PERPETUAL, "liquidation")}
    assert rows_of(BITFINEX, "liquidation", [one.payload for one in messages]) == [
        LiquidationRow("143683674", "sell", 9135.9, 0.5, None, "initial"),
        LiquidationRow("143683674", "buy", 9135.9, 0.25, None, "initial"),
    ]


def test_what_carries_no_message_is_nothing() -> None:
    assert said(array(BOOK, "hb"), array(99, "hb"), array(BOOK, "cs", -5)) == []
    assert kind_of(BITFINEX, array(BOOK, "hb")) is ControlKind.HEARTBEAT
    assert kind_of(BITFINEX, array(BOOK, [1, 1, 1])) is None


def test_an_unexplained_channel_id_is_undecodable() -> None:
    decode = conversation()
    assert refusal(decode, array(BOOK, [1, 1, 1])) == "channel id that no answer explained"
    decoded(decode, ANSWERS)
    assert refusal(decode, array(BOOK, [1, 1, 1])) == ""
    assert refusal(decode, array(BOOK, 7)).startswith("not a message of book tBTCUSD")
    decode(as_frame({"event": "unsubscribed", "status": "OK", "chanId": BOOK}))
    assert refusal(decode, array(BOOK, [1, 1, 1])) == "channel id that no answer explained"


def test_a_channel_that_nobody_asked_for_is_nothing() -> None:
    decode = conversation(subscription=Subscription((PAIR,), ("trade",)))
    assert decoded(decode, [*ANSWERS, array(BOOK, [1, 1, 1]), array(STATUS, [1]), array(LIQUIDATIONS, [])]) == []
    assert len(decode(array(TRADES, "tu", [1, 1790000000000, 1, 1]))) == 1


def test_a_conversation_goes_on_from_its_state(received: Callable[[str], list[bytes]]) -> None:
    frames = received(RECORDING)
    whole = decoded(conversation(subscription=RECORDED), frames)
    for cut in (0, 1, 5, 20, 25, 100, len(frames) // 2, len(frames)):
        first = conversation(subscription=RECORDED)
        head = decoded(first, frames[:cut])
        state = first.state()
        assert len(state) < 2_000
        second = conversation(state, RECORDED)
        assert second.state() == state
        assert head + decoded(second, frames[cut:]) == whole


def test_another_connection_numbers_its_channels_anew(received: Callable[[str], list[bytes]]) -> None:
    frames = received(RECORDING)
    numbers = {json.loads(frame)["chanId"] for frame in frames if b'"chanId"' in frame}
    turned = dict(zip(sorted(numbers), [*sorted(numbers)[1:], min(numbers)], strict=True))

    def renumbered(frame: bytes) -> bytes:
        if frame.startswith(b"["):
            number, _, rest = frame[1:].partition(b",")
            return b"[%d,%b" % (turned[int(number)], rest)
        event = json.loads(frame)
        return as_frame({**event, "chanId": turned[event["chanId"]]}) if "chanId" in event else frame

    first, second = conversation(subscription=RECORDED), conversation(subscription=RECORDED)
    streams: list[list[tuple[Any, ...]]] = [[], []]
    for frame in frames:
        for found, decode, own in ((streams[0], first, frame), (streams[1], second, renumbered(frame))):
            found += [(one.stream, one.id, one.exchange_us, one.is_snapshot) for one in decode(own)]
    assert streams[0] == streams[1]
    assert first.state() != second.state()


def test_speakers_learn_what_ids_stand_for() -> None:
    speaking = BITFINEX.speakers(SUBSCRIPTION)
    assert speaking([array(BOOK, [1, 1, 1])]) == {None}
    assert speaking(ANSWERS) == {None}
    assert speaking([array(BOOK, [1, 1, 1]), array(TRADES, "tu", [])]) == {
        StreamKey("bitfinex", PAIR, "book_delta"), StreamKey("bitfinex", PAIR, "trade"),
    }  # fmt: skip
    assert speaking([array(BOOK, "hb"), array(TRADES, "te", [])]) == {None}
    assert speaking([array(STATUS, [])]) == {
        StreamKey("bitfinex", PERPETUAL, name) for name in ("mark_price", "funding_rate", "open_interest")
    }
    assert BITFINEX.speakers(SUBSCRIPTION)([array(BOOK, [1, 1, 1])]) == {None}


@pytest.mark.parametrize(
    ("frame", "ticket"),
    [
        (b"[225206,[215350,0,1],18]", 18),
        (b'[89,"te",[382489563,1564617600709,0.00705845,10087.98969503],18,1564617600784]', 18),
        (b'[204928,"hb",127]', 127),
        (b'[204928,"hb",127,1564617600784]', 127),
        (b'[17,"cs",-1234,9,1564617600784]', 9),
        (b'[6959,[[216,2,31.52],[218.75,1,-13.3]],10,1564617600541,"book","BTCUSD"]', 10),
        (b"[6959,[],10]", 10),
        (b"[225206,[215350,0,1]]", None),
        (b"[225206,[215350,0,1],1564617600784]", None),
        (b'[89,"te",[382489563,1564617600709,0.00705845,10087.98969503],1564617600784]', None),
        (b'[204928,"hb",1564617600784]', None),
        (b'{"event":"info","version":2}', None),
        (b"", None),
    ],
)
def test_the_ticket_stands_behind_the_content(frame: bytes, ticket: int | None) -> None:
    assert BITFINEX.ticket(frame) == ticket


@pytest.mark.parametrize(
    ("payload", "content"),
    [
        (b"[225206,[215350,0,1],18,1564617600784]", b"[215350,0,1]"),
        (b"[ 7 , [215350,0,1] , 18 ] ", b" [215350,0,1]"),
        (b'[3,[2.5,null,7],10,1564617600541,"ticker"]', b"[2.5,null,7]"),
        (b'["pos",145400868,1609144352338,null,"tETHF0:USTF0",-1.67,1291.3]', None),
        (b"[382489563,1564617600709,0.00705845,10087.98969503]", None),
        (b"", None),
    ],
)
def test_copies_on_other_connections_differ_around_the_content(payload: bytes, content: bytes | None) -> None:
    assert BITFINEX.content(payload) == (payload if content is None else content)


def test_recorded_tickets_leave_none_out(received: Callable[[str], list[bytes]]) -> None:
    tickets = [ticket for frame in received(RECORDING) if (ticket := BITFINEX.ticket(frame)) is not None]
    assert tickets[0] == 1
    assert len(tickets) == 1105
    assert all(second - first == 1 for first, second in pairwise(tickets))


def test_a_connection_asks_for_the_count_and_subscribes_a_channel_a_request() -> None:
    plans = BITFINEX.plan(SUBSCRIPTION, "ws://localhost:1")
    requests = [json.loads(request.text) for plan in plans for request in plan.requests]
    assert requests[0] == {"event": "conf", "flags": 98304}
    assert requests[1] == {
        "event": "subscribe", "channel": "book", "symbol": PAIR, "prec": "P0", "freq": "F0", "len": "250",
    }  # fmt: skip
    assert {"event": "subscribe", "channel": "status", "key": f"deriv:{PERPETUAL}"} in requests
    assert requests.count({"event": "subscribe", "channel": "status", "key": "liq:global"}) == 1
    many = BITFINEX.plan(Subscription(tuple(f"tA{number}" for number in range(30)), ("trade",)), "")
    assert [len(plan.requests) for plan in many] == [16, 16]


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (b'{"event":"info","version":2,"serverId":"x","platform":{"status":1}}', ControlKind.HEARTBEAT),
        (b'{"event":"conf","status":"OK","flags":98304}', ControlKind.ACK),
        (b'{"event":"conf","status":"FAILED","code":10000}', ControlKind.ERROR),
        (ANSWERS[0], ControlKind.ACK),
        (b'{"event":"error","msg":"symbol: invalid","code":10300,"channel":"book","symbol":"tX"}', ControlKind.ERROR),
        (b'{"event":"info","code":20051,"msg":"Stopping. Please try to reconnect"}', ControlKind.SHUTDOWN),
        (b'{"event":"info","code":20060,"msg":"Entering in Maintenance mode"}', ControlKind.HEARTBEAT),
        (b'{"event":"info","code":20061,"msg":"Maintenance ended"}', ControlKind.SHUTDOWN),
        (b'{"event":"pong","cid":1}', ControlKind.HEARTBEAT),
    ],
)
def test_what_is_no_data(frame: bytes, kind: ControlKind) -> None:
    assert kind_of(BITFINEX, frame) is kind
    assert conversation()(frame) == []


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        (
            b'{"event":"error","msg":"symbol: invalid","code":10300,"channel":"book","symbol":"tX"}',
            "10300 symbol: invalid book tX",
        ),
        (
            b'{"event":"error","msg":"key: invalid","code":10300,"channel":"status","key":"deriv:tX"}',
            "10300 key: invalid status deriv:tX",
        ),
        (b'{"event":"conf","status":"OK","flags":32768}', "conf: frames are not counted, flags 32768"),
        (b'{"event":"conf","status":"FAILED","code":10000,"msg":"conf: invalid"}', "10000 conf: invalid conf"),
    ],
)
def test_a_refusal_names_what_was_refused(frame: bytes, told: str) -> None:
    assert BITFINEX.control(frame) == Control(ControlKind.ERROR, told)


def test_what_cannot_be_understood_is_noise_and_undecodable() -> None:
    for frame in (b'{"event":"merry"}', b"hello", b'{"channel":"book"}'):
        assert kind_of(BITFINEX, frame) is ControlKind.NOISE
        assert refusal(conversation(), frame) == "unknown message"


def test_symbols_are_spelled_with_a_t() -> None:
    BITFINEX.plan(Subscription((PAIR, "tDUSK:USD", PERPETUAL), ("trade",)), "")
    for symbol in ("BTCUSD", "fUSD", "tbtcusd", "t", "tDUSK:", ""):
        with pytest.raises(ConfigError, match="symbols"):
            BITFINEX.plan(Subscription((symbol,), ("trade",)), "")


def test_recorded_lists_name_every_pair(recorded: Lines) -> None:
    listings: dict[str, Listing] = {}
    for line in recorded(RECORDING):
        if line["dir"] == "http" and ":pair:" in line["url"]:
            found = REST.read_list(REST.lists()[0], line["raw"].encode())
            listings |= {listing.symbol: listing for listing in found.listings}
    assert set(RECORDED.symbols) - {"tTESTBTC:TESTUSD"} <= set(listings)
    kinds = Counter(listing.kind for listing in listings.values())
    assert kinds["perpetual"] > 30
    assert kinds["spot"] > 250
    BITFINEX.plan(Subscription(tuple(listings), TYPES), "")
    nothing = (None,) * 8
    payloads = [listings[symbol].payload for symbol in (PAIR, "tALBT:USD", PERPETUAL)]
    assert rows_of(BITFINEX, "instrument", payloads) == [
        InstrumentRow(None, "spot", "BTC", "USD", *nothing),
        InstrumentRow(None, "spot", "ALBT", "USD", *nothing),
        InstrumentRow(None, "perpetual", "BTCF0", "USTF0", *nothing),
    ]
    for wrong in (b"[[1]]", b'["error",10020,"symbol: invalid"]', b"{}"):
        with pytest.raises(UndecodableError):
            REST.read_list(REST.lists()[0], wrong)


def test_traded_value_is_told_in_the_quote_currency() -> None:
    ticker = [PAIR, 1, 2, 3, 4, 5, 6, 50000, 30, 7, 8]
    loans = ["fUSD", *range(16)]
    untraded = [PERPETUAL, *[None] * 10]
    assert REST.read_volumes(REST.volumes()[0], as_frame([ticker, loans, untraded])) == {PAIR: 1_500_000.0}


def test_every_recorded_frame_is_read(received: Callable[[str], list[bytes]]) -> None:
    messages = decoded(conversation(subscription=RECORDED), received(RECORDING))
    counts = Counter((one.stream.data_type, one.is_snapshot) for one in messages)
    assert counts == {
        ("book_delta", True): 7, ("book_delta", False): 1033, ("trade", False): 210, ("book_ticker", False): 16,
    }  # fmt: skip
