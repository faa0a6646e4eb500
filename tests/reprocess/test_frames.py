"""A frame gives the same messages again as when it was received, wherever the frame alone tells them."""

import pytest

from collector.domain.errors import UndecodableError
from collector.exchanges import registry
from collector.exchanges.adapter import Conversation
from collector.exchanges.together import outcome
from collector.reprocess.frames import UNASKED, Again, Frames
from tests.conftest import Lines
from tests.exchanges.recorded_markets import MARKETS, RecordedMarket, recording

FIRST_FRAMES = 150
EVERY = {
    market.exchange: market._replace(most=FIRST_FRAMES) for market in MARKETS if market.exchange != "binance_coinm"
}
"""One recording of each exchange; one of Binance's futures is enough."""


def read_again(frames: Frames, frame: bytes, line: int = 0) -> Again:
    (found,) = frames.frames([frame], [line])
    return found


@pytest.mark.parametrize("market", EVERY.values(), ids=str)
def test_a_frame_of_every_market_gives_the_same_messages_again(market: RecordedMarket, recorded: Lines) -> None:
    played = recording(market, recorded)
    decode = market.adapter.decoder(played.subscription)
    frames = Frames(market.adapter, played.subscription.symbols)
    read = 0
    for _, frame in played.frames:
        found, again = outcome(decode, frame), read_again(frames, frame)
        if isinstance(found, UndecodableError) or not found:
            assert again.messages == []
        elif isinstance(decode, Conversation):
            assert again.reason == "channel id that no answer explained"
        else:
            assert again == Again([message for message in found if message.payload], None)
        read += bool(again.messages)
    assert read or isinstance(decode, Conversation)


def test_a_channel_that_nobody_records_is_said_so() -> None:
    frames = Frames(registry.adapter("hyperliquid"), ["BTC"])
    assert read_again(frames, b'{"channel":"allMids","data":{}}') == Again([], UNASKED)


def test_frames_teach_the_reading_of_later_ones_nothing() -> None:
    frames = Frames(registry.adapter("bitfinex"), ["tBTCUSD"])
    answer = b'{"event":"subscribed","channel":"trades","chanId":17,"symbol":"tBTCUSD","pair":"BTCUSD"}'
    trades = b'[17,"tu",[401597395,1574694478808,0.005,7245.3],5,1574694478808]'
    assert read_again(frames, answer) == Again([], None)
    assert read_again(frames, trades).reason == "channel id that no answer explained"
