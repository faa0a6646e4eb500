"""Reads frames into messages, from places (see `places`): one message a frame, a list of messages, or several data types.

    single("book_delta", symbol=("topic", last_part), id="data.u", sent=("cts|ts", from_ms), is_snapshot=("type", "full".__eq__))
    listed("trade", "data", symbol="s", id=("i", id_of_text), sent=("T", from_ms))

The places of a message: `symbol` (as the instrument list spells it, or what is made of it), and where it has them `id`,
`first_id`, `sent` (see `Envelope.exchange_us`; `times` has functions for it) and `is_snapshot`. A time that may be absent, and
is, is none; any other time that is missing could not be read.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from hashlib import blake2b
from typing import Annotated, Any, Final, Self

from msgspec import Meta, Raw, ValidationError
from msgspec.json import Decoder

from collector.domain.errors import UndecodableError
from collector.domain.records import INT64_MAX, Envelope, StreamKey
from collector.domain.times import NO_TIME_US
from collector.exchanges.places import Place, Places, places
from collector.exchanges.routes import ChannelReader, ReadMany, ReadOne, Route, RouteReader, name_getter, route_places
from collector.exchanges.together import MessageColumns

Id = Annotated[int, Meta(ge=0, le=INT64_MAX)]
"""An id that fits the archive."""

_SHOWN_CHARS: Final = 100
_NOT_TOLD: Final = (None, "")

_new: Final[Callable[..., Any]] = tuple.__new__
"""Takes half the time of Envelope()."""


class Keys(dict[tuple[str, str], StreamKey]):
    """The subscribed streams, by data type and symbol; any other raises UndecodableError."""

    def __missing__(self, name: tuple[str, str]) -> StreamKey:
        """A message of a stream that nobody subscribed."""
        raise UndecodableError(f"stream not subscribed: {shown(' '.join(map(str, name)))}")

    def chosen(self, data_types: Iterable[str], symbols: Iterable[str]) -> list[StreamKey]:
        """Those of these data types and symbols that are subscribed."""
        names = [(data_type, symbol) for symbol in symbols for data_type in data_types]
        return [self[name] for name in names if name in self]


Read = Callable[[bytes, Keys], list[Envelope]]
"""Reads a frame of one channel. Raises UndecodableError, or what `typed_rows.UNREADABLE` names."""


def single(data_type: str, **named: Place) -> Read:
    """Reads a frame that is one message; its payload is the frame."""
    return _Single(data_type, named)


def witness(data_type: str, **named: Place) -> Read:
    """Reads a frame that only proves that the message with its id exists."""
    read_message = message_reader(**named)

    def read(frame: bytes, keys: Keys) -> list[Envelope]:
        symbol, rest = read_message(frame, b"")
        return [_new(Envelope, (keys[data_type, symbol], *rest))]

    return read


def each(items: str, read: Read) -> Read:
    """Reads a frame with a list of texts, each of which `read` reads as if it were a frame; see `listed`."""
    its = _List(items, {})
    found = places(its.places, its.types)
    decode, get_items = Decoder(found.struct).decode, found.getters["items"]

    def read_all(frame: bytes, keys: Keys) -> list[Envelope]:
        texts = its.texts(get_items(decode(frame)))
        return in_order([envelope for text in texts for envelope in read(bytes(text), keys)])

    return read_all


def listed(
    data_type: str, items: str, *, common: Mapping[str, Place] | None = None, as_sent: bool = False, **named: Place
) -> Read:
    """Reads a frame with a list of messages of one stream or of several; each message's payload is its own text.

    `items` is the place of the list; `events.*.trades` means the lists of all `events`, one after the other. `common` are
    places of the frame that hold for all its messages. Messages with ids are put in the order of their ids, because some
    exchanges send the newest first; unless they stay `as_sent`, because their ids are in no order.
    """
    return _Listed(data_type, _List(items, common or {}), message_reader(**named), list if as_sent else in_order)


def several(told: Mapping[str, Place], **named: Place) -> Read:
    """Reads a frame whose one message tells several data types; its payload is the frame, once for each of them.

    `told` is a place for each data type: where it is absent, an empty text, or its function makes None of it, the message
    does not tell it, because exchanges leave out what has not changed. A data type that nobody subscribed is left out.
    """
    return _Several(told, named)


class MessagePlaces:
    """The places of a message; `more` are further places, `types` the types of some."""

    def __init__(
        self,
        named: Mapping[str, Place],
        more: Mapping[str, Place] | None = None,
        types: Mapping[str, Any] | None = None,
    ) -> None:
        own = {"symbol": str, "id": Id, "first_id": Id}
        plain = {name: kind for name, kind in own.items() if isinstance(named.get(name), str)}
        self.found = places({**named, **(more or {})}, {**plain, **(types or {})})
        self.decode = Decoder(self.found.struct, strict=False).decode
        self.symbol, self.id, self.first_id, self.sent, self.is_snapshot = map(
            self.found.get, ("symbol", "id", "first_id", "sent", "is_snapshot")
        )
        sent = named.get("sent", "?")
        where = sent if isinstance(sent, str) else sent[0]
        self.no_time = None if where[-1].endswith("?") else NO_TIME_US
        self.name: Callable[[Any], str] = _no_name

    @classmethod
    def on(
        cls,
        where: Sequence[str],
        named: Mapping[str, Place],
        more: Mapping[str, Place] | None = None,
        types: Mapping[str, Any] | None = None,
    ) -> Self:
        """With the places of a route, whose names `name` takes from a message."""
        its = route_places(where)
        made = cls(named, {**(more or {}), **its}, {**dict.fromkeys(its, str), **(types or {})})
        made.name = name_getter(made.found)
        return made

    def rest(self, message: Any, payload: bytes) -> tuple[Any, ...]:
        """What follows the stream in an envelope."""
        sent_us = self.sent(message)
        return (
            self.id(message),
            self.first_id(message),
            self.no_time if sent_us is None else sent_us,
            payload,
            bool(self.is_snapshot(message)),
        )


def _no_name(_: Any) -> str:
    return ""


MessageReader = Callable[[bytes, bytes], tuple[str, tuple[Any, ...]]]
"""Reads a text; returns the symbol and what follows the stream in an envelope with this payload."""


def message_reader(**named: Place) -> MessageReader:
    """Reads the places of a message; see above."""
    its = MessagePlaces(named)
    decode, get_symbol, get_rest = its.decode, its.symbol, its.rest

    def read(text: bytes, payload: bytes) -> tuple[str, tuple[Any, ...]]:
        message = decode(text)
        return get_symbol(message), get_rest(message, payload)

    return read


class _List:
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


def _optional(place: Place) -> Place:
    return f"{place}?" if isinstance(place, str) else (f"{place[0]}?", place[1])


def id_after(previous: object) -> int:
    """The first id of a message that names the message before its own. Raises UndecodableError for what is no id."""
    if type(previous) is not int or not 0 <= previous < INT64_MAX:
        raise UndecodableError(f"no id: {shown(str(previous))}")
    return previous + 1


class _Single(ChannelReader):
    def __init__(self, data_type: str, named: Mapping[str, Place]) -> None:
        self._data_type, self._named = data_type, named
        self._read = message_reader(**named)

    def __call__(self, frame: bytes, keys: Mapping[tuple[str, str], StreamKey]) -> list[Envelope]:
        symbol, rest = self._read(frame, frame)
        return [_new(Envelope, (keys[self._data_type, symbol], *rest))]

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
        return [_new(Envelope, (key, get_id(message), get_first(message), sent_us, frame, snapshot))]

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


Ordered = Callable[[list[Envelope]], list[Envelope]]


class _Listed(ChannelReader):
    def __init__(self, data_type: str, its: _List, read_item: MessageReader, ordered: Ordered) -> None:
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
    found: Places, its: _List, read_item: MessageReader, ordered: Ordered
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
            envelope = _new(Envelope, (key_of(common if common is not None else symbol), *rest))
            envelopes.append(envelope if get_sent is None else envelope._replace(exchange_us=sent_us))
        return ordered(envelopes)

    return messages


class _Several(ChannelReader):
    def __init__(self, told: Mapping[str, Place], named: Mapping[str, Place]) -> None:
        self._told, self._named = {data_type: _optional(place) for data_type, place in told.items()}, named
        self._its = MessagePlaces(named, self._told)

    def __call__(self, frame: bytes, keys: Mapping[tuple[str, str], StreamKey]) -> list[Envelope]:
        message = self._its.decode(frame)
        symbol = self._its.symbol(message)
        streams = [(name, keys[name, symbol]) for name in self._told if (name, symbol) in keys]
        if not streams:
            raise UndecodableError(f"stream not subscribed: {shown(str(symbol))}")
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
    return [_new(Envelope, (key, *rest)) for name, key in streams if getters[name](message) not in _NOT_TOLD]


def after(previous: object, own_first: object) -> int:
    """The first id that a message covers which names the previous message's: its own if that one is negative."""
    if type(previous) is not int or type(own_first) is not int or not -1 <= previous < INT64_MAX >= own_first >= 0:
        raise ValidationError("not an id of a previous message")
    return own_first if previous < 0 else previous + 1


def last_part(topic: str) -> str:
    """What stands behind a topic's last point."""
    return topic.rpartition(".")[2]


def id_of_text(name: object) -> int:
    """An id of 63 bits for a text that identifies a message, such as a UUID; two texts have the same with 1 in 10^19."""
    return int.from_bytes(blake2b(str(name).encode(), digest_size=8).digest()) >> 1


def in_order(messages: list[Envelope]) -> list[Envelope]:
    """The messages of one frame in the order of their ids; as they are if one has none."""
    if len(messages) < 2 or any(message.id is None for message in messages):  # noqa: PLR2004 -- one needs no order
        return messages
    return sorted(messages, key=_id_of)


def shown(text: str) -> str:
    """The beginning of a text from the exchange, safe to print."""
    return text[:_SHOWN_CHARS].encode("unicode_escape").decode()[:_SHOWN_CHARS]


def _id_of(message: Envelope) -> int:
    return message.id or 0
