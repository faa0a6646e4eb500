"""Reads frames into messages, from places (see `places`): one message a frame, a list of messages, or several data types.

    single("book_delta", symbol=("topic", last_part), id="data.u", sent=("cts|ts", from_ms), is_snapshot=("type", "full".__eq__))
    listed("trade", "data", symbol="s", id=("i", id_of_text), sent=("T", from_ms))

The places of a message: `symbol` (as the instrument list spells it, or what is made of it), and where it has them `id`,
`first_id`, `sent` (see `Envelope.exchange_us`; `times` has functions for it) and `is_snapshot`. A time that may be absent, and
is, is none; any other time that is missing could not be read.
"""

from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from typing import Annotated, Any, Final

from msgspec import Meta, Raw
from msgspec.json import Decoder

from collector.domain.errors import UndecodableError
from collector.domain.records import INT64_MAX, Envelope, StreamKey
from collector.domain.times import NO_TIME_US
from collector.exchanges.places import Place, Places, places

Id = Annotated[int, Meta(ge=0, le=INT64_MAX)]
"""An id that fits the archive."""

_SHOWN_CHARS: Final = 100

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
    read_message = message_reader(**named)

    def read(frame: bytes, keys: Keys) -> list[Envelope]:
        symbol, rest = read_message(frame, frame)
        return [_new(Envelope, (keys[data_type, symbol], *rest))]

    return read


def witness(data_type: str, **named: Place) -> Read:
    """Reads a frame that only proves that the message with its id exists."""
    read_message = message_reader(**named)

    def read(frame: bytes, keys: Keys) -> list[Envelope]:
        symbol, rest = read_message(frame, b"")
        return [_new(Envelope, (keys[data_type, symbol], *rest))]

    return read


def each(items: str, read: Read) -> Read:
    """Reads a frame with a list of texts, each of which `read` reads as if it were a frame; see `listed`."""
    frame_places, texts_of = _list_at(items, {})
    decode = Decoder(frame_places.struct).decode

    def read_all(frame: bytes, keys: Keys) -> list[Envelope]:
        texts = texts_of(decode(frame))
        return in_order([envelope for text in texts for envelope in read(bytes(text), keys)])

    return read_all


def listed(data_type: str, items: str, *, common: Mapping[str, Place] | None = None, **named: Place) -> Read:
    """Reads a frame with a list of messages of one stream or of several; each message's payload is its own text.

    `items` is the place of the list; `events.*.trades` means the lists of all `events`, one after the other. `common` are places of the frame that hold for all its messages. Messages with ids
    are put in the order of their ids, because some exchanges send the newest first.
    """
    frame_places, texts_of = _list_at(items, common or {})
    decode = Decoder(frame_places.struct, strict=False).decode
    shared = {name: get for name, get in frame_places.getters.items() if name != "items"}
    read_item = message_reader(**named)

    def read(frame: bytes, keys: Keys) -> list[Envelope]:
        message = decode(frame)
        given = {name: get(message) for name, get in shared.items()}
        found = []
        for item in texts_of(message):
            text = bytes(item)
            symbol, rest = read_item(text, text)
            envelope = _new(Envelope, (keys[data_type, given.get("symbol", symbol)], *rest))
            found.append(envelope._replace(exchange_us=given["sent"]) if "sent" in given else envelope)
        return in_order(found)

    return read


def several(told: Mapping[str, Place], **named: Place) -> Read:
    """Reads a frame whose one message tells several data types; its payload is the frame, once for each of them.

    `told` is a place for each data type: where it is absent, or its function makes None of it, the message does not tell
    it, because exchanges leave out what has not changed. A data type that nobody subscribed is left out.
    """
    marks = places({data_type: _optional(place) for data_type, place in told.items()})
    decode = Decoder(marks.struct).decode
    read_message = message_reader(**named)

    def read(frame: bytes, keys: Keys) -> list[Envelope]:
        symbol, rest = read_message(frame, frame)
        message = decode(frame)
        present = [data_type for data_type, get in marks.getters.items() if get(message) is not None]
        return [_new(Envelope, (key, *rest)) for key in keys.chosen(present, [symbol])]

    return read


MessageReader = Callable[[bytes, bytes], tuple[str, tuple[Any, ...]]]
"""Reads a text; returns the symbol and what follows the stream in an envelope with this payload."""


def message_reader(**named: Place) -> MessageReader:
    """Reads the places of a message; see above."""
    types = {"symbol": str, "id": Id, "first_id": Id}
    plain = {name: kind for name, kind in types.items() if isinstance(named.get(name), str)}
    found = places(named, plain)
    decode = Decoder(found.struct, strict=False).decode
    get_symbol, get_id, get_first, get_sent, get_snapshot = (
        found.get(name) for name in ("symbol", "id", "first_id", "sent", "is_snapshot")
    )
    sent = named.get("sent", "?")
    no_time = None if (sent if isinstance(sent, str) else sent[0]).endswith("?") else NO_TIME_US

    def read(text: bytes, payload: bytes) -> tuple[str, tuple[Any, ...]]:
        message = decode(text)
        sent_us = get_sent(message)
        return get_symbol(message), (
            get_id(message),
            get_first(message),
            no_time if sent_us is None else sent_us,
            payload,
            bool(get_snapshot(message)),
        )

    return read


def _list_at(items: str, common: Mapping[str, Place]) -> tuple[Places, Callable[[Any], Iterable[Raw]]]:
    """The places of a frame with a list, and what takes the texts of its elements from the frame."""
    outer, _, inner = items.partition(".*.")
    element = places({"texts": inner}, {"texts": list[Raw]}) if inner else None
    kind = list[Raw] if element is None else list.__class_getitem__(element.struct)
    found = places({"items": outer, **common}, {"items": kind})
    get = found.getters["items"]
    if element is None:
        return found, lambda message: get(message) or ()
    texts_of = element.getters["texts"]
    return found, lambda message: (text for one in get(message) or () for text in texts_of(one) or ())


def _optional(place: Place) -> Place:
    return f"{place}?" if isinstance(place, str) else (f"{place[0]}?", place[1])


def id_after(previous: object) -> int:
    """The first id of a message that names the message before its own. Raises UndecodableError for what is no id."""
    if type(previous) is not int or not 0 <= previous < INT64_MAX:
        raise UndecodableError(f"no id: {shown(str(previous))}")
    return previous + 1


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
