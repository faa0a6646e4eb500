"""Typed rows of messages, for every exchange: numbers become doubles, and null where they are no finite decimal."""

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any, Final, NamedTuple, Protocol

from msgspec import DecodeError

from collector.domain.decimals import to_double
from collector.domain.records import AggTradeRow, BookRow, BookTickerRow, TradeRow, TypedRow

UNREADABLE: Final = (DecodeError, UnicodeDecodeError, RecursionError)
"""Whatever a decoder raises for bytes that do not fit it."""

Doubles = list[tuple[float, float]]
Nullable = list[tuple[float | None, float | None]]

Texts = list[tuple[Any, Any]]


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


def finite_trade(row: TradeRow | AggTradeRow) -> bool:
    return isfinite(row[1] + row[2])  # type: ignore[operator]  # doubles only


def finite_quote(row: BookTickerRow) -> bool:
    return isfinite(sum(row[1:]))  # type: ignore[arg-type]  # doubles only


def finite_book(row: BookRow) -> bool:
    return isfinite(sum(row[4]) + sum(row[5]) + sum(row[6]) + sum(row[7]))  # type: ignore[arg-type]  # doubles only


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
