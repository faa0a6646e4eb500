"""Frames read by what their beginning names give what they give when read with care, alone and together."""

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collector.domain.errors import UndecodableError
from collector.domain.records import StreamKey
from collector.exchanges.adapter import Subscription
from collector.exchanges.bybit import BybitLinear
from collector.exchanges.routes import ChannelReader, Route, RoutedDecode
from collector.exchanges.together import decode_together
from tests.exchanges.mangling import assert_alike_together, damaged, outcome

BOOK = (
    b'{"topic":"orderbook.200.BTCUSDT","ts":1784500000001,"type":"delta","data":{"s":"BTCUSDT","b":[["9.5","0.5"]],'
    b'"a":[],"u":1002,"seq":7},"cts":1784500000000}'
)
SNAPSHOT = BOOK.replace(b'"delta"', b'"snapshot"')
TRADES = (
    b'{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1784500000001,"data":[{"T":1784500000000,"s":"BTCUSDT",'
    b'"S":"Buy","v":"0.1","p":"9.5","L":"PlusTick","i":"a-1","BT":false},{"T":1784500000000,"s":"BTCUSDT","S":"Sell",'
    b'"v":"0.2","p":"9.4","L":"PlusTick","i":"a-2","BT":false}]}'
)
TICKER = (
    b'{"topic":"tickers.BTCUSDT","type":"delta","data":{"symbol":"BTCUSDT","markPrice":"9.5","openInterest":"12.5"},'
    b'"cs":24,"ts":1784500000001}'
)
FRAMES = (BOOK, SNAPSHOT, TRADES, TICKER, TRADES.replace(b"BTCUSDT", b"ETHUSDT"))
TYPES = ("book_delta", "trade", "mark_price", "open_interest", "funding_rate")

adapter = BybitLinear()
subscription = Subscription(("BTCUSDT", "ETHUSDT"), TYPES)
decode = adapter.decoder(subscription)
careful = adapter._careful(subscription)
frames_of_any_shape = st.one_of(st.sampled_from(FRAMES), damaged(FRAMES))


@given(frames_of_any_shape)
@example(BOOK.replace(b'"cts"', b'"topic":"tickers.BTCUSDT","cts"'))
@example(BOOK.replace(b'"cts"', b'"topic":"orderbook.200.ETHUSDT","cts"'))
@example(TRADES.replace(b'"s":"BTCUSDT"', b'"s":"ETHUSDT"'))
@example(b" " + BOOK)
@example(BOOK.replace(b'"seq"', b'"\xff"'))
def test_a_guessed_stream_changes_nothing(frame: bytes) -> None:
    assert outcome(decode, frame) == outcome(careful, frame)


@given(st.lists(frames_of_any_shape, max_size=30))
@example([BOOK] * 4 + [SNAPSHOT, BOOK.replace(b'"cts"', b'"topic":"tickers.BTCUSDT","cts"')])
@example([BOOK] * 4 + [BOOK.replace(b'"u":1002,', b"")])
@example([TRADES] * 4 + [BOOK] * 4 + [b"{}", TICKER] * 4)
def test_frames_decoded_together_give_what_each_gives_by_itself(frames: list[bytes]) -> None:
    assert_alike_together(decode, frames)


def test_frames_of_a_stream_become_a_column() -> None:
    columns, others = decode_together(decode, [BOOK, TICKER] * 4)
    assert [(column.key.data_type, column.frames) for column in columns] == [("book_delta", [0, 2, 4, 6])]
    assert [index for index, _ in others] == [1, 3, 5, 7]


def test_a_message_of_a_stream_that_its_frame_does_not_name_is_refused() -> None:
    with pytest.raises(UndecodableError, match="symbol of another stream: ETHUSDT"):
        decode(TRADES.replace(b'"s":"BTCUSDT"', b'"s":"ETHUSDT"'))


@pytest.mark.parametrize("times", [1, 8])
@pytest.mark.parametrize("change", [lambda frame: frame, lambda frame: b" " + frame])
def test_speakers_find_every_stream_of_a_topic(change: Callable[[bytes], bytes], times: int) -> None:
    speakers = adapter.speakers(subscription)
    told = {StreamKey("bybit_linear", "BTCUSDT", name) for name in ("mark_price", "open_interest", "funding_rate")}
    book = StreamKey("bybit_linear", "BTCUSDT", "book_delta")
    ticker, reply = change(TICKER), b'{"success":true,"op":"subscribe"}'
    assert speakers([ticker] * times) == told
    assert speakers([ticker, BOOK] * times) == {*told, book}
    assert speakers([ticker, reply, BOOK] * times) == {*told, book, None}
    assert speakers([ticker.replace(b"BTCUSDT", b"XRPUSDT")] * times) == {None}
    assert speakers([]) == set()


def test_a_market_with_a_route_reads_by_routes() -> None:
    assert isinstance(decode, RoutedDecode)


def test_the_routes_of_a_channel_share_what_reads_them() -> None:
    (book,) = (channel for channel in adapter.channels if "book_delta" in channel.rules)
    assert isinstance(book.read, ChannelReader)
    readers = []
    for symbol in subscription.symbols:
        key = StreamKey("bybit_linear", symbol, "book_delta")
        readers.append(book.read.on(Route(adapter.route, f"orderbook.200.{symbol}", (key,))))
    first, second = readers
    assert first is not None
    assert second is not None
    assert first.one is second.one
    assert first.many is second.many
