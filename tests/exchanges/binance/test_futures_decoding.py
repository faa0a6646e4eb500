"""Frames of Binance's futures: which message a frame is, and what happens to those that are none."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collector.domain.errors import UndecodableError
from collector.domain.records import Envelope, StreamKey
from collector.domain.times import sound_us
from collector.exchanges.adapter import Subscription
from collector.exchanges.binance import BinanceCoinm, BinanceUsdm
from collector.exchanges.times import from_ms
from tests.exchanges.mangling import damaged, is_short, outcome, reshaped

NOW_US = 1_800_000_000_000_000
DATA_TYPES = ("book_snapshot", "book_delta", "trade", "agg_trade", "book_ticker")

TRADE = (
    b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1785671908693,"T":1785671908692,"s":"BTCUSDT","t":7947154547,'
    b'"p":"62983.90","q":"0.102","X":"MARKET","m":false,"st":1}}'
)
NO_TRADE = TRADE.replace(b'"62983.90"', b'"0"').replace(b'"0.102"', b'"0"').replace(b"MARKET", b"NA")
AGG_TRADE = (
    b'{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1791382992488,"a":3477868433,"s":"BTCUSDT",'
    b'"p":"83091.70","q":"0.022","nq":"0.020","f":8153634393,"l":8153634394,"T":1791382992338,"m":true,"st":1}}'
)
DELTA = (
    b'{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1791382994616,"T":1791382994613,"s":"BTCUSDT",'
    b'"ps":"BTCUSDT","U":11757092616793,"u":11757092625654,"pu":11757092616661,'
    b'"b":[["83091.60","4.215"],["83091.50","0.000"]],"a":[["83091.70","3.768"]],"st":1}}'
)
SNAPSHOT = DELTA.replace(b"@depth@", b"@depth20@")
TICKER = (
    b'{"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":11757092630476,"s":"BTCUSDT","ps":"BTCUSDT",'
    b'"b":"83091.60","B":"4.215","a":"83091.70","A":"3.763","T":1791382994657,"E":1791382994658,"st":1}}'
)
FRAMES_NOW = (TRADE, NO_TRADE, AGG_TRADE, DELTA, SNAPSHOT, TICKER)


def before_2026(frame: bytes) -> bytes:
    """The frame without the keys that came in that year."""
    return frame.replace(b',"st":1', b"").replace(b'"ps":"BTCUSDT",', b"").replace(b'"nq":"0.020",', b"")


def of_coinm(frame: bytes) -> bytes:
    """The frame as the other market sends it."""
    frame = frame.replace(b'"ps":"BTCUSDT"', b'"ps":"BTCUSD"').replace(b'"st":1', b'"st":2')
    return frame.replace(b"BTCUSDT", b"BTCUSD_PERP").replace(b"btcusdt", b"btcusd_perp").replace(b'"nq":"0.020",', b"")


FRAMES = (*FRAMES_NOW, *map(before_2026, FRAMES_NOW))
COINM_FRAMES = (
    *map(of_coinm, FRAMES_NOW),
    *(of_coinm(frame.replace(b',"st":1', b"")) for frame in FRAMES_NOW),
)
KEYS = [*"eEsUutTpqbBaAmXfl", "pu", "ps", "st", "nq"]

subscription = Subscription(("BTCUSDT",), DATA_TYPES)
usdm = BinanceUsdm()
decode = usdm.decoder(subscription)
careful = usdm._careful(subscription)
decode_coinm = BinanceCoinm().decoder(Subscription(("BTCUSD_PERP",), DATA_TYPES))


def stream(data_type: str) -> StreamKey:
    return StreamKey("binance_usdm", "BTCUSDT", data_type)


def reason(frame: bytes) -> str:
    """Why a frame cannot be read."""
    with pytest.raises(UndecodableError) as refused:
        decode(frame)
    return str(refused.value)


@pytest.mark.parametrize(
    ("frame", "data_type", "message_id", "first_id", "exchange_us"),
    [
        (TRADE, "trade", 7947154547, None, 1785671908692000),
        (NO_TRADE, "trade", 7947154547, None, 1785671908692000),
        (AGG_TRADE, "agg_trade", 3477868433, None, 1791382992338000),
        (DELTA, "book_delta", 11757092625654, 11757092616662, 1791382994613000),
        (SNAPSHOT, "book_snapshot", 11757092625654, None, 1791382994613000),
        (TICKER, "book_ticker", 11757092630476, None, 1791382994657000),
    ],
)
def test_a_frame_is_one_message_with_its_bytes_and_engine_time(
    frame: bytes, data_type: str, message_id: int, first_id: int | None, exchange_us: int
) -> None:
    for form in (frame, before_2026(frame)):
        (envelope,) = decode(form)
        assert envelope == Envelope(stream(data_type), message_id, first_id, exchange_us, form)
        assert type(envelope) is Envelope
        assert envelope.payload is form
    form = of_coinm(frame)
    key = StreamKey("binance_coinm", "BTCUSD_PERP", data_type)
    assert decode_coinm(form) == [Envelope(key, message_id, first_id, exchange_us, form)]


@pytest.mark.parametrize("frame", FRAMES)
def test_whitespace_key_order_and_extra_keys_do_not_matter(frame: bytes) -> None:
    expected = decode(frame)[0]._replace(payload=b"")
    fields = json.loads(frame)
    other_ways = [
        json.dumps(fields).encode(),
        json.dumps({"data": fields["data"], "stream": fields["stream"]}).encode(),
        json.dumps({"stream": fields["stream"], "data": dict(reversed(fields["data"].items()))}).encode(),
        json.dumps({**fields, "data": {**fields["data"], "new": {"x": [1, "y:z", None]}}}).encode(),
        frame.replace(b'"st":1', b'"st":"USDM"'),
    ]
    for other in other_ways:
        assert decode(other) == [expected._replace(payload=other)]


def test_the_stream_name_distinguishes_depth_from_diffs() -> None:
    (snapshot,), (delta,) = decode(SNAPSHOT), decode(DELTA)
    assert (snapshot.stream, snapshot.first_id) == (stream("book_snapshot"), None)
    assert (delta.stream, delta.first_id) == (stream("book_delta"), 11757092616661 + 1)
    assert snapshot.id == delta.id


def test_a_diff_covers_the_ids_after_its_previous_id() -> None:
    following = DELTA.replace(b"11757092625654", b"11757092631000").replace(b"11757092616661", b"11757092625654")
    (first,), (second,) = decode(DELTA), decode(following)
    assert first.id is not None
    assert second.first_id == first.id + 1


def test_a_diff_without_a_previous_id_covers_its_own_ids() -> None:
    frame = DELTA.replace(b"11757092616661", b"-1")
    assert decode(frame) == [Envelope(stream("book_delta"), 11757092625654, 11757092616793, 1791382994613000, frame)]
    assert decode(SNAPSHOT.replace(b"11757092616661", b"-1"))[0].id == 11757092625654


def test_the_largest_ids_pass() -> None:
    frame = DELTA.replace(b"11757092625654", b"9223372036854775807").replace(b"11757092616661", b"9223372036854775806")
    assert decode(frame) == [Envelope(stream("book_delta"), 2**63 - 1, 2**63 - 1, 1791382994613000, frame)]


def test_a_trade_may_lack_keys_that_rows_do_not_use() -> None:
    frame = TRADE.replace(b'"X":"MARKET",', b"")
    assert decode(frame) == [Envelope(stream("trade"), 7947154547, None, 1785671908692000, frame)]


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (b"", "empty frame"),
        (DELTA[:-1], "malformed JSON"),
        (TRADE.replace(b"62983", b"\xff"), "invalid UTF-8"),
        (b'{"e":"trade","t":1}', "unknown message"),
        (DELTA.replace(b"@100ms", b"@0ms"), "unknown channel: depth@0ms"),
        (TRADE.replace(b'"s":"BTCUSDT"', b'"s":"ETHUSDT"'), "stream not subscribed: trade ETHUSDT"),
        (SNAPSHOT.replace(b'"s":"BTCUSDT"', b'"s":"ETHUSDT"'), "stream not subscribed: book_snapshot ETHUSDT"),
    ],
)
def test_a_refused_frame_comes_with_its_reason(frame: bytes, text: str) -> None:
    assert reason(frame) == text


@pytest.mark.parametrize(
    ("frame", "channel", "hint"),
    [
        (AGG_TRADE.replace(b"@aggTrade", b"@trade"), "trade", "`t`"),
        (DELTA.replace(b'"pu":11757092616661,', b""), "depth@100ms", "`pu`"),
        (DELTA.replace(b"11757092616661", b"-2"), "depth@100ms", "not an id"),
        (DELTA.replace(b"11757092616661", b"9223372036854775807"), "depth@100ms", "not an id"),
        (DELTA.replace(b"11757092616661", b'"x"'), "depth@100ms", "not an id"),
        (
            b'{"stream":"btcusdt@depth20@100ms","data":{"s":"BTCUSDT","lastUpdateId":1,"bids":[],"asks":[]}}',
            "depth20@100ms",
            "`u`",
        ),
    ],
)
def test_a_frame_that_does_not_fit_its_stream_is_refused_with_the_reason(frame: bytes, channel: str, hint: str) -> None:
    text = reason(frame)
    assert text.startswith(f"not a message of {channel}: ")
    assert hint in text


@given(st.one_of(damaged(FRAMES), reshaped(FRAMES, KEYS), st.binary(max_size=60)))
@example(TRADE)
@example(DELTA)
def test_any_frame_is_decoded_or_refused_with_a_short_reason(frame: bytes) -> None:
    result = outcome(decode, frame)
    if isinstance(result, str):
        assert is_short(result)
        return
    assert isinstance(result, list)
    for envelope in result:
        data = json.loads(frame)["data"]
        name = {"trade": "t", "agg_trade": "a"}.get(envelope.stream.data_type, "u")
        sent_us = from_ms(data.get("T"))
        assert envelope.id == data[name]
        assert sound_us(envelope.exchange_us, NOW_US) == sound_us(sent_us, NOW_US)
        first_id = None
        if envelope.stream.data_type == "book_delta":
            first_id = data["U"] if data["pu"] == -1 else data["pu"] + 1
        assert envelope.first_id == first_id
        assert data["s"] == envelope.stream.symbol
        assert envelope.payload is frame


@given(st.one_of(damaged(FRAMES), reshaped(FRAMES, KEYS)))
@example(TRADE.replace(b'"st":1', b'"t":7947154547'))
@example(TRADE.replace(b'"st":1', b'"t":{"st":1}'))
@example(DELTA.replace(b'"ps":"BTCUSDT"', b'"pu":-1'))
@example(AGG_TRADE.replace(b'"nq":"0.020"', b'"nq":":"').replace(b',"st":1', b""))
def test_the_fast_path_and_the_careful_path_agree(frame: bytes) -> None:
    assert outcome(decode, frame) == outcome(careful, frame)
