"""The readers of a channel's frames that `reading` makes: with care, or on a route (see `routes`)."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, Final

from msgspec import Raw
from msgspec.json import Decoder

from collector.domain.records import Envelope, StreamKey
from collector.exchanges.message_places import MessagePlaces, MessageReader
from collector.exchanges.places import Place, Places, places
from collector.exchanges.routes import ChannelReader, ReadMany, ReadOne, Route, RouteReader
from collector.exchanges.together import MessageColumns

_NOT_TOLD: Final = (None, "")

new: Final[Callable[..., Any]] = tuple.__new__
"""Takes half the time of Envelope()."""

Ordered = Callable[[list[Envelope]], list[Envelope]]
"""Puts the messages of a frame in order."""


class FrameList:
    """A list in a frame, and what is common to its messages; `a.*.b` are the lists `b` of the elements of `a`."""

    def __init__(self, items: str, common: Mapping[str, Place]) -> None:
        outer, _, inner = items.partition(".*.")
        element = places({"texts": inner}, {"texts": list[Raw]}) if inner else None
        self.places: dict[str, Place] = {"items": outer, **common}
        self.types = {"items": list[Raw] if element is None else list.__class_getitem__(element.struct)}
        self._texts_in = None if element is None else element.getters["texts"]

    def texts(self, items: Iterable[Any] | None) -> Iterable[Raw]:
        """The texts of all messages."""
        if self._texts_in is None:
            return items or ()
        return (text for one in items or () for text in self._texts_in(one) or ())


class SingleReader(ChannelReader):
    """A frame is one message."""

    def __init__(self, data_type: str, named: Mapping[str, Place]) -> None:
        self._data_type, self._named = data_type, named
        self._read = MessagePlaces(named).reader()

    def __call__(self, frame: bytes, keys: Mapping[tuple[str, str], StreamKey]) -> list[Envelope]:
        symbol, rest = self._read(frame, frame)
        return [new(Envelope, (keys[self._data_type, symbol], *rest))]

    def on(self, route: Route) -> RouteReader | None:
        if len(route.streams) != 1:
            return None
        (key,) = route.streams
        is_named = _names_symbol(route, self._named)
        return RouteReader(*self._readers(route.places, is_named), (route.name, None if is_named else key.symbol, key))

    @cache  # noqa: B019 -- a channel lives as long as the program
    def _readers(self, where: tuple[str, ...], is_named: bool) -> tuple[ReadOne, ReadMany | None]:
        """The readers of all routes."""
        return _single_readers(where, _without_symbol(self._named) if is_named else self._named)


def _single_readers(where: tuple[str, ...], named: Mapping[str, Place]) -> tuple[ReadOne, ReadMany | None]:
    """A message belongs to the route's only stream if it names the route and the stream's symbol."""
    its = MessagePlaces.on(where, named)
    decode, get_name, get_symbol, get_id, get_first = its.decode, its.name, its.symbol, its.id, its.first_id
    get_sent, dated, no_time = *its.found.parts("sent"), its.no_time
    is_snapshot = its.is_snapshot if "is_snapshot" in named else None

    def one(frame: bytes, route: tuple[Any, ...]) -> list[Envelope] | None:
        name, symbol, key = route
        message = decode(frame)
        if get_name(message) != name or get_symbol(message) != symbol:
            return None
        sent = get_sent(message)
        sent_us = no_time if sent is None else dated(sent)
        snapshot = False if is_snapshot is None else bool(is_snapshot(message))
        return [new(Envelope, (key, get_id(message), get_first(message), sent_us, frame, snapshot))]

    def many(indexes: list[int], frames: list[bytes], route: tuple[Any, ...]) -> MessageColumns | None:
        name, symbol, key = route
        messages = list(map(decode, frames))
        count, column = len(messages), its.found.column
        if list(map(get_name, messages)).count(name) < count or list(map(get_symbol, messages)).count(symbol) < count:
            return None
        ids = column("id", messages)
        if None in ids or (is_snapshot is not None and any(map(is_snapshot, messages))):
            return None
        first_ids = ids
        if "first_id" in named:
            told = column("first_id", messages)
            first_ids = [own if first is None else first for own, first in zip(ids, told, strict=True)]
        sent_us = [no_time if at_us is None else at_us for at_us in column("sent", messages)]
        return MessageColumns(key, indexes, ids, first_ids, sent_us, frames)

    return one, many if "id" in named else None


def _names_symbol(route: Route, named: Mapping[str, Place]) -> bool:
    """Whether the symbol is made of the route's name, so that the name alone tells it."""
    place = named["symbol"]
    if isinstance(place, str) or (place[0],) != route.places:
        return False
    return bool(place[1](route.name) == route.streams[0].symbol)


def _without_symbol(named: Mapping[str, Place]) -> dict[str, Place]:
    return {name: place for name, place in named.items() if name != "symbol"}


class ListedReader(ChannelReader):
    """A frame has a list of messages."""

    def __init__(self, data_type: str, its: FrameList, read_item: MessageReader, ordered: Ordered) -> None:
        self._data_type, self._its, self._read_item, self._ordered = data_type, its, read_item, ordered
        found = places(its.places, its.types)
        self._decode = Decoder(found.struct, strict=False).decode
        self._messages = _messages_in(found, its, read_item, ordered)

    def __call__(self, frame: bytes, keys: Mapping[tuple[str, str], StreamKey]) -> list[Envelope]:
        data_type = self._data_type
        return self._messages(self._decode(frame), lambda symbol: keys[data_type, symbol])

    def on(self, route: Route) -> RouteReader | None:
        return RouteReader(self._reader(route.places), None, (route.name, {key.symbol: key for key in route.streams}))

    @cache  # noqa: B019 -- a channel lives as long as the program
    def _reader(self, where: tuple[str, ...]) -> ReadOne:
        its = MessagePlaces.on(where, {}, self._its.places, self._its.types)
        get_name, decode = its.name, its.decode
        messages = _messages_in(its.found, self._its, self._read_item, self._ordered)

        def one(frame: bytes, route: tuple[Any, ...]) -> list[Envelope] | None:
            name, keys = route
            message = decode(frame)
            try:
                return messages(message, keys.__getitem__) if get_name(message) == name else None
            except KeyError:  # of a stream that the frame does not name
                return None

        return one


def _messages_in(
    found: Places, its: FrameList, read_item: MessageReader, ordered: Ordered
) -> Callable[[Any, Callable[[str], StreamKey]], list[Envelope]]:
    """Takes the messages from a frame with a list of them."""
    get_items, texts = found.getters["items"], its.texts
    get_symbol, get_sent = found.getters.get("symbol"), found.getters.get("sent")

    def messages(frame: Any, key_of: Callable[[str], StreamKey]) -> list[Envelope]:
        envelopes = []
        common = None if get_symbol is None else get_symbol(frame)
        sent_us = None if get_sent is None else get_sent(frame)
        for item in texts(get_items(frame)):
            text = bytes(item)
            symbol, rest = read_item(text, text)
            envelope = new(Envelope, (key_of(common if common is not None else symbol), *rest))
            envelopes.append(envelope if get_sent is None else envelope._replace(exchange_us=sent_us))
        return ordered(envelopes)

    return messages


class SeveralReader(ChannelReader):
    """A frame's one message tells several data types."""

    def __init__(self, told: Mapping[str, Place], named: Mapping[str, Place]) -> None:
        self._told, self._named = {data_type: _optional(place) for data_type, place in told.items()}, named
        self._its = MessagePlaces(named, self._told)

    def __call__(self, frame: bytes, keys: Mapping[tuple[str, str], StreamKey]) -> list[Envelope]:
        message = self._its.decode(frame)
        symbol = self._its.symbol(message)
        streams = [(name, keys[name, symbol]) for name in self._told if (name, symbol) in keys]
        if not streams:
            _ = keys[next(iter(self._told)), symbol]  # raises
        return _told_by(message, frame, self._its, streams)

    def on(self, route: Route) -> RouteReader | None:
        is_named = _names_symbol(route, self._named)
        streams = [(key.data_type, key) for key in route.streams]
        symbol = None if is_named else route.streams[0].symbol
        return RouteReader(self._reader(route.places, is_named), None, (route.name, symbol, streams))

    @cache  # noqa: B019 -- a channel lives as long as the program
    def _reader(self, where: tuple[str, ...], is_named: bool) -> ReadOne:
        named = _without_symbol(self._named) if is_named else self._named
        its = MessagePlaces.on(where, named, self._told)

        def one(frame: bytes, route: tuple[Any, ...]) -> list[Envelope] | None:
            name, symbol, streams = route
            message = its.decode(frame)
            if its.name(message) != name or its.symbol(message) != symbol:
                return None
            return _told_by(message, frame, its, streams)

        return one


def _told_by(
    message: Any, frame: bytes, its: MessagePlaces, streams: Iterable[tuple[str, StreamKey]]
) -> list[Envelope]:
    rest = its.rest(message, frame)
    getters = its.found.getters
    return [new(Envelope, (key, *rest)) for name, key in streams if getters[name](message) not in _NOT_TOLD]


def _optional(place: Place) -> Place:
    return f"{place}?" if isinstance(place, str) else (f"{place[0]}?", place[1])
