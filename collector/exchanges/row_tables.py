"""Readers of rows made from places (see `places`): a column of the data type for each place.

    row_table("trade", trade_id="i", price="p", size="v", side=("S?", SIDES.get), sequence="seq?")
    row_table("book_delta", last_id="data.u", is_snapshot=("type", "snapshot".__eq__), bids="data.b", asks="data.a")
    row_table("book_delta", last_id="seq", one_level=OneLevel("price", "qty", "side", "buy", "sell"))

Columns without a place are null, `is_snapshot` tells the two book types apart, and an absent side is empty. An optional
place of `is_snapshot` that is absent means that the message is none.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from types import NoneType
from typing import Any, Final, Literal, NamedTuple, get_type_hints

from msgspec import defstruct
from msgspec.json import Decoder

from collector.domain.records import ROW_TYPES, Column
from collector.exchanges.places import Place, Places, may_be_absent, places
from collector.exchanges.typed_rows import Doubles, LevelColumns, RowReaders, Texts

_SIDES: Final = ("bids", "asks")
_BOOKS: Final = ("book_delta", "book_snapshot")
_MOST_DIGITS: Final = 300
_LISTS: Final = ("bid_prices", "bid_sizes", "ask_prices", "ask_sizes")

_UNCONVERTIBLE: Final = (TypeError, ValueError, AttributeError, LookupError, ArithmeticError)
"""What a function may raise for a value that the exchange does not document; then the column is null in that row."""

Getter = Callable[[Any], Any]


class OneLevel(NamedTuple):
    """Where a book message that is itself one level has its price, its size, and its side, which is one of two words."""

    price: str
    size: str
    side: str
    bid: str
    ask: str


def level(price: str, size: str, mark: str | None = None, marks: tuple[str, ...] = ()) -> Callable[[Any], Any]:
    """Makes the type of a level that is an object with these keys, or an array with these positions.

    `mark` is where a level says what it is, such as its side, with one of `marks` if they are given; see `marked`. A level
    that is a pair needs no type. The size of a level that is gone may be absent in an object, if its key ends with `?`.
    """
    mark_type: Any = Literal.__getitem__(marks) if marks else Any
    keys = {"price": price, "size": size.removesuffix("?")} | ({} if mark is None else {"mark": mark})

    def made(number: Any) -> Any:
        kinds = {name: mark_type if name == "mark" else number for name in keys}
        namespace = {"__iter__": _price_and_size}
        if not price.isdigit():
            gone: Any = ("size", number, 0.0 if number is float else 0)
            named = [gone if name == "size" and size.endswith("?") else (name, kind) for name, kind in kinds.items()]
            return defstruct("Level", named, rename=keys, namespace=namespace, gc=False, kw_only=True)
        by_position = {int(position): name for name, position in keys.items()}
        names = [by_position.get(index, f"skipped_{index}") for index in range(max(by_position) + 1)]
        fields = [(name, kinds.get(name, Any)) for name in names]
        return defstruct("Level", fields, array_like=True, namespace=namespace, gc=False)

    return made


def marked(*marks: object) -> Callable[[Any], list[Any]]:
    """Picks the levels with one of these marks, for a list that holds both sides."""
    return lambda levels: [one for one in levels if one.mark in marks]


def decimal_step(digits: float) -> float | None:
    """The smallest step of a number with so many digits behind the point; None if no number has so many."""
    return float(f"1e-{digits:.0f}") if 0 <= digits <= _MOST_DIGITS else None


def row_table(
    data_type: str,
    *,
    levels: Callable[[Any], Any] | None = None,
    one_level: OneLevel | None = None,
    signed: tuple[str, str] | None = None,
    **named: Place,
) -> RowReaders:
    """Readers of payloads of a data type; `levels` is the type of a book's levels if they are no pairs.

    `signed` are the sides of a size above and below zero, where its sign tells them.
    """
    hints = get_type_hints(ROW_TYPES[data_type])
    if one_level is not None:
        named |= {"price": one_level.price, "size": one_level.size, "side": one_level.side}
    numbers = [name for name, place in named.items() if _is_number(name, hints) and not _is_made(place)]
    sides = [name for name in _SIDES if name in named]
    doubles: dict[str, Any] = {**dict.fromkeys(numbers, float), **dict.fromkeys(sides, _list_of(levels, float))}
    texts: dict[str, Any] = dict.fromkeys(sides, _list_of(levels, Any))
    if one_level is not None:
        doubles["side"] = texts["side"] = Literal.__getitem__((one_level.bid, one_level.ask))
    whole = {name: int for name, place in named.items() if hints.get(name) is int and isinstance(place, str)}
    found = places(named, {**whole, **doubles})
    by_sign = {} if signed is None else _by_sign(found.getters["size"], *signed)
    makers = [by_sign.get(name) or _maker(data_type, name, hints[name], found) for name in hints if name not in _LISTS]
    make = _book_columns(makers, _sides_of(found, one_level)) if data_type in _BOOKS else _columns(makers)
    return RowReaders(
        doubles=Decoder(found.struct, strict=False).decode,
        texts=Decoder(places(named, {**whole, **texts}).struct, strict=False, float_hook=str).decode,
        columns=make,
        numbers=_unique(found.attributes, numbers),
        sides=_unique(found.attributes, sides),
        optional=_unique(found.attributes, [name for name in numbers if may_be_absent(named[name])]),
        filled=_filled(hints, named, signed),
    )


def _filled(hints: Mapping[str, Any], named: Mapping[str, Place], signed: tuple[str, str] | None) -> frozenset[str]:
    """The columns that a message may fill: lists and `is_snapshot` are never null."""
    always = {name for name in hints if name in _LISTS or name == "is_snapshot"}
    return frozenset(hints.keys() & {*named, *always, *(["side"] if signed else [])})


def _list_of(levels: Callable[[Any], Any] | None, number: Any) -> Any:
    if levels is not None:
        return list.__class_getitem__(levels(number))
    return Doubles if number is float else Texts


class _Maker(NamedTuple):
    """How one column is made."""

    take: Getter | None
    """Takes a value from a message; None if no message has one."""
    convert: Getter | None
    """Makes of it what the column holds."""
    absent: bool | None = None
    """What the column holds where a message has no value."""
    is_text: bool = False
    """Whether the column has texts only; any other value is null."""

    def column(self, values: list[Any]) -> list[Any]:
        """The column of some values."""
        made = values if self.convert is None else _converted(self.convert, values, self.absent)
        return _texts(made) if self.is_text else made


def _maker(data_type: str, name: str, hint: Any, found: Places) -> _Maker:
    """How the column of a row type's field is made."""
    if name not in found.getters:
        return _Maker(None, None, data_type == "book_snapshot" if name == "is_snapshot" else None)
    convert = found.converters.get(name)
    take = found.getters[name] if convert is None else attrgetter(found.attributes[name][0])
    if hint is bool:
        return _Maker(take, bool if convert is None else lambda value: bool(convert(value)), False)
    is_id = hint in {str, str | None} and name.endswith("_id")
    if not is_id and hint != int | None:
        return _Maker(take, convert, is_text=hint in {str, str | None})
    kind = str if is_id else _whole
    return _Maker(take, kind if convert is None else lambda value: _unless_none(kind, convert(value)))


def _by_sign(take_size: Getter, above: str, below: str) -> dict[str, _Maker]:
    """A size without its sign, and the side that the sign tells; zero tells none."""
    side = _Maker(take_size, lambda size: above if size > 0 else below if size < 0 else None)
    return {"size": _Maker(take_size, abs), "side": side}


def _converted(convert: Getter, values: list[Any], absent: bool | None) -> list[Any]:
    try:
        return [absent if value is None else convert(value) for value in values]
    except _UNCONVERTIBLE:
        return [absent if value is None else _converted_one(convert, value, absent) for value in values]


def _converted_one(convert: Getter, value: Any, absent: bool | None) -> Any:
    try:
        return convert(value)
    except _UNCONVERTIBLE:
        return absent


def _unless_none(kind: Getter, value: Any) -> Any:
    return None if value is None else kind(value)


def _texts(values: list[Any]) -> list[Any]:
    """The texts among some values; the others are null."""
    if set(map(type, values)) <= {str, NoneType}:
        return values
    return [value if isinstance(value, str) else None for value in values]


def _whole(value: Any) -> int | None:
    """A whole number, or its text."""
    if type(value) is int:
        return value
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else None


def _columns(makers: Sequence[_Maker]) -> Callable[[Iterable[Any]], tuple[Column, ...]]:
    def made(messages: Iterable[Any]) -> tuple[Column, ...]:
        rows = list(messages)
        return tuple(
            [maker.absent] * len(rows) if maker.take is None else maker.column(list(map(maker.take, rows)))
            for maker in makers
        )

    return made


def _sides_of(found: Places, one_level: OneLevel | None) -> Getter:
    """What takes a book's bids and its asks from a message."""
    if one_level is None:
        return found.both("bids", "asks")
    price, size, side = (found.attributes[name][0] for name in ("price", "size", "side"))
    get, bid = attrgetter(price, size, side), one_level.bid

    def sides(message: Any) -> tuple[Any, Any]:
        *level, word = get(message)
        return ((level,), ()) if word == bid else ((), (level,))

    return sides


def _book_columns(makers: Sequence[_Maker], get_sides: Getter) -> Callable[[Iterable[Any]], tuple[Column, ...]]:
    takes = [maker.take for maker in makers if maker.take is not None]

    def made(messages: Iterable[Any]) -> tuple[Column, ...]:
        taken: list[list[Any]] = [[] for _ in takes]
        notes = list(zip((values.append for values in taken), takes, strict=True))
        bids, asks = LevelColumns(), LevelColumns()
        count = 0
        for count, message in enumerate(messages, 1):  # noqa: B007 -- the number of messages
            for note, take in notes:
                note(take(message))
            bid_levels, ask_levels = get_sides(message)
            bids.add(bid_levels or ())
            asks.add(ask_levels or ())
        values = iter(taken)
        heads = [[maker.absent] * count if maker.take is None else maker.column(next(values)) for maker in makers]
        return *heads, *bids.prices_and_sizes(), *asks.prices_and_sizes()

    return made


def _is_number(name: str, hints: Mapping[str, Any]) -> bool:
    """Whether a place holds a number of a row, or one of the level that a message is."""
    return hints.get(name) == float | None or name in {"price", "size"}


def _is_made(place: Place) -> bool:
    """Whether a function makes the value of several values, or of a tuple of one, which may have any type."""
    return not isinstance(place, str) and isinstance(place[0], tuple)


def _unique(attributes: Mapping[str, list[str]], names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(attribute for name in names for attribute in attributes[name]))


def _price_and_size(one: Any) -> Any:
    return iter((one.price, one.size))
