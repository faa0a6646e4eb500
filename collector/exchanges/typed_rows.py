"""From payloads to typed rows, for every exchange: a number that is not a finite decimal becomes null in its row.

A payload is read fast, all numbers as doubles. Only where that fails, or a number is not finite, it is read once more
with its numbers as texts, and each of them is judged alone.
"""

from collections.abc import Callable, Sequence
from math import isfinite
from typing import Any, Final, NamedTuple

from msgspec import DecodeError

from collector.domain.decimals import to_double
from collector.domain.records import AggTradeRow, BookRow, BookTickerRow, TradeRow, TypedRow

UNREADABLE: Final = (DecodeError, UnicodeDecodeError, RecursionError)
"""What a msgspec decoder raises for bytes that do not fit its type."""

Doubles = list[tuple[float, float]]
Nullable = list[tuple[float | None, float | None]]
Texts = list[tuple[Any, Any]]
"""Levels of a book side as they are read: price and size."""

Read = Callable[[bytes], Any]
"""Reads one payload into a message, a struct; raises one of UNREADABLE for anything else."""

NewReader = Callable[..., Read]
"""Makes the reader of a message type; keyword arguments are those of `msgspec.json.Decoder`."""

_NO_LEVELS: Final[Any] = ((), ())


class RowReaders(NamedTuple):
    """How payloads of one data type become rows; an exchange that spells them in two ways has two of these.

    A message has a method `row`, and two ClassVars: `numbers` names the fields that hold one number each, `sides` those
    that hold a list of levels.
    """

    doubles: Read
    """Reads numbers as floats."""
    texts: Read
    """Reads numbers as they are written."""
    is_finite: Callable[[Any], bool]
    """Whether every number of a row is finite; may say no to a row whose sum is too large for a double."""


def trade_readers(message: Any, new_reader: NewReader) -> RowReaders:
    """Readers of a trade or aggregate, a struct generic in the type of its price and size."""
    return _readers(message[float], message[Any], _is_finite_trade, new_reader)


def quote_readers(message: Any, new_reader: NewReader) -> RowReaders:
    """Readers of a best bid and ask, a struct generic in the type of its numbers."""
    return _readers(message[float], message[Any], _is_finite_quote, new_reader)


def book_readers(message: Any, new_reader: NewReader) -> RowReaders:
    """Readers of a book delta or snapshot, a struct generic in the type of its sides."""
    return _readers(message[Doubles], message[Texts], _is_finite_book, new_reader)


def trade_row(message: Any) -> TradeRow:
    """The row of a struct with `id`, `price`, `size`, `side` and `kind`."""
    return TradeRow(str(message.id), message.price, message.size, message.side, None, message.kind)


def agg_trade_row(message: Any) -> AggTradeRow:
    """The row of a struct with `id`, `price`, `size`, `side`, `first_trade_id` and `last_trade_id`."""
    first, last = str(message.first_trade_id), str(message.last_trade_id)
    return AggTradeRow(str(message.id), message.price, message.size, message.side, first, last)


def book_row(
    first_id: int | None, last_id: int, previous_id: int | None, is_snapshot: bool, bids: Nullable, asks: Nullable
) -> BookRow:
    """The row of a book message: its levels as columns."""
    # Every level is a pair; strict would cost a tenth of a row.
    bid_prices, bid_sizes = zip(*bids) if bids else _NO_LEVELS  # noqa: B905
    ask_prices, ask_sizes = zip(*asks) if asks else _NO_LEVELS  # noqa: B905
    return BookRow(first_id, last_id, previous_id, is_snapshot, bid_prices, bid_sizes, ask_prices, ask_sizes)


def rows(readers: RowReaders, payloads: Sequence[bytes], fallback: RowReaders | None = None) -> list[TypedRow | None]:
    """See `Adapter.rows`; what `readers` cannot read is tried with `fallback`, if given."""
    read = [_row(readers, payload) for payload in payloads]
    if fallback is not None and None in read:
        return [_row(fallback, payload) if row is None else row for row, payload in zip(read, payloads, strict=True)]
    return read


def decimals(readers: RowReaders, payload: bytes, fallback: RowReaders | None = None) -> list[str]:
    """See `Adapter.decimals`; what `readers` cannot read is tried with `fallback`, if given."""
    try:
        message = readers.texts(payload)
    except UNREADABLE:
        return [] if fallback is None else decimals(fallback, payload)
    levels = [number for side in message.sides for level in getattr(message, side) for number in level]
    return [str(number) for number in (*(getattr(message, name) for name in message.numbers), *levels)]


def _readers(doubles: Any, texts: Any, is_finite: Callable[[Any], bool], new_reader: NewReader) -> RowReaders:
    return RowReaders(
        doubles=new_reader(doubles, strict=False),
        texts=new_reader(texts, strict=False, float_hook=str),
        is_finite=is_finite,
    )


def _row(readers: RowReaders, payload: bytes) -> TypedRow | None:
    try:
        row: TypedRow = readers.doubles(payload).row()
    except UNREADABLE:
        return _row_with_nulls(readers, payload)
    return row if readers.is_finite(row) else _row_with_nulls(readers, payload)


def _row_with_nulls(readers: RowReaders, payload: bytes) -> TypedRow | None:
    """None for a payload that is not of this data type."""
    try:
        message = readers.texts(payload)
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


def _is_finite_trade(row: TradeRow | AggTradeRow) -> bool:
    return isfinite(row[1] + row[2])  # type: ignore[operator]  # doubles only


def _is_finite_quote(row: BookTickerRow) -> bool:
    return isfinite(sum(row[1:]))  # type: ignore[arg-type]  # doubles only


def _is_finite_book(row: BookRow) -> bool:
    return isfinite(sum(row[4]) + sum(row[5]) + sum(row[6]) + sum(row[7]))  # type: ignore[arg-type]  # doubles only
