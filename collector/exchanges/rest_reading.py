"""Reads values from the bodies of REST responses, by their places (see `places`)."""

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, Final, NamedTuple

from msgspec import Raw, ValidationError
from msgspec.json import Decoder

from collector.domain.decimals import to_double
from collector.domain.errors import UndecodableError
from collector.domain.records import Envelope, StreamKey
from collector.domain.times import NO_TIME_US
from collector.exchanges.message_places import MessageReader
from collector.exchanges.places import Place, Places, may_be_null, places
from collector.exchanges.reading import shown
from collector.exchanges.rest_adapter import Unread
from collector.exchanges.typed_rows import UNREADABLE, RowReaders, is_finite


def read_json(body: bytes, *where: Place) -> tuple[Any, ...]:
    """The values at these places; those that must be there are not None. Raises UndecodableError for any other body."""
    return _reader(where)(body)


def items(body: bytes, list_at: str, *where: Place) -> Iterator[tuple[Any, ...]]:
    """Of each element of a list its text, then its values at these places; an empty `list_at` means the body itself.

    Raises UndecodableError.
    """
    read = _reader(where)
    for text in texts(body, list_at):
        yield text, *read(text)


class Readable(NamedTuple):
    """Entries as `items` yields them, without those that cannot be read."""

    entries: list[tuple[Any, ...]]
    unread: Unread


def readable(body: bytes, list_at: str, *where: Place) -> Readable:
    """As `items`, but an entry that cannot be read costs only itself. Raises UndecodableError if none can be read."""
    return _readable([(text, text) for text in texts(body, list_at)], _reader(where))


def readable_values(body: bytes, object_at: str, *where: Place) -> Readable:
    """The same of an object's values, each with its key."""
    values = _values(body, object_at)
    pairs = values.items() if isinstance(values, dict) else ()
    return _readable([(key, bytes(text)) for key, text in pairs], _reader(where))


def readable_names(body: bytes, list_at: str) -> Readable:
    """The same of a list of names: the text of each, and the name."""
    return _readable([(text, text) for text in texts(body, list_at)], lambda text: (name(_read(_ANYTHING, text)),))


def _readable(labelled: Iterable[tuple[Any, bytes]], read: Callable[[bytes], tuple[Any, ...]]) -> Readable:
    found, unread = list[tuple[Any, ...]](), Unread()
    for label, text in labelled:
        try:
            found.append((label, *read(text)))
        except UndecodableError as error:
            unread = Unread(unread.number + 1, unread.first or str(error))
    if unread.number and not found:
        raise UndecodableError(unread.first)
    return Readable(found, unread)


def texts(body: bytes, list_at: str) -> list[bytes]:
    """The text of each element of a list, or of each value of an object. Raises UndecodableError."""
    found = _values(body, list_at)
    return [bytes(text) for text in (found.values() if isinstance(found, dict) else found)]


def read_time(body: bytes, where: Place) -> int:
    """The time at a place, in microseconds. Raises UndecodableError for a body that has none there."""
    (time_us,) = read_json(body, where)
    if time_us in {None, NO_TIME_US}:
        raise UndecodableError(f"no time: {shown(body.decode(errors='replace'))}")
    return int(time_us)


def number(value: object) -> float:
    """A number, or its text. Raises UndecodableError for anything else."""
    found = to_double(str(value)) if type(value) in {int, float, str} else None
    if found is None:
        raise UndecodableError(f"not a number: {shown(str(value))}")
    return found


def name(value: object) -> str:
    """A text that is not empty. Raises UndecodableError for anything else."""
    if not isinstance(value, str) or not value:
        raise UndecodableError(f"not a name: {shown(str(value))}")
    return value


def messages(stream: StreamKey, read: MessageReader, body: bytes, list_at: str) -> list[Envelope]:
    """A list of messages of one stream, each with its own text. Raises UndecodableError."""
    return [message(stream, read, text) for text in texts(body, list_at)]


def message(stream: StreamKey, read: MessageReader, text: bytes) -> Envelope:
    """A message of this stream with its text. Raises UndecodableError."""
    try:
        text.decode()
        _, rest = read(text, text)
    except UNREADABLE as error:
        raise _undecodable(error, text) from error
    return Envelope(stream, *rest)


def book(stream: StreamKey, read: MessageReader, rows: RowReaders, body: bytes) -> Envelope:
    """A book, whose text is the whole body. One with a level that cannot be read is refused: the rest would be useless.

    Raises UndecodableError.
    """
    try:
        body.decode()
        _, rest = read(body, body)
        if not is_finite(rows, rows.doubles(body)):
            raise ValidationError("a level is not a finite number")
    except UNREADABLE as error:
        raise _undecodable(error, body) from error
    return Envelope(stream, *rest)._replace(is_snapshot=True)


def _read(decoder: Decoder[Any], body: bytes) -> Any:
    try:
        return decoder.decode(body)
    except UNREADABLE as error:
        raise _undecodable(error, body) from error


def _undecodable(error: Exception, body: bytes) -> UndecodableError:
    if isinstance(error, ValidationError):
        return UndecodableError(f"not the expected response: {shown(body.decode(errors='replace'))}")
    return UndecodableError("malformed JSON")


def _values(body: bytes, where: str) -> list[Raw] | dict[str, Raw]:
    if not where:
        found: list[Raw] | dict[str, Raw] = _read(_VALUES, body)
        return found
    place = _values_at(where)
    return place.getters["values"](_read(Decoder(place.struct), body)) or []


_VALUES: Final = Decoder(list[Raw] | dict[str, Raw])
_ANYTHING: Final = Decoder(Any)


@cache
def _reader(where: tuple[Place, ...]) -> Callable[[bytes], tuple[Any, ...]]:
    """Reads the values at these places; one that must be there may not be null either, nor may all alternatives of one."""
    found = places({str(number): place for number, place in enumerate(where)})
    decoder, getters = Decoder(found.struct), tuple(found.getters.values())
    needed = [at for at, place in enumerate(where) if not may_be_null(place)]

    def read(text: bytes) -> tuple[Any, ...]:
        message = _read(decoder, text)
        values = tuple(get(message) for get in getters)
        if any(values[at] is None for at in needed):
            raise _undecodable(ValidationError("null"), text)
        return values

    return read


@cache
def _values_at(where: str) -> Places:
    return places({"values": where}, {"values": list[Raw] | dict[str, Raw]})
