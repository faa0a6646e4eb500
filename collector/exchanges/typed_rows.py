"""From payloads to typed columns, for every exchange: a number that is not a finite decimal becomes null in its row.

Payloads are read fast, all numbers as doubles. Only where one of them fails, or a number is not finite, each is judged
alone, and one at fault is read once more with its numbers as texts.
"""

from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import chain, groupby
from math import isfinite
from operator import attrgetter
from typing import Any, Final, NamedTuple

from msgspec import DecodeError

from collector.domain.decimals import to_double
from collector.domain.records import Column, Lists, TypedColumns

UNREADABLE: Final = (DecodeError, UnicodeDecodeError, RecursionError)
"""What a msgspec decoder raises for bytes that do not fit its type."""

Doubles = list[tuple[float, float]]
Texts = list[tuple[Any, Any]]
"""Levels of a book side as they are read: price and size."""

BookHead = tuple[int | None, int, int | None, bool]
"""Of a book message: its first id, its last id, the previous message's id, and whether it is a snapshot."""

Read = Callable[[bytes], Any]
"""Reads one payload into a message, a struct; raises one of UNREADABLE for anything else."""

NewReader = Callable[..., Read]
"""Makes the reader of a message type; keyword arguments are those of `msgspec.json.Decoder`."""


_ABSENT: Final = (None, "")

_RECENT_NUMBERS: Final = 1_000
"""Numbers of levels that are packed at once, 32 bytes each until then."""


class RowReaders(NamedTuple):
    """How payloads of one data type become rows; an exchange that spells them in two ways has two of these."""

    doubles: Read
    """Reads numbers as floats."""
    texts: Read
    """Reads numbers as they are written."""
    columns: Callable[[Iterable[Any]], tuple[Column, ...]]
    numbers: Sequence[str]
    """The attributes that hold one number each, those of an inner struct joined by points."""
    sides: Sequence[str]
    """The attributes that hold a list of levels, each a pair of price and size, or a struct with these two fields that
    yields them; a list may be None."""
    optional: Collection[str] = ()
    """Those of `numbers` that may be absent, or an empty text, which some exchanges send where they have no number; any other
    that is None could not be read."""
    filled: Collection[str] = ()
    """The columns that a message may fill; all others are null in every row. The data dictionary says so."""


def number_readers(message: Any, new_reader: NewReader) -> RowReaders:
    """Readers of a trade, an aggregate or a best bid and ask, a struct generic in the type of its numbers.

    It has three ClassVars: `numbers` and `sides` are those of `RowReaders`, and `columns` is a static method that makes the
    columns of some messages, such as `trade_columns`.
    """
    return _readers(message, float, Any, new_reader)


def book_readers(message: Any, new_reader: NewReader) -> RowReaders:
    """Readers of a book delta or snapshot, a struct generic in the type of its sides; see `number_readers`."""
    return _readers(message, Doubles, Texts, new_reader)


def trade_columns(messages: Iterable[Any]) -> tuple[Column, ...]:
    """The columns of structs with `id`, `price`, `size`, `side` and `kind`."""
    trades = list(messages)
    ids = list(map(str, _values(trades, "id")))
    nothing: list[None] = [None] * len(trades)
    return ids, *(_values(trades, name) for name in ("price", "size", "side")), nothing, _values(trades, "kind")


def agg_trade_columns(messages: Iterable[Any]) -> tuple[Column, ...]:
    """The columns of structs with `id`, `price`, `size`, `side`, `first_trade_id` and `last_trade_id`."""
    trades = list(messages)
    id_, first, last = (list(map(str, _values(trades, name))) for name in ("id", "first_trade_id", "last_trade_id"))
    return id_, *(_values(trades, name) for name in ("price", "size", "side")), first, last


def quote_columns(messages: Iterable[Any]) -> tuple[Column, ...]:
    """The columns of structs with `id`, `bid_price`, `bid_size`, `ask_price` and `ask_size`."""
    quotes = list(messages)
    return tuple(_values(quotes, name) for name in ("id", "bid_price", "bid_size", "ask_price", "ask_size"))


def book_columns(messages: Iterable[Any]) -> tuple[Column, ...]:
    """The columns of structs with `bids`, `asks` and a method `head` that returns a `BookHead`."""
    heads: list[BookHead] = []
    bids, asks = LevelColumns(), LevelColumns()
    for message in messages:
        heads.append(message.head())
        bids.add(message.bids)
        asks.add(message.asks)
    head_columns = map(list, zip(*heads, strict=True)) if heads else ([], [], [], [])
    return *head_columns, *bids.prices_and_sizes(), *asks.prices_and_sizes()


def columns(readers: RowReaders, payloads: Sequence[bytes], fallback: RowReaders | None = None) -> TypedColumns:
    """See `Adapter.columns`; what `readers` cannot read is tried with `fallback`, if given."""
    try:
        found = readers.columns(map(readers.doubles, payloads))
    except UNREADABLE:
        return _one_by_one(readers, payloads, fallback)
    return TypedColumns(found, []) if all(map(_has_finite, found)) else _one_by_one(readers, payloads, fallback)


def is_finite(readers: RowReaders, message: Any) -> bool:
    """Whether every number of a message is finite, read as doubles; may say no where their sum is too large for a double."""
    return isfinite(sum(_numbers(readers, message)))


def decimals(readers: RowReaders, payload: bytes, fallback: RowReaders | None = None) -> list[str]:
    """See `Adapter.decimals`; what `readers` cannot read is tried with `fallback`, if given."""
    try:
        message = readers.texts(payload)
    except UNREADABLE:
        return [] if fallback is None else decimals(fallback, payload)
    return list(map(str, _numbers(readers, message)))


def _readers(message: Any, doubles: Any, texts: Any, new_reader: NewReader) -> RowReaders:
    return RowReaders(
        doubles=new_reader(message[doubles], strict=False),
        texts=new_reader(message[texts], strict=False, float_hook=str),
        columns=message.columns,
        numbers=message.numbers,
        sides=message.sides,
    )


def _values(messages: list[Any], name: str) -> list[Any]:
    return list(map(attrgetter(name), messages))


def _has_finite(column: Column) -> bool:
    """Whether a column of doubles has only finite ones; like `is_finite`."""
    if isinstance(column, Lists):
        return isinstance(column.values, array)
    if not column or not isinstance(column[0], float | None):
        return True
    try:
        return isfinite(sum(column))
    except TypeError:  # some are absent, or they are no numbers
        return all(isfinite(value) for value in column if isinstance(value, float))


def _one_by_one(readers: RowReaders, payloads: Sequence[bytes], fallback: RowReaders | None) -> TypedColumns:
    untyped: list[int] = []
    unread: list[int] = []

    def messages() -> Iterator[tuple[RowReaders, Any]]:
        for index, payload in enumerate(payloads):
            for used in (readers, fallback):
                found = used and _message(used, payload)
                if used and found:
                    message, is_unread = found
                    if is_unread:
                        unread.append(index - len(untyped))
                    yield used, message
                    break
            else:
                untyped.append(index)

    parts = [
        used.columns(message for _, message in group) for used, group in groupby(messages(), key=lambda one: one[0])
    ]
    return TypedColumns(_joined(parts or [readers.columns(())]), untyped, unread)


def _joined(parts: list[tuple[Column, ...]]) -> tuple[Column, ...]:
    """The columns of some messages after those of others."""
    if len(parts) == 1:
        return parts[0]
    return tuple(_end_to_end(columns) for columns in zip(*parts, strict=True))


def _end_to_end(columns: tuple[Column, ...]) -> Column:
    lists = [column for column in columns if isinstance(column, Lists)]
    if not lists:
        return list(chain.from_iterable(column for column in columns if isinstance(column, list)))
    values: list[float | None] = list(chain.from_iterable(column.values for column in lists))
    lengths = list(chain.from_iterable(column.lengths for column in lists))
    return Lists(lengths, values if None in values else array("d", [value for value in values if value is not None]))


def _message(readers: RowReaders, payload: bytes) -> tuple[Any, bool] | None:
    """A message, and whether one of its numbers could not be read; None for a payload that is not of this data type."""
    try:
        message = readers.doubles(payload)
    except UNREADABLE:
        return _with_nulls(readers, payload)
    return (message, False) if is_finite(readers, message) else _with_nulls(readers, payload)


def _with_nulls(readers: RowReaders, payload: bytes) -> tuple[Any, bool] | None:
    try:
        message = readers.texts(payload)
    except UNREADABLE:
        return None
    told = len(_numbers(readers, message))
    for name in readers.numbers:
        node, field = _place(message, name)
        setattr(node, field, _double(getattr(node, field)))
    for name in readers.sides:
        node, field = _place(message, name)
        levels = getattr(node, field)
        setattr(node, field, None if levels is None else list(map(_level_of_doubles, levels)))
    read = _numbers(readers, message)
    return message, None in read or len(read) < told


def _level_of_doubles(level: Any) -> Any:
    price, size = map(_double, level)
    if isinstance(level, tuple):
        return price, size
    level.price, level.size = price, size
    return level


def _place(message: Any, name: str) -> tuple[Any, str]:
    """The struct that holds an attribute, and the attribute's own name."""
    *inner, field = name.split(".")
    for node in inner:
        message = getattr(message, node)
    return message, field


def _numbers(readers: RowReaders, message: Any) -> list[Any]:
    """All numbers of a message but those that are only absent."""
    sides = (attrgetter(name)(message) or () for name in readers.sides)
    levels = [number for side in sides for level in side for number in level]
    numbers = [(name, attrgetter(name)(message)) for name in readers.numbers]
    return [number for name, number in numbers if number not in _ABSENT or name not in readers.optional] + levels


def _double(number: object) -> float | None:
    return None if number is None else to_double(str(number))


class LevelColumns:
    """One side of many books, end to end. As tuples and floats its levels would fill the processor's caches."""

    __slots__ = ("_lengths", "_numbers", "_recent")

    def __init__(self) -> None:
        self._lengths: list[int] = []
        self._recent: list[Any] = []
        self._numbers: array[float] | list[float | None] = array("d")

    def add(self, levels: Collection[Iterable[Any]]) -> None:
        """Add one message's levels."""
        self._lengths.append(len(levels))
        recent = self._recent
        for level in levels:
            recent += level
        if len(recent) > _RECENT_NUMBERS:
            self._pack()

    def prices_and_sizes(self) -> tuple[Lists, Lists]:
        """The columns of all levels."""
        self._pack()
        return Lists(self._lengths, self._numbers[::2]), Lists(self._lengths, self._numbers[1::2])

    def _pack(self) -> None:
        try:
            fits = isfinite(sum(self._recent))
        except TypeError:  # one of them is null
            fits = False
        if fits:
            self._numbers.extend(array("d", self._recent))
        else:
            self._numbers = [*self._numbers, *self._recent]
        self._recent.clear()
