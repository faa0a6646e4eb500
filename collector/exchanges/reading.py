"""Reads frames into messages, from places (see `places`): one message a frame, a list of messages, or several data types.

    single("book_delta", symbol=("topic", last_part), id="data.u", sent=("cts|ts", from_ms), is_snapshot=("type", "full".__eq__))
    listed("trade", "data", symbol="s", id=("i", id_of_text), sent=("T", from_ms))

The places of a message: `symbol` (as the instrument list spells it, or what is made of it), and where it has them `id`,
`first_id`, `sent` (see `Envelope.exchange_us`; `times` has functions for it) and `is_snapshot`. A time that may be absent, and
is, is none; any other time that is missing could not be read.
"""

from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from typing import Final

from msgspec import ValidationError
from msgspec.json import Decoder

from collector.domain.errors import UndecodableError
from collector.domain.records import INT64_MAX, Envelope, StreamKey
from collector.exchanges.channel_readers import FrameList, ListedReader, SeveralReader, SingleReader, new
from collector.exchanges.message_places import MessagePlaces, MessageReader
from collector.exchanges.places import Place, places

_SHOWN_CHARS: Final = 100


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
    return SingleReader(data_type, named)


def witness(data_type: str, **named: Place) -> Read:
    """Reads a frame that only proves that the message with its id exists."""
    read_message = message_reader(**named)

    def read(frame: bytes, keys: Keys) -> list[Envelope]:
        symbol, rest = read_message(frame, b"")
        return [new(Envelope, (keys[data_type, symbol], *rest))]

    return read


def each(items: str, read: Read) -> Read:
    """Reads a frame with a list of texts, each of which `read` reads as if it were a frame; see `listed`."""
    its = FrameList(items, {})
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
    return ListedReader(
        data_type, FrameList(items, common or {}), message_reader(**named), list if as_sent else in_order
    )


def several(told: Mapping[str, Place], **named: Place) -> Read:
    """Reads a frame whose one message tells several data types; its payload is the frame, once for each of them.

    `told` is a place for each data type: where it is absent, an empty text, or its function makes None of it, the message
    does not tell it, because exchanges leave out what has not changed. A data type that nobody subscribed is left out.
    """
    return SeveralReader(told, named)


def message_reader(**named: Place) -> MessageReader:
    """Reads the places of a message; see above."""
    return MessagePlaces(named).reader()


def id_after(previous: object) -> int:
    """The first id of a message that names the message before its own. Raises UndecodableError for what is no id."""
    if type(previous) is not int or not 0 <= previous < INT64_MAX:
        raise UndecodableError(f"no id: {shown(str(previous))}")
    return previous + 1


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
