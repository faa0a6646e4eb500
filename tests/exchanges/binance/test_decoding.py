"""Binance spot's frames: which message a frame is, and what happens to those that are none."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collector.domain.errors import UndecodableError
from collector.domain.records import Envelope, StreamKey
from collector.domain.times import is_sound, sound_us
from collector.exchanges.adapter import Subscription
from collector.exchanges.binance import Binance
from collector.exchanges.times import from_ms
from collector.exchanges.together import decode_together
from tests.exchanges.mangling import assert_alike_together, damaged, is_short, outcome, reshaped

DATA_TYPES = ("book_snapshot", "book_delta", "trade", "agg_trade", "book_ticker")
CHINESE = "币安人生USDT"
NOW_US = 1_800_000_000_000_000
NAMES = {
    "trade": ("t", "T"),
    "agg_trade": ("a", "T"),
    "book_delta": ("u", "E"),
    "book_ticker": ("u", ""),
    "book_snapshot": ("lastUpdateId", ""),
}
"""Which keys of a message are its id and its time."""

TRADE = (
    b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,'
    b'"p":"61837.63000000","q":"0.02000000","T":1723161255342,"m":true,"M":true}}'
)
AGG_TRADE = (
    b'{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1633998523963,"s":"BTCUSDT","a":15683430,'
    b'"p":"0.35280000","q":"58.00000000","f":19862790,"l":19862791,"T":1633998523962,"m":false,"M":true}}'
)
DELTA = (
    b'{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1723161255208,"s":"BTCUSDT","U":50093239189,'
    b'"u":50093239202,"b":[["61737.63000000","0.00000000"],["61730.17000000","0.00012000"]],"a":[["61842.1","2"]]}}'
)
SNAPSHOT = (
    b'{"stream":"btcusdt@depth20@100ms","data":{"lastUpdateId":50093239224,'
    b'"bids":[["61837.63000000","3.78826000"]],"asks":[]}}'
)
TICKER = (
    b'{"stream":"btcusdt@bookTicker","data":{"u":50093239212,"s":"BTCUSDT","b":"61837.63000000","B":"3.78826000",'
    b'"a":"61837.64000000","A":"1.54698000"}}'
)
CHINESE_TRADE = TRADE.replace(b"btcusdt", CHINESE.lower().encode()).replace(b"BTCUSDT", CHINESE.encode())
FRAMES = (TRADE, AGG_TRADE, DELTA, SNAPSHOT, TICKER, CHINESE_TRADE)
KEYS = [*"eEsUutTpqbBaAmMfl", "lastUpdateId", "bids"]

adapter = Binance()
subscription = Subscription(("BTCUSDT", CHINESE), DATA_TYPES)
decode = adapter.decoder(subscription)
careful = adapter._careful(subscription)


def stream(data_type: str, symbol: str = "BTCUSDT") -> StreamKey:
    return StreamKey("binance", symbol, data_type)


def reason(frame: bytes) -> str:
    """Why a frame cannot be read."""
    with pytest.raises(UndecodableError) as refused:
        decode(frame)
    return str(refused.value)


@pytest.mark.parametrize(
    ("frame", "key", "message_id", "exchange_us"),
    [
        (TRADE, stream("trade"), 3735683259, 1723161255342000),
        (AGG_TRADE, stream("agg_trade"), 15683430, 1633998523962000),
        (DELTA, stream("book_delta"), 50093239202, 1723161255208000),
        (SNAPSHOT, stream("book_snapshot"), 50093239224, None),
        (TICKER, stream("book_ticker"), 50093239212, None),
        (CHINESE_TRADE, stream("trade", CHINESE), 3735683259, 1723161255342000),
    ],
)
def test_a_frame_is_one_message_with_its_bytes_untouched(
    frame: bytes, key: StreamKey, message_id: int, exchange_us: int | None
) -> None:
    (envelope,) = decode(frame)
    first_id = 50093239189 if key.data_type == "book_delta" else None
    assert envelope == Envelope(key, message_id, first_id, exchange_us, frame)
    assert type(envelope) is Envelope
    assert envelope.payload is frame


@pytest.mark.parametrize("frame", FRAMES)
def test_whitespace_key_order_and_extra_keys_do_not_matter(frame: bytes) -> None:
    expected = decode(frame)[0]._replace(payload=b"")
    fields = json.loads(frame)
    other_ways = [
        json.dumps(fields).encode(),
        json.dumps(fields, indent=2, ensure_ascii=False).encode(),
        json.dumps({"data": fields["data"], "stream": fields["stream"]}).encode(),
        json.dumps({"stream": fields["stream"], "data": dict(reversed(fields["data"].items()))}).encode(),
        json.dumps({**fields, "data": {**fields["data"], "new": {"x": [1, "y:z", None]}}}).encode(),
        json.dumps({"new": 1, **fields}, separators=(",", ":")).encode(),
        b"\r\n" + frame + b"\n",
    ]
    for other in other_ways:
        assert decode(other) == [expected._replace(payload=other)]


def test_a_trade_may_have_old_keys_or_lack_ignored_ones() -> None:
    with_orders = TRADE.replace(b'"T":', b'"b":20720542158,"a":20720542592,"T":')
    without_flag = TRADE.replace(b',"M":true', b"")
    for frame in (with_orders, without_flag):
        assert decode(frame) == [Envelope(stream("trade"), 3735683259, None, 1723161255342000, frame)]


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (b"", "empty frame"),
        (b"   ", "malformed JSON"),
        (b"hello", "malformed JSON"),
        (TRADE[:-1], "malformed JSON"),
        (TRADE + b"}", "malformed JSON"),
        (TRADE + TRADE, "malformed JSON"),
        (TRADE.replace(b"true}}", b"true,}}"), "malformed JSON"),
        (TRADE.replace(b"3735683259", b"03735683259"), "malformed JSON"),
        (TRADE.replace(b"3735683259", b"NaN"), "malformed JSON"),
        (TRADE.replace(b'"61837.63000000"', b"'61837.63000000'"), "malformed JSON"),
        (TRADE.replace(b"61837", b"\\ud800"), "malformed JSON"),
        (b"\xef\xbb\xbf" + TRADE, "malformed JSON"),
        (TRADE.decode().encode("utf-16"), "invalid UTF-8"),
        (TRADE.decode().encode("utf-16-le"), "malformed JSON"),
        (TRADE + b"\x00", "malformed JSON"),
        (TRADE.replace(b"61837", b"61\x00837"), "malformed JSON"),
        (TRADE.replace(b"61837", b"\xff"), "invalid UTF-8"),
        (TRADE.replace(b'"M"', b'"\xff"'), "invalid UTF-8"),
        (CHINESE_TRADE.replace(b"61837", b"\xed\xa0\x80"), "invalid UTF-8"),
        (DELTA.replace(b"61730.17000000", b"\xc3"), "invalid UTF-8"),
        (b"[" * 100_000, "unknown message"),
        (TRADE.replace(b"true}}", b'true,"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}}"), "malformed JSON"),
        (b"null", "unknown message"),
        (b"[1,2]", "unknown message"),
        (b"{}", "unknown message"),
        (b'{"e":"trade","t":1}', "unknown message"),
        (b'{"stream":null,"data":{}}', "unknown message"),
        (b'{"stream":5,"data":{}}', "unknown message"),
        (TRADE.replace(b"btcusdt", b"ethusdt"), "stream not subscribed: ethusdt@trade"),
        (TRADE.replace(b"btcusdt", b"BTCUSDT"), "stream not subscribed: BTCUSDT@trade"),
        (TRADE.replace(b"@trade", b"@kline_1m"), "unknown channel: kline_1m"),
        (DELTA.replace(b"@100ms", b""), "unknown channel: depth"),
        ('{"stream":"x@é\\n","data":{}}'.encode(), "unknown channel: \\xe9\\n"),
        (b'{"stream":"@' + b"x" * 9999 + b'","data":{}}', "unknown channel: " + "x" * 100),
        (TRADE.replace(b'"s":"BTCUSDT"', b'"s":"ETHUSDT"'), "stream not subscribed: trade ETHUSDT"),
        (TRADE.replace(b'"s":"BTCUSDT"', b'"s":"btcusdt"'), "stream not subscribed: trade btcusdt"),
        (TRADE.replace(b'"s":"BTCUSDT"', b'"s":"%s"' % CHINESE.encode()), "symbol of another stream: \\u5e01\\u5b89"),
    ],
)
def test_a_refused_frame_comes_with_its_reason(frame: bytes, text: str) -> None:
    assert reason(frame).startswith(text)


@pytest.mark.parametrize(
    ("frame", "channel", "hint"),
    [
        (b'{"stream":"btcusdt@trade"}', "trade", "`data`"),
        (b'{"stream":"btcusdt@trade","data":[]}', "trade", "`array`"),
        (AGG_TRADE.replace(b"@aggTrade", b"@trade"), "trade", "`t`"),
        (TRADE.replace(b"@trade", b"@aggTrade"), "aggTrade", "`a`"),
        (TICKER.replace(b"@bookTicker", b"@depth@100ms"), "depth@100ms", "`U`"),
        (DELTA.replace(b"@depth@100ms", b"@depth20@100ms"), "depth20@100ms", "`lastUpdateId`"),
        (SNAPSHOT.replace(b"@depth20@100ms", b"@bookTicker"), "bookTicker", "`s`"),
        (TRADE.replace(b'"t":3735683259,', b""), "trade", "`t`"),
        (DELTA.replace(b'"U":50093239189,', b""), "depth@100ms", "`U`"),
        (TRADE.replace(b"3735683259", b"1e300"), "trade", "`int`"),
        (TRADE.replace(b"3735683259", b"null"), "trade", "`int`"),
        (TRADE.replace(b"3735683259", b"true"), "trade", "`int`"),
        (TRADE.replace(b"3735683259", b"-1"), "trade", ">= 0"),
        (TRADE.replace(b"3735683259", b"9223372036854775808"), "trade", "<= 9223372036854775807"),
        (TRADE.replace(b"3735683259", b"9" * 4000), "trade", "`int`"),
        (TRADE.replace(b'"s":"BTCUSDT"', b'"s":null'), "trade", "`str`"),
        (SNAPSHOT.replace(b"50093239224", b"-5"), "depth20@100ms", ">= 0"),
    ],
)
def test_a_frame_that_does_not_fit_its_stream_is_refused_with_the_reason(frame: bytes, channel: str, hint: str) -> None:
    text = reason(frame)
    assert text.startswith(f"not a message of {channel}: ")
    assert hint in text


def test_of_a_key_that_stands_twice_the_last_counts_whoever_reads() -> None:
    frame = TRADE.replace(b'"m":true', b'"t":3735683260,"m":true')
    assert [message.id for message in decode(frame)] == [3735683260]
    elsewhere = TRADE.replace(b'"data":', b'"stream":"ethusdt@trade","data":')
    assert reason(elsewhere) == "stream not subscribed: ethusdt@trade"


@pytest.mark.parametrize(
    "frame",
    [
        TRADE.replace(b'"p":"61837.63000000",', b""),
        TRADE.replace(b'"m":true,', b""),
        DELTA.replace(b'"a":[["61842.1","2"]]', b'"x":0'),
        TICKER.replace(b'"A":"1.54698000"', b'"C":"1"'),
    ],
)
def test_a_message_that_lacks_what_only_rows_need_is_kept_without_a_row(frame: bytes) -> None:
    (message,) = decode(frame)
    assert message.payload == frame
    assert adapter.columns(message.stream.data_type, [frame]).untyped == [0]


@pytest.mark.parametrize(
    "time", ["1723161255342000", "253402300800000", "-1", "0", '"x"', "1.5", "true", "[]", "9" * 40]
)
def test_a_message_with_an_invalid_time_is_kept(time: str) -> None:
    frame = TRADE.replace(b"1723161255342", time.encode())
    (envelope,) = decode(frame)
    assert envelope._replace(exchange_us=None) == Envelope(stream("trade"), 3735683259, None, None, frame)
    assert envelope.exchange_us is not None
    assert not is_sound(envelope.exchange_us, 1_800_000_000_000_000)


@pytest.mark.parametrize("key", [b'"T":1723161255342,', b'"E":1723161255342,'])
def test_a_message_without_a_time_is_kept(key: bytes) -> None:
    frame = TRADE.replace(key, b"", 1)
    assert [envelope.id for envelope in decode(frame)] == [3735683259]


def test_the_largest_ids_and_times_pass() -> None:
    frame = TRADE.replace(b"3735683259", b"9223372036854775807").replace(b'"T":1723161255342', b'"T":253402300799999')
    assert decode(frame) == [Envelope(stream("trade"), 2**63 - 1, None, 253402300799999000, frame)]


def test_a_frame_of_5_megabytes_is_read_like_any_other() -> None:
    levels = b",".join([b'["61737.63000000","0.00000000"]'] * 170_000)
    frame = SNAPSHOT.replace(b'"asks":[]', b'"asks":[' + levels + b"]")
    assert decode(frame) == [Envelope(stream("book_snapshot"), 50093239224, None, None, frame)]
    assert reason(frame[:-1]) == "malformed JSON"


def test_only_what_is_subscribed_is_read() -> None:
    trades = adapter.decoder(Subscription(("BTCUSDT",), ("trade",)))
    assert trades(TRADE)
    assert trades(TICKER) == []
    with pytest.raises(UndecodableError, match="stream not subscribed: ethusdt@trade"):
        trades(TRADE.replace(b"btcusdt", b"ethusdt"))


@given(st.one_of(damaged(FRAMES), reshaped(FRAMES, KEYS), st.binary(max_size=60)))
@example(TRADE)
@example(CHINESE_TRADE)
def test_any_frame_is_decoded_or_refused_with_a_short_reason(frame: bytes) -> None:
    result = outcome(decode, frame)
    if isinstance(result, str):
        assert is_short(result)
        return
    assert isinstance(result, list)
    for envelope in result:
        data = json.loads(frame)["data"]
        id_name, time_name = NAMES[envelope.stream.data_type]
        sent_us = from_ms(data.get(time_name))
        assert envelope.id == data[id_name]
        assert sound_us(envelope.exchange_us, NOW_US) == sound_us(sent_us, NOW_US)
        assert envelope.stream.data_type == "book_snapshot" or data["s"] == envelope.stream.symbol
        assert envelope.payload is frame


@given(st.one_of(damaged(FRAMES), reshaped(FRAMES, KEYS)))
@example(TRADE.replace(b'"M":true', b'"t":3735683259'))
@example(TRADE.replace(b'"p":"61837.63000000"', b'"p":":"').replace(b',"M":true', b""))
@example(TICKER.replace(b'"A":"1.54698000"', b'"A":"1","x":[{}]'))
def test_the_fast_path_and_the_careful_path_agree(frame: bytes) -> None:
    assert outcome(decode, frame) == outcome(careful, frame)


@given(st.lists(st.one_of(st.sampled_from(FRAMES), damaged(FRAMES), reshaped(FRAMES[:5], KEYS)), max_size=30))
@example([TRADE] * 4 + [TRADE.replace(b'"m":true,', b""), TRADE.replace(b'"m":true', b'"m":true,"m":true')])
@example([TRADE] * 4 + [TRADE.replace(b'"M":true', b'"M":true,"X":"\xc3'), TRADE])
def test_frames_decoded_together_give_what_each_gives_by_itself(frames: list[bytes]) -> None:
    assert_alike_together(decode, frames)


def test_frames_of_a_stream_in_its_usual_form_become_columns() -> None:
    columns, others = decode_together(decode, [TRADE, DELTA] * 4)
    assert [(column.key.data_type, column.frames) for column in columns] == [
        ("trade", [0, 2, 4, 6]),
        ("book_delta", [1, 3, 5, 7]),
    ]
    assert others == []
