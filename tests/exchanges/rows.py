"""Typed rows of single messages, whatever they hold."""

import json
import math
from typing import Any

from hypothesis import strategies as st

from collector.domain.decimals import to_double
from collector.exchanges.binance.combined_streams import CombinedStreams
from tests.exchanges.numbers import anything, numbers_of


def payload(data: dict[str, Any]) -> bytes:
    """The frame of a message in a combined stream."""
    return json.dumps({"stream": "x", "data": data}, separators=(",", ":")).encode()


def only_row(adapter: CombinedStreams, data_type: str, data: dict[str, Any]) -> Any:
    """What a single message becomes."""
    (row,) = adapter.rows(data_type, [payload(data)])
    return row


@st.composite
def altered(draw: st.DrawFn, messages: dict[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    """A message with up to three of its fields replaced, by its data type."""
    data_type = draw(st.sampled_from(sorted(messages)))
    message = dict(messages[data_type])
    for name in draw(st.lists(st.sampled_from(sorted(message)), max_size=3)):
        message[name] = draw(anything)
    return data_type, message


def assert_told_alike(adapter: CombinedStreams, data_type: str, message: dict[str, Any]) -> None:
    """The row's numbers are the doubles of the message's decimals; there are none without a row."""
    row, texts = only_row(adapter, data_type, message), adapter.decimals(data_type, payload(message))
    numbers = [] if row is None else list(numbers_of(row))
    assert numbers == [to_double(text) for text in texts]
    assert all(number is None or math.isfinite(number) for number in numbers)
