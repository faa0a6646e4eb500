"""Messages of Binance spot, and those that all of Binance's markets share.

Source: web-socket-streams.md in github.com/binance/binance-spot-api-docs (2026-07-21). Field names there are one letter.
"""

from typing import Any, ClassVar, Final, Generic, Literal, TypeVar

from msgspec import Struct, field

from collector.exchanges.binance.message_readers import (
    NO_TIME_MS,
    Id,
    MessageReaders,
    Millis,
    Time,
    book_messages,
    number_messages,
    taker_side,
)
from collector.exchanges.typed_rows import BookHead, agg_trade_columns, book_columns, quote_columns, trade_columns

Number_co = TypeVar("Number_co", covariant=True)
Side_co = TypeVar("Side_co", covariant=True)


class Trade(Struct, Generic[Number_co], gc=False, kw_only=True):
    """`<symbol>@trade`: one taker order met one maker order."""

    event: Literal["trade"] = field(name="e")
    symbol: str = field(name="s")
    id: Id = field(name="t")
    price: Number_co = field(name="p")
    size: Number_co = field(name="q")
    exchange_ms: Time = field(name="T", default=NO_TIME_MS)
    buyer_is_maker: bool = field(name="m")

    first_id: ClassVar = None
    numbers: ClassVar = ("price", "size")
    sides: ClassVar = ()
    kind: ClassVar[Any] = "market"

    side = property(taker_side)
    columns = staticmethod(trade_columns)


class AggTrade(Struct, Generic[Number_co], gc=False, kw_only=True):
    """`<symbol>@aggTrade`: the trades of one taker order at one price."""

    event: Literal["aggTrade"] = field(name="e")
    symbol: str = field(name="s")
    id: Id = field(name="a")
    price: Number_co = field(name="p")
    size: Number_co = field(name="q")
    first_trade_id: Id = field(name="f")
    last_trade_id: Id = field(name="l")
    exchange_ms: Time = field(name="T", default=NO_TIME_MS)
    buyer_is_maker: bool = field(name="m")

    first_id: ClassVar = None
    numbers: ClassVar = ("price", "size")
    sides: ClassVar = ()

    side = property(taker_side)
    columns = staticmethod(agg_trade_columns)


class Quote(Struct, Generic[Number_co], gc=False, kw_only=True):
    """The best bid and ask."""

    id: Id = field(name="u")
    symbol: str = field(name="s")
    bid_price: Number_co = field(name="b")
    bid_size: Number_co = field(name="B")
    ask_price: Number_co = field(name="a")
    ask_size: Number_co = field(name="A")

    first_id: ClassVar = None
    numbers: ClassVar = ("bid_price", "bid_size", "ask_price", "ask_size")
    sides: ClassVar = ()

    columns = staticmethod(quote_columns)


class Ticker(Quote[Number_co], gc=False, kw_only=True):
    """`<symbol>@bookTicker`: has no time."""

    exchange_ms: ClassVar = None


class Diff(Struct, Generic[Side_co], gc=False, kw_only=True):
    """`<symbol>@depth@100ms`: the levels that changed, with their new sizes."""

    event: Literal["depthUpdate"] = field(name="e")
    exchange_ms: Time = field(name="E", default=NO_TIME_MS)
    symbol: str = field(name="s")
    first_id: Id = field(name="U")
    id: Id = field(name="u")
    bids: Side_co = field(name="b")
    asks: Side_co = field(name="a")

    numbers: ClassVar = ()
    sides: ClassVar = ("bids", "asks")

    columns = staticmethod(book_columns)

    def head(self) -> BookHead:
        return self.first_id, self.id, None, False


class Depth(Struct, Generic[Side_co], gc=False, kw_only=True):
    """`<symbol>@depth20@100ms`: the best 20 levels a side. Has neither symbol nor time."""

    id: Id = field(name="lastUpdateId")
    bids: Side_co
    asks: Side_co

    symbol: ClassVar = None
    first_id: ClassVar = None
    exchange_ms: ClassVar = None
    numbers: ClassVar = ()
    sides: ClassVar = ("bids", "asks")

    columns = staticmethod(book_columns)

    def head(self) -> BookHead:
        return None, self.id, None, True


_IGNORED: Final = {"E": Millis, "M": bool}

READERS: Final[dict[str, MessageReaders]] = {
    "book_snapshot": book_messages(Depth, {}),
    "book_delta": book_messages(Diff, {}),
    "trade": number_messages(Trade, _IGNORED),
    "agg_trade": number_messages(AggTrade, _IGNORED),
    "book_ticker": number_messages(Ticker, {}),
}
