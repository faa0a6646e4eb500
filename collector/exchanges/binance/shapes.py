"""How Binance's messages are read: from a frame to a struct, from a struct to a typed row.

Frames come wrapped, as combined streams send them; what REST answers is bare. Prices and sizes are decimals in quotes,
times are integer milliseconds. A struct names with ClassVars the numbers and book sides that `rows` turns into doubles.
"""

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Annotated, Any, Final, Generic, NamedTuple, Protocol, TypeVar, get_origin

from msgspec import DecodeError, Meta, Raw, Struct, defstruct, field
from msgspec.json import Decoder
from msgspec.structs import fields

from collector.domain.decimals import to_double
from collector.domain.names import END_US
from collector.domain.records import AggTradeRow, BookRow, BookTickerRow, TradeRow, TypedRow
from collector.domain.times import NO_TIME_US

UNREADABLE: Final = (DecodeError, UnicodeDecodeError, RecursionError)
"""Whatever a decoder raises for bytes that do not fit it."""

INT64_MAX: Final = 2**63 - 1

Id = Annotated[int, Meta(ge=0, le=INT64_MAX)]
Millis = Annotated[int, Meta(ge=0, le=END_US // 1000 - 1)]
"""A time that has a date: microseconds in its place have none."""

Time = Any
"""A time as it stands in a message that is not as documented: it may be anything, and must not cost the message its row."""

NO_TIME_MS: Final = NO_TIME_US // 1000
"""Where it is missing."""

Message = TypeVar("Message")

Doubles = list[tuple[float, float]]
Nullable = list[tuple[float | None, float | None]]

_Texts = list[tuple[Any, Any]]


class Frame(Struct, Generic[Message], gc=False):
    """The wrap of a combined stream: `{"stream":…,"data":…}`."""

    data: Message


Documented = Mapping[str, Any]
"""Further keys of a frame as documented, each with its type; no row is made of them."""


class Reader(Protocol):
    """Gives a `Frame`, or raises one of UNREADABLE."""

    def decode(self, text: bytes, /) -> Any: ...


class Shape(NamedTuple):
    """The readers of one data type's messages in one form."""

    documented: Mapping[int, Reader]
    """For frames as documented, by how many keys they have: each needs all of its keys."""
    needed: Reader
    """Needs only the keys that rows are made of."""
    names_symbol: bool
    doubles: Reader
    texts: Reader
    finite: Callable[[Any], bool]
    """Whether every number of a row is finite; it may say no to a row of huge ones."""


def trade_shape(message: Any, *documented: Documented) -> Shape:
    """The shape of a message with a price and a size, generic in them."""
    return _shape(message[str], message[float], message[Any], _finite_trade, documented)


def bare_trade_shape(message: Any) -> Shape:
    """The same of a message without a wrap."""
    return _shape(message[str], message[float], message[Any], _finite_trade, (), reader=_BareReader)


def quote_shape(message: Any, *documented: Documented) -> Shape:
    """The shape of a message with the best bid and ask, generic in their numbers."""
    return _shape(message[str], message[float], message[Any], _finite_quote, documented)


def book_shape(message: Any, *documented: Documented) -> Shape:
    """The shape of a message with levels, generic in its sides."""
    return _shape(message[Raw], message[Doubles], message[_Texts], _finite_book, documented)


def bare_book_shape(message: Any) -> Shape:
    """The same of a message without a wrap."""
    return _shape(message[Raw], message[Doubles], message[_Texts], _finite_book, (), reader=_BareReader)


def _finite_trade(row: TradeRow | AggTradeRow) -> bool:
    return isfinite(row[1] + row[2])  # type: ignore[operator]  # doubles only


def _finite_quote(row: BookTickerRow) -> bool:
    return isfinite(sum(row[1:]))  # type: ignore[arg-type]  # doubles only


def _finite_book(row: BookRow) -> bool:
    return isfinite(sum(row[4]) + sum(row[5]) + sum(row[6]) + sum(row[7]))  # type: ignore[arg-type]  # doubles only


def _reader(message: Any, **options: Any) -> Decoder[Any]:
    return Decoder(Frame[message], **options)


class _BareReader:
    """Reads a message that comes without a wrap as if it had one."""

    def __init__(self, message: Any, **options: Any) -> None:
        self._decoder = Decoder(message, **options)

    def decode(self, text: bytes, /) -> Frame[Any]:
        return Frame(self._decoder.decode(text))


def _shape(
    needed: Any,
    doubles: Any,
    texts: Any,
    finite: Callable[[Any], bool],
    documented: Sequence[Documented],
    reader: Callable[..., Reader] = _reader,
) -> Shape:
    keys = len(("stream", "data")) + len(fields(needed))
    return Shape(
        documented={keys + len(more): reader(_with(needed, more)) for more in documented},
        needed=reader(needed),
        names_symbol=any(known.name == "symbol" for known in fields(needed)),
        doubles=reader(doubles, strict=False),
        texts=reader(texts, strict=False, float_hook=str),
        finite=finite,
    )


def exchange_us(message: Any) -> int | None:
    """When a message says that it was sent: `NO_TIME_US` where it says nothing that has a date."""
    ms = message.exchange_ms
    if isinstance(ms, int) and 0 <= ms < END_US // 1000:
        return ms * 1000
    return None if ms is None else NO_TIME_US


def _with(needed: Any, keys: Documented) -> Any:
    """A message that needs these keys too, and a time that has a date."""
    base = get_origin(needed)
    own = [
        (known.name, Millis if known.name == "exchange_ms" else known.type, field(name=known.encode_name))
        for known in fields(needed)
    ]
    return defstruct(base.__name__, [*own, *keys.items()], bases=(base,), gc=False)


_NO_LEVELS: Final[Any] = ((), ())


def trade_row(message: Any) -> TradeRow:
    """Of a struct with `id`, `price`, `size`, `buyer_is_maker` and `kind`."""
    side = "sell" if message.buyer_is_maker else "buy"
    return TradeRow(str(message.id), message.price, message.size, side, None, message.kind)


def agg_trade_row(message: Any) -> AggTradeRow:
    """As `trade_row`, without `kind`, with `first_trade_id` and `last_trade_id`."""
    side = "sell" if message.buyer_is_maker else "buy"
    first, last = str(message.first_trade_id), str(message.last_trade_id)
    return AggTradeRow(str(message.id), message.price, message.size, side, first, last)


def book_row(
    first_id: int | None, last_id: int, previous_id: int | None, is_snapshot: bool, bids: Nullable, asks: Nullable
) -> BookRow:
    """A book message's row: its levels as columns."""
    # Every level is a pair; strict would cost a tenth of a row.
    bid_prices, bid_sizes = zip(*bids) if bids else _NO_LEVELS  # noqa: B905
    ask_prices, ask_sizes = zip(*asks) if asks else _NO_LEVELS  # noqa: B905
    return BookRow(first_id, last_id, previous_id, is_snapshot, bid_prices, bid_sizes, ask_prices, ask_sizes)


def rows(shape: Shape, payloads: Sequence[bytes], bare: Shape | None = None) -> list[TypedRow | None]:
    """See `Adapter.rows`; a payload that is no frame is read by the other shape, if there is one."""
    read = [_row(shape, payload) for payload in payloads]
    if bare is not None and None in read:
        return [_row(bare, payload) if row is None else row for row, payload in zip(read, payloads, strict=True)]
    return read


def decimals(shape: Shape, payload: bytes, bare: Shape | None = None) -> list[str]:
    """See `Adapter.decimals`."""
    try:
        message = shape.texts.decode(payload).data
    except UNREADABLE:
        return [] if bare is None else decimals(bare, payload)
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
