"""Messages of Binance's futures, USD-M and COIN-M, where they differ from spot's.

Source: developers.binance.com/docs/derivatives, "Websocket Market Streams" of usds-margined-futures and of
coin-margined-futures. `@trade` is undocumented; its keys are those recorded. Since 2026 messages have more keys: `ps` is the pair,
`st` the market (1 USD-M, 2 COIN-M), `nq` a quantity without retail price improvement orders.
"""

from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Final, Generic, Literal

from msgspec import Meta, Struct, field

from collector.domain.records import INT64_MAX
from collector.exchanges.binance.message_readers import (
    NO_TIME_MS,
    Id,
    MessageReaders,
    Millis,
    Time,
    book_messages,
    number_messages,
)
from collector.exchanges.binance.spot_messages import AggTrade, Number_co, Quote, Side_co
from collector.exchanges.binance.spot_messages import Trade as SpotTrade
from collector.exchanges.typed_rows import BookHead, book_columns

PreviousId = Annotated[int, Meta(ge=-1, le=INT64_MAX - 1)]
"""-1 if there was no update before (recorded from a book with one level)."""


_KINDS: Final = MappingProxyType({"MARKET": "market", "INSURANCE_FUND": "insurance_fund", "ADL": "adl", "NA": "none"})


class Trade(SpotTrade[Number_co], gc=False, kw_only=True):
    """`<symbol>@trade`: also fills of the insurance fund and of auto-deleveraging, and ids without a trade."""

    mark: Any = field(name="X", default=None)

    @property
    def kind(self) -> str | None:
        return _KINDS.get(self.mark, self.mark.lower()) if isinstance(self.mark, str) else None


class Ticker(Quote[Number_co], gc=False, kw_only=True):
    """`<symbol>@bookTicker`."""

    event: Literal["bookTicker"] = field(name="e")
    exchange_ms: Time = field(name="T", default=NO_TIME_MS)


class Diff(Struct, Generic[Side_co], gc=False, kw_only=True):
    """`<symbol>@depth@100ms`: the levels that changed, with their new sizes.

    All symbols share the update ids, so a message's own ids, `U` to `u`, do not continue those of the previous message.
    `pu`, the previous message's `u`, links them: a message covers the ids after `pu`.
    """

    event: Literal["depthUpdate"] = field(name="e")
    exchange_ms: Time = field(name="T", default=NO_TIME_MS)
    symbol: str = field(name="s")
    first_update_id: Id = field(name="U")
    id: Id = field(name="u")
    previous_id: PreviousId = field(name="pu")
    bids: Side_co = field(name="b")
    asks: Side_co = field(name="a")

    numbers: ClassVar = ()
    sides: ClassVar = ("bids", "asks")
    is_snapshot: ClassVar = False

    @property
    def first_id(self) -> int | None:
        return self.first_update_id if self.previous_id < 0 else self.previous_id + 1

    columns = staticmethod(book_columns)

    def head(self) -> BookHead:
        previous_id = None if self.previous_id < 0 else self.previous_id
        return self.first_update_id, self.id, previous_id, self.is_snapshot


class Depth(Diff[Side_co], gc=False, kw_only=True):
    """`<symbol>@depth20@100ms`: the best 20 levels a side; only its stream's name distinguishes it from a diff."""

    is_snapshot: ClassVar = True
    first_id: ClassVar = None


_BOOK: Final = {"E": Millis}
_BOOK_OF_COINM: Final = {**_BOOK, "ps": str}
_BOOK_SINCE_2026: Final = {**_BOOK_OF_COINM, "st": int}
_TRADE: Final = {"E": Millis}
_AGG_TRADE: Final = {"E": Millis}
_AGG_TRADE_SINCE_2026: Final = {**_AGG_TRADE, "st": int}

READERS: Final[dict[str, MessageReaders]] = {
    "book_snapshot": book_messages(Depth, _BOOK, _BOOK_OF_COINM, _BOOK_SINCE_2026),
    "book_delta": book_messages(Diff, _BOOK, _BOOK_OF_COINM, _BOOK_SINCE_2026),
    "trade": number_messages(Trade, _TRADE, {**_TRADE, "st": int}),
    "agg_trade": number_messages(AggTrade, _AGG_TRADE, _AGG_TRADE_SINCE_2026, {**_AGG_TRADE_SINCE_2026, "nq": str}),
    "book_ticker": number_messages(Ticker, _BOOK, _BOOK_OF_COINM, _BOOK_SINCE_2026),
}
