"""Messages in the responses of Binance's REST interfaces: those of the streams, partly under other keys.

Sources: see `rest.py`. They have no wrap and no symbol (except COIN-M's books).
"""

from typing import ClassVar, Final, Generic

from msgspec import Struct, field

from collector.domain.records import BookRow
from collector.exchanges.binance.message_readers import (
    NO_TIME_MS,
    Id,
    MessageReaders,
    Time,
    bare_book_messages,
    bare_trade_messages,
    taker_side,
)
from collector.exchanges.binance.spot_messages import Depth, Number_co, Side_co
from collector.exchanges.typed_rows import Nullable, agg_trade_row, book_row, trade_row


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
    row = trade_row


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
    row = agg_trade_row


class TimedDepth(Struct, Generic[Side_co], gc=False, kw_only=True):
    """`depth` of the futures, with the matching engine's time."""

    id: Id = field(name="lastUpdateId")
    exchange_ms: Time = field(name="T", default=NO_TIME_MS)
    bids: Side_co
    asks: Side_co

    numbers: ClassVar = ()
    sides: ClassVar = ("bids", "asks")

    def row(self: "TimedDepth[Nullable]") -> BookRow:
        return book_row(None, self.id, None, True, self.bids, self.asks)


SPOT_READERS: Final[dict[str, MessageReaders]] = {
    "book_delta": bare_book_messages(Depth),
    "trade": bare_trade_messages(Trade),
    "agg_trade": bare_trade_messages(AggTrade),
}

FUTURES_READERS: Final[dict[str, MessageReaders]] = {
    "book_delta": bare_book_messages(TimedDepth),
    "agg_trade": bare_trade_messages(AggTrade),
}
