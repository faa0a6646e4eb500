"""The smallest whole adapter, to copy for a new exchange: one data type, no REST interface, an exchange that is made up.

The exchange sends `{"symbol":"BTC-USD","id":7,"price":"1.5","size":"2","side":"buy","time_ms":1764000000000}` for each
trade, is subscribed with one message a connection, and answers that with `{"subscribed":true}`.
"""

import re
from collections.abc import Sequence
from types import MappingProxyType
from typing import ClassVar, Final

from collector.domain.records import IdRule, StreamKey
from collector.exchanges.adapter import Adapter, Control, ControlKind, Limits, Request
from collector.exchanges.market import Channel, Market, text
from collector.exchanges.reading import single
from collector.exchanges.row_tables import row_table
from collector.exchanges.times import from_ms

_ACK: Final = b'{"subscribed":true}'
_SIDES: Final = {"buy": "buy", "sell": "sell"}


class Skeleton(Market):
    """The market `skeleton`. Here stands the link to the exchange's page."""

    exchange = "skeleton"
    ws_url = "wss://ws.example.org"
    path = "/stream"
    channels: ClassVar = (
        Channel(
            "trades",
            {"trade": IdRule.DENSE},
            single("trade", symbol="symbol", id="id", sent=("time_ms?", from_ms)),
            "{symbol}",
        ),
    )
    rows = MappingProxyType(
        {"trade": (row_table("trade", trade_id="id", price="price", size="size", side=("side?", _SIDES.get)),)}
    )
    limits = Limits(
        connections=300, window_secs=300.0, streams_per_connection=100, messages_per_sec=4.0, lifetime_secs=86_400.0
    )
    symbol_pattern = re.compile(r"[A-Z0-9]+-[A-Z]+")
    symbol_example = "BTC-USD"
    names = re.compile(rb'"symbol":"([^"]+)"')

    def channel_of(self, frame: bytes) -> str:
        """There is only one."""
        return "" if frame == _ACK else "trades"

    def control(self, frame: bytes) -> Control | None:
        """Only the exact acknowledgement is certainly no data."""
        return Control(ControlKind.ACK, "subscribed") if frame == _ACK else None

    def subscribe(self, topics: Sequence[tuple[str, StreamKey]]) -> list[Request]:
        """All in one."""
        return [Request(text({"subscribe": [topic for topic, _ in topics]}))]


SKELETON: Final[Adapter] = Skeleton()
"""The type checker holds it to the contract."""
