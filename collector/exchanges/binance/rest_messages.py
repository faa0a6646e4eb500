"""Messages in the responses of Binance's REST interfaces: those of the streams, partly under other keys.

Sources: see `rest.py`. They have no wrap and no symbol (except COIN-M's books).
"""

from typing import ClassVar, Final, Generic

from msgspec import Struct, field

from collector.exchanges.binance.message_readers import (
    NO_TIME_MS,
    Id,
    MessageReaders,
    Time,
    bare_book_messages,
    bare_number_messages,
    taker_side,
)
from collector.exchanges.binance.spot_messages import Depth, Number_co, Side_co
from collector.exchanges.typed_rows import BookHead, agg_trade_columns, book_columns, trade_columns


class Trade(Struct, Generic[Number_co], gc=False, kw_only=True):
    """An element of `historicalTrades`."""

    id: Id
    price: Number_co
    size: Number_co = field(name="qty")
    exchange_ms: Time = field(name="time", default=NO_TIME_MS)
    buyer_is_maker: bool = field(name="isBuyerMaker")

    numbers: ClassVar = ("price", "size")
    sides: ClassVar = ()

    kind: ClassVar = "market"

    side = property(taker_side)
    columns = staticmethod(trade_columns)


class AggTrade(Struct, Generic[Number_co], gc=False, kw_only=True):
    """An element of `aggTrades`."""

    id: Id = field(name="a")
    price: Number_co = field(name="p")
    size: Number_co = field(name="q")
    first_trade_id: Id = field(name="f")
    last_trade_id: Id = field(name="l")
    exchange_ms: Time = field(name="T", default=NO_TIME_MS)
    buyer_is_maker: bool = field(name="m")

    numbers: ClassVar = ("price", "size")
    sides: ClassVar = ()

    side = property(taker_side)
    columns = staticmethod(agg_trade_columns)


class TimedDepth(Struct, Generic[Side_co], gc=False, kw_only=True):
    """`depth` of the futures, with the matching engine's time."""

    id: Id = field(name="lastUpdateId")
    exchange_ms: Time = field(name="T", default=NO_TIME_MS)
    bids: Side_co
    asks: Side_co

    numbers: ClassVar = ()
    sides: ClassVar = ("bids", "asks")

    columns = staticmethod(book_columns)

    def head(self) -> BookHead:
        return None, self.id, None, True


SPOT_READERS: Final[dict[str, MessageReaders]] = {
    "book_delta": bare_book_messages(Depth),
    "trade": bare_number_messages(Trade),
    "agg_trade": bare_number_messages(AggTrade),
}

FUTURES_READERS: Final[dict[str, MessageReaders]] = {
    "book_delta": bare_book_messages(TimedDepth),
    "agg_trade": bare_number_messages(AggTrade),
}
