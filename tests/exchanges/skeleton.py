"""The smallest whole adapter, to copy for a new exchange: one data type, no REST interface, an exchange that is made up.

The exchange sends `{"symbol":"BTC-USD","id":7,"price":"1.5","size":"2","side":"buy","time_ms":1764000000000}` for each
trade, is subscribed with one message a connection, and answers that with `{"subscribed":true}`.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Final, Generic, Literal, TypeVar

import msgspec

from collector.domain.errors import ConfigError, UndecodableError
from collector.domain.names import END_US
from collector.domain.records import Envelope, IdRule, StreamKey, TypedColumns
from collector.domain.times import NO_TIME_US
from collector.exchanges import typed_rows
from collector.exchanges.adapter import (
    Adapter,
    ConnectionPlan,
    Control,
    ControlKind,
    Decode,
    Limits,
    Speakers,
    Subscription,
)

Number_co = TypeVar("Number_co", covariant=True)
INT64_MAX: Final = 2**63 - 1


class Trade(msgspec.Struct, Generic[Number_co], kw_only=True):
    """One trade; `time_ms` may be anything, because a wrong time must not cost the message its row."""

    symbol: str
    id: Annotated[int, msgspec.Meta(ge=0, le=INT64_MAX)]
    price: Number_co
    size: Number_co
    side: Literal["buy", "sell"]
    time_ms: Any = None

    numbers: ClassVar = ("price", "size")
    sides: ClassVar = ()
    kind: ClassVar = "market"
    columns = staticmethod(typed_rows.trade_columns)


_FRAMES: Final = msgspec.json.Decoder(Trade[str])
_ROWS: Final = typed_rows.number_readers(Trade, lambda kind, **options: msgspec.json.Decoder(kind, **options).decode)
_ACK: Final = b'{"subscribed":true}'


class Skeleton:
    """The market `skeleton`. Here stands the link to the exchange's page."""

    exchange = "skeleton"
    id_rules: Mapping[str, IdRule] = MappingProxyType({"trade": IdRule.DENSE})
    limits = Limits(
        connections=300, window_secs=300.0, streams_per_connection=100, messages_per_sec=4.0, lifetime_secs=86_400.0
    )
    rest = None

    def plan(self, subscription: Subscription, ws_url: str) -> list[ConnectionPlan]:
        """One SUBSCRIBE message a connection; symbols are upper-case pairs with a dash."""
        problems = [
            f"symbols = {symbol!a}: must be like BTC-USD"
            for symbol in subscription.symbols
            if "-" not in symbol or symbol != symbol.upper()
        ]
        problems += [
            f"data_types = {data_type!a}: is not offered by {self.exchange}"
            for data_type in subscription.data_types
            if data_type not in self.id_rules
        ]
        if problems:
            raise ConfigError(problems)
        url = f"{ws_url.rstrip('/') or 'wss://ws.example.org'}/stream"
        return [ConnectionPlan(url, (_subscribe(keys),), keys) for keys in self.shares(subscription)]

    def shares(self, subscription: Subscription) -> list[tuple[StreamKey, ...]]:
        """In the order of the subscription."""
        size = self.limits.streams_per_connection
        keys = list(self._streams(subscription).values())
        return [tuple(keys[start : start + size]) for start in range(0, len(keys), size)]

    def elsewhere(self, keys: Sequence[StreamKey], ws_url: str) -> list[ConnectionPlan]:
        """Streams have no other address."""
        return []

    def speakers(self, subscription: Subscription) -> Speakers:
        """Always None, which is safe: `control` then judges each frame. Replace it once everything else works."""
        return lambda frames: {None}

    def control(self, frame: bytes) -> Control | None:
        """Only the exact acknowledgement is certainly no data."""
        return Control(ControlKind.ACK, "subscribed") if frame == _ACK else None

    def decoder(self, subscription: Subscription) -> Decode:
        """Find the stream by its symbol."""
        streams = self._streams(subscription)

        def decode(frame: bytes) -> list[Envelope]:
            if self.control(frame) is not None:
                return []
            try:
                frame.decode()  # msgspec checks only the text it reads
                trade = _FRAMES.decode(frame)
            except typed_rows.UNREADABLE as error:
                raise UndecodableError("not a trade") from error
            if trade.symbol not in streams:
                raise UndecodableError("symbol not subscribed")
            return [Envelope(streams[trade.symbol], trade.id, None, _exchange_us(trade.time_ms), frame)]

        return decode

    def columns(self, data_type: str, payloads: Sequence[bytes]) -> TypedColumns:
        """Prices and sizes are decimals in quotes."""
        return typed_rows.columns(_ROWS, payloads)

    def decimals(self, data_type: str, payload: bytes) -> Iterable[str]:
        """Price and size."""
        return typed_rows.decimals(_ROWS, payload)

    def _streams(self, subscription: Subscription) -> dict[str, StreamKey]:
        """By symbol; none if only data types that another version knows are subscribed."""
        known = [data_type for data_type in subscription.data_types if data_type in self.id_rules]
        return {
            symbol: StreamKey(self.exchange, symbol, data_type)
            for symbol in subscription.symbols
            for data_type in known
        }


def _subscribe(keys: tuple[StreamKey, ...]) -> str:
    return msgspec.json.encode({"subscribe": [key.symbol for key in keys]}).decode()


def _exchange_us(time_ms: object) -> int:
    """Microseconds; `NO_TIME_US` if the time is missing, is no whole number or has no date."""
    return time_ms * 1000 if type(time_ms) is int and 0 <= time_ms < END_US // 1000 else NO_TIME_US


SKELETON: Final[Adapter] = Skeleton()
"""The type checker holds it to the contract."""
