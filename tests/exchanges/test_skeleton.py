"""The adapter to copy keeps the contract."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.domain.decimals import to_double
from collector.domain.errors import ConfigError, UndecodableError
from collector.domain.records import Envelope, StreamKey, TradeRow
from collector.domain.times import NO_TIME_US
from collector.exchanges.adapter import Limits, Subscription
from collector.exchanges.together import decode_together
from tests.exchanges.rows import rows_of
from tests.exchanges.skeleton import SKELETON

GUIDE = (Path(__file__).parents[2] / "docs/ADD_AN_EXCHANGE.md").read_text("utf-8")
BITCOIN = StreamKey("skeleton", "BTC-USD", "trade")
FRAME = b'{"symbol":"BTC-USD","id":7,"price":"1.5","size":"2","side":"buy","time_ms":1764000000000}'
decode = SKELETON.decoder(Subscription(("BTC-USD",), ("trade",)))


def test_a_trade_becomes_an_envelope_and_a_row() -> None:
    assert decode(FRAME) == [Envelope(BITCOIN, 7, None, 1_764_000_000_000_000, FRAME)]
    assert rows_of(SKELETON, "trade", [FRAME]) == [TradeRow("7", 1.5, 2.0, "buy", None, None)]
    assert list(SKELETON.decimals("trade", FRAME)) == ["1.5", "2"]


def test_its_frames_can_be_decoded_together() -> None:
    later = FRAME.replace(b'"id":7', b'"id":8')
    columns, others = decode_together(decode, [FRAME, b'{"subscribed":true}', later, b"{"])
    assert [(column.key, column.frames, column.ids) for column in columns] == [(BITCOIN, [0, 2], [7, 8])]
    assert [(index, str(found)) for index, found in others] == [(1, "[]"), (3, "malformed JSON")]


def test_streams_are_spread_over_as_few_connections_as_the_limits_allow() -> None:
    subscription = Subscription(tuple(f"A{number}-USD" for number in range(150)), ("trade",))
    plans = SKELETON.plan(subscription, "ws://127.0.0.1:1/")
    assert [plan.streams for plan in plans] == [75, 75]
    assert [plan.keys for plan in plans] == SKELETON.shares(subscription)
    assert {plan.url for plan in plans} == {"ws://127.0.0.1:1/stream"}


def test_names_the_exchange_would_never_send_are_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        SKELETON.plan(Subscription(("btc-usd",), ("book_delta",)), "")
    assert [problem.split(" ")[0] for problem in caught.value.problems] == ["symbols", "data_types"]


def test_data_types_of_another_version_have_no_streams() -> None:
    later = Subscription(("BTC-USD",), ("trade_v2",))
    assert SKELETON.shares(later) == []
    assert SKELETON.decoder(later)(FRAME) == []


def test_an_acknowledgement_is_no_message() -> None:
    assert decode(b'{"subscribed":true}') == []
    assert SKELETON.control(FRAME) is None


@pytest.mark.parametrize("time", [b'"soon"', b"-1", b"1764000000000000000000000000", b"true"])
def test_a_wrong_time_costs_no_row(time: bytes) -> None:
    (envelope,) = decode(FRAME.replace(b"1764000000000", time))
    assert envelope.exchange_us == NO_TIME_US
    assert rows_of(SKELETON, "trade", [envelope.payload]) != [None]


def test_a_message_may_have_no_time() -> None:
    (envelope,) = decode(FRAME.replace(b"1764000000000", b"null"))
    assert envelope.exchange_us is None
    assert rows_of(SKELETON, "trade", [envelope.payload]) != [None]


def test_a_number_that_is_no_decimal_is_null_in_its_row() -> None:
    (row,) = rows_of(SKELETON, "trade", [FRAME.replace(b'"1.5"', b'"nan"')])
    assert row == TradeRow("7", to_double("nan"), 2.0, "buy", None, None)
    assert row.price is None


@given(
    st.binary()
    | st.builds(
        lambda place, byte: FRAME[:place] + bytes([byte]) + FRAME[place + 1 :],
        st.integers(0, len(FRAME) - 1),
        st.integers(0, 255),
    )
)
def test_any_bytes_are_messages_or_undecodable(frame: bytes) -> None:
    try:
        messages = decode(frame)
    except UndecodableError:
        return
    assert all(message.stream == BITCOIN for message in messages)


def test_the_guide_explains_every_limit() -> None:
    section = GUIDE.split("## The limits\n", 1)[1].split("\n## ", 1)[0]
    assert re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE) == list(Limits._fields)
