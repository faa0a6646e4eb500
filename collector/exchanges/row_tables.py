"""Readers of rows made from places (see `places`): a column of the data type for each place.

    row_table("trade", trade_id="i", price="p", size="v", side=("S?", SIDES.get), sequence="seq?")
    row_table("book_delta", last_id="data.u", is_snapshot=("type", "snapshot".__eq__), bids="data.b", asks="data.a")

Columns without a place are null, `is_snapshot` tells the two book types apart, and an absent side is empty.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, get_type_hints

from msgspec import defstruct
from msgspec.json import Decoder

from collector.domain.records import ROW_TYPES, Column
from collector.exchanges.places import Place, Places, places
from collector.exchanges.typed_rows import Doubles, LevelColumns, RowReaders, Texts

_SIDES: Final = ("bids", "asks")
_BOOKS: Final = ("book_delta", "book_snapshot")
_LISTS: Final = ("bid_prices", "bid_sizes", "ask_prices", "ask_sizes")

Getter = Callable[[Any], Any]


def level(price: str, size: str, mark: str | None = None) -> Callable[[Any], Any]:
    """Makes the type of a level that is an object with these keys, or an array with these positions.

    `mark` is where a level says what it is, such as its side; see `marked`. A level that is a pair needs no type.
    """
    keys = {"price": price, "size": size} | ({} if mark is None else {"mark": mark})

    def made(number: Any) -> Any:
        kinds = {name: Any if name == "mark" else number for name in keys}
        namespace = {"__iter__": _price_and_size}
        if not price.isdigit():
            return defstruct("Level", list(kinds.items()), rename=keys, namespace=namespace, gc=False)
        by_position = {int(position): name for name, position in keys.items()}
        names = [by_position.get(index, f"skipped_{index}") for index in range(max(by_position) + 1)]
        fields = [(name, kinds.get(name, Any)) for name in names]
        return defstruct("Level", fields, array_like=True, namespace=namespace, gc=False)

    return made


def marked(*marks: object) -> Callable[[Any], list[Any]]:
    """Picks the levels with one of these marks, for a list that holds both sides."""
    return lambda levels: [one for one in levels if one.mark in marks]


def row_table(data_type: str, *, levels: Callable[[Any], Any] | None = None, **named: Place) -> RowReaders:
    """Readers of payloads of a data type; `levels` is the type of a book's levels if they are no pairs."""
    hints = get_type_hints(ROW_TYPES[data_type])
    numbers = [name for name in named if hints.get(name) == float | None]
    sides = [name for name in _SIDES if name in named]
    doubles: dict[str, Any] = {**dict.fromkeys(numbers, float), **dict.fromkeys(sides, _list_of(levels, float))}
    texts: dict[str, Any] = dict.fromkeys(sides, _list_of(levels, Any))
    found = places(named, doubles)
    getters = {name: _getter(data_type, name, hints[name], found.getters) for name in hints if name not in _LISTS}
    make = _book_columns(getters, found) if data_type in _BOOKS else _columns(getters)
    return RowReaders(
        doubles=Decoder(found.struct, strict=False).decode,
        texts=Decoder(places(named, texts).struct, strict=False, float_hook=str).decode,
        columns=make,
        numbers=_unique(found.attributes, numbers),
        sides=_unique(found.attributes, sides),
        optional=_unique(found.attributes, [name for name in numbers if _may_be_absent(named[name])]),
    )


def _list_of(levels: Callable[[Any], Any] | None, number: Any) -> Any:
    if levels is not None:
        return list.__class_getitem__(levels(number))
    return Doubles if number is float else Texts


def _getter(data_type: str, name: str, hint: Any, getters: Mapping[str, Getter]) -> Getter:
    """Takes the value of one column from a message."""
    get = getters.get(name)
    if get is None:
        constant = data_type == "book_snapshot" if name == "is_snapshot" else None
        return lambda _: constant
    if hint not in {str, str | None, int | None}:
        return get
    convert = _whole if hint == int | None else _id_text if name.endswith("_id") else _text
    return lambda message: convert(get(message))


def _id_text(value: Any) -> str | None:
    return None if value is None else str(value)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _whole(value: Any) -> int | None:
    """A whole number, or its text."""
    if type(value) is int:
        return value
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else None


def _columns(getters: Mapping[str, Getter]) -> Callable[[Iterable[Any]], tuple[Column, ...]]:
    def made(messages: Iterable[Any]) -> tuple[Column, ...]:
        rows = list(messages)
        return tuple(list(map(get, rows)) for get in getters.values())

    return made


def _book_columns(getters: Mapping[str, Getter], found_places: Places) -> Callable[[Iterable[Any]], tuple[Column, ...]]:
    heads = list(getters.values())
    get_bids, get_asks = (found_places.get(side) for side in _SIDES)

    def made(messages: Iterable[Any]) -> tuple[Column, ...]:
        found: list[list[Any]] = []
        bids, asks = LevelColumns(), LevelColumns()
        for message in messages:
            found.append([get(message) for get in heads])
            bids.add(get_bids(message) or ())
            asks.add(get_asks(message) or ())
        columns = map(list, zip(*found, strict=True)) if found else ([] for _ in heads)
        return *columns, *bids.prices_and_sizes(), *asks.prices_and_sizes()

    return made


def _may_be_absent(place: Place) -> bool:
    text = place if isinstance(place, str) else place[0]
    return text.endswith("?") or "|" in text


def _unique(attributes: Mapping[str, list[str]], names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(attribute for name in names for attribute in attributes[name]))


def _price_and_size(one: Any) -> Any:
    return iter((one.price, one.size))
