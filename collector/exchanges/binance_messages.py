"""Binance spot's messages: the shape of each data type's frames, and their typed rows.

Source: web-socket-streams.md in github.com/binance/binance-spot-api-docs (2026-07-21). Field names there are one letter;
prices and sizes are decimals in quotes, times are integer milliseconds.
"""

from collections.abc import Callable, Iterable, Sequence
from math import isfinite
from typing import Annotated, Any, ClassVar, Final, Generic, Literal, NamedTuple, TypeVar

from msgspec import DecodeError, Meta, Raw, Struct, field
from msgspec.json import Decoder
from msgspec.structs import fields

from collector.domain.exact import to_double
from collector.domain.records import AggTradeRow, BookRow, BookTickerRow, TradeRow, TypedRow

UNREADABLE: Final = (DecodeError, UnicodeDecodeError, RecursionError)
"""Whatever a decoder raises for bytes that do not fit it."""

_INT64_MAX: Final = 2**63 - 1

Id = Annotated[int, Meta(ge=0, le=_INT64_MAX)]
Millis = Annotated[int, Meta(ge=0, le=_INT64_MAX // 1000)]
"""Small enough to be microseconds in 64 bits."""

Message = TypeVar("Message")
Number_co = TypeVar("Number_co", covariant=True)
Side_co = TypeVar("Side_co", covariant=True)

Doubles = list[tuple[float, float]]
Nullable = list[tuple[float | None, float | None]]


class Frame(Struct, Generic[Message], gc=False):
    """The wrap of a combined stream: `{"stream":…,"data":…}`."""

    data: Message


class Trade(Struct, Generic[Number_co], gc=False):
    """`<symbol>@trade`: one taker order met one maker order."""

    event: Literal["trade"] = field(name="e")
    symbol: str = field(name="s")
    id: Id = field(name="t")
    price: Number_co = field(name="p")
    size: Number_co = field(name="q")
    exchange_ms: Millis = field(name="T")
    buyer_is_maker: bool = field(name="m")

    first_id: ClassVar = None
    numbers: ClassVar = ("price", "size")
    sides: ClassVar = ()

    def row(self: "Trade[float | None]") -> TradeRow:
        return TradeRow(str(self.id), self.price, self.size, "sell" if self.buyer_is_maker else "buy")


class DocumentedTrade(Trade[str], gc=False):
    """A trade with exactly the documented keys."""

    event_ms: Millis = field(name="E")
    ignored: bool = field(name="M")


class AggTrade(Struct, Generic[Number_co], gc=False):
    """`<symbol>@aggTrade`: what one taker order took at one price."""

    event: Literal["aggTrade"] = field(name="e")
    symbol: str = field(name="s")
    id: Id = field(name="a")
    price: Number_co = field(name="p")
    size: Number_co = field(name="q")
    first_trade_id: Id = field(name="f")
    last_trade_id: Id = field(name="l")
    exchange_ms: Millis = field(name="T")
    buyer_is_maker: bool = field(name="m")

    first_id: ClassVar = None
    numbers: ClassVar = ("price", "size")
    sides: ClassVar = ()

    def row(self: "AggTrade[float | None]") -> AggTradeRow:
        side = "sell" if self.buyer_is_maker else "buy"
        first, last = str(self.first_trade_id), str(self.last_trade_id)
        return AggTradeRow(str(self.id), self.price, self.size, side, first, last)


class DocumentedAggTrade(AggTrade[str], gc=False):
    """An aggregate trade with exactly the documented keys."""

    event_ms: Millis = field(name="E")
    ignored: bool = field(name="M")


class Diff(Struct, Generic[Side_co], gc=False):
    """`<symbol>@depth@100ms`: the levels that changed, with their new sizes."""

    event: Literal["depthUpdate"] = field(name="e")
    exchange_ms: Millis = field(name="E")
    symbol: str = field(name="s")
    first_id: Id = field(name="U")
    id: Id = field(name="u")
    bids: Side_co = field(name="b")
    asks: Side_co = field(name="a")

    numbers: ClassVar = ()
    sides: ClassVar = ("bids", "asks")

    def row(self: "Diff[Nullable]") -> BookRow:
        bid_prices, bid_sizes = _columns(self.bids)
        ask_prices, ask_sizes = _columns(self.asks)
        return BookRow(self.first_id, self.id, None, False, bid_prices, bid_sizes, ask_prices, ask_sizes)


class Depth(Struct, Generic[Side_co], gc=False):
    """`<symbol>@depth20@100ms`: the best 20 levels a side. It names neither symbol nor time."""

    id: Id = field(name="lastUpdateId")
    bids: Side_co
    asks: Side_co

    symbol: ClassVar = None
    first_id: ClassVar = None
    exchange_ms: ClassVar = None
    numbers: ClassVar = ()
    sides: ClassVar = ("bids", "asks")

    def row(self: "Depth[Nullable]") -> BookRow:
        bid_prices, bid_sizes = _columns(self.bids)
        ask_prices, ask_sizes = _columns(self.asks)
        return BookRow(None, self.id, None, True, bid_prices, bid_sizes, ask_prices, ask_sizes)


class Ticker(Struct, Generic[Number_co], gc=False):
    """`<symbol>@bookTicker`: the best bid and ask. It names no time."""

    id: Id = field(name="u")
    symbol: str = field(name="s")
    bid_price: Number_co = field(name="b")
    bid_size: Number_co = field(name="B")
    ask_price: Number_co = field(name="a")
    ask_size: Number_co = field(name="A")

    first_id: ClassVar = None
    exchange_ms: ClassVar = None
    numbers: ClassVar = ("bid_price", "bid_size", "ask_price", "ask_size")
    sides: ClassVar = ()

    def row(self: "Ticker[float | None]") -> BookTickerRow:
        return BookTickerRow(self.id, self.bid_price, self.bid_size, self.ask_price, self.ask_size)


def _columns(levels: Nullable) -> Iterable[tuple[float | None, ...]]:
    return zip(*levels) if levels else ((), ())  # noqa: B905  # every level is a pair; strict costs a tenth of a row


class Shape(NamedTuple):
    """The readers of one data type's frames. Each gives a `Frame`, or raises one of UNREADABLE."""

    documented: Decoder[Any]
    """Needs every documented key, of which a frame has `keys`."""
    keys: int
    needed: Decoder[Any]
    """Needs only the keys that rows are made of."""
    names_symbol: bool
    doubles: Decoder[Any]
    texts: Decoder[Any]
    finite: Callable[[Any], bool]
    """Whether every number of a row is finite; it may say no to a row of huge ones."""


def _finite_price(row: TradeRow | AggTradeRow) -> bool:
    return isfinite(row[1] + row[2])  # type: ignore[operator]  # doubles only


def _finite_ticker(row: BookTickerRow) -> bool:
    return isfinite(sum(row[1:]))  # type: ignore[arg-type]  # doubles only


def _finite_book(row: BookRow) -> bool:
    return isfinite(sum(row[4]) + sum(row[5]) + sum(row[6]) + sum(row[7]))  # type: ignore[arg-type]  # doubles only


def _shape(documented: Any, needed: Any, doubles: Any, texts: Any, finite: Callable[[Any], bool]) -> Shape:
    return Shape(
        documented=Decoder(Frame[documented]),
        keys=len(("stream", "data")) + len(fields(documented)),
        needed=Decoder(Frame[needed]),
        names_symbol=any(known.name == "symbol" for known in fields(documented)),
        doubles=Decoder(Frame[doubles], strict=False),
        texts=Decoder(Frame[texts], strict=False, float_hook=str),
        finite=finite,
    )


_Texts = list[tuple[Any, Any]]

SHAPES: Final[dict[str, Shape]] = {
    "book_snapshot": _shape(Depth[Raw], Depth[Raw], Depth[Doubles], Depth[_Texts], _finite_book),
    "book_delta": _shape(Diff[Raw], Diff[Raw], Diff[Doubles], Diff[_Texts], _finite_book),
    "trade": _shape(DocumentedTrade, Trade[str], Trade[float], Trade[Any], _finite_price),
    "agg_trade": _shape(DocumentedAggTrade, AggTrade[str], AggTrade[float], AggTrade[Any], _finite_price),
    "book_ticker": _shape(Ticker[str], Ticker[str], Ticker[float], Ticker[Any], _finite_ticker),
}


def rows(data_type: str, payloads: Sequence[bytes]) -> list[TypedRow | None]:
    """See `Adapter.rows`."""
    shape = SHAPES[data_type]
    return [_row(shape, payload) for payload in payloads]


def decimals(data_type: str, payload: bytes) -> list[str]:
    """See `Adapter.decimals`."""
    try:
        message = SHAPES[data_type].texts.decode(payload).data
    except UNREADABLE:
        return []
    levels = [number for side in message.sides for level in getattr(message, side) for number in level]
    return [str(number) for number in (*(getattr(message, name) for name in message.numbers), *levels)]


def _row(shape: Shape, payload: bytes) -> TypedRow | None:
    try:
        row: TypedRow = shape.doubles.decode(payload).data.row()
    except UNREADABLE:
        return _row_with_nulls(shape, payload)
    return row if shape.finite(row) else _row_with_nulls(shape, payload)


def _row_with_nulls(shape: Shape, payload: bytes) -> TypedRow | None:
    try:
        message = shape.texts.decode(payload).data
    except UNREADABLE:
        return None
    for name in message.numbers:
        setattr(message, name, _double(getattr(message, name)))
    for name in message.sides:
        setattr(message, name, [(_double(price), _double(size)) for price, size in getattr(message, name)])
    row: TypedRow = message.row()
    return row


def _double(number: object) -> float | None:
    return to_double(str(number))
