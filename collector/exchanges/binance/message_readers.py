"""Reads Binance's messages: a `MessageReaders` for each data type and form.

Frames come wrapped, as combined streams send them; the messages in REST answers are bare. Prices and sizes are decimals
in quotes, times are integer milliseconds.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final, Generic, NamedTuple, TypeVar, get_origin

from msgspec import Meta, Raw, Struct, defstruct, field
from msgspec.json import Decoder
from msgspec.structs import fields

from collector.domain.names import END_US
from collector.domain.records import INT64_MAX
from collector.domain.times import NO_TIME_US
from collector.exchanges.typed_rows import Read, RowReaders, book_readers, number_readers

Id = Annotated[int, Meta(ge=0, le=INT64_MAX)]
Millis = Annotated[int, Meta(ge=0, le=END_US // 1000 - 1)]
"""Milliseconds that give a date before year 10000; microseconds put there by mistake are too large and refused."""

Time = Any
"""In messages that differ from the documentation the time may be any value; a bad one must not cost the message its row."""

NO_TIME_MS: Final = NO_TIME_US // 1000
"""Stands in a message where its time is missing."""

Message = TypeVar("Message")


class StreamFrame(Struct, Generic[Message], gc=False):
    """The wrap of a combined stream: `{"stream":…,"data":…}`."""

    data: Message


Documented = Mapping[str, Any]
"""Further keys of a frame as documented, each with its type; rows do not use them."""


class MessageReaders(NamedTuple):
    """The readers of one data type's messages in one form."""

    as_documented: Mapping[int, Callable[[bytes], StreamFrame[Any]]]
    """Readers of frames exactly as documented, keyed by number of keys; each requires all of them."""
    minimal: Read
    """Requires only the keys that rows are made of; leaves prices and sizes unread."""
    rows: RowReaders
    names_symbol: bool


def number_messages(message: Any, *documented: Documented) -> MessageReaders:
    """Readers of wrapped trades, aggregates or best bids and asks, a struct generic in the type of its numbers."""
    return _wrapped(message[str], number_readers(message, _wrapped_reader), documented)


def book_messages(message: Any, *documented: Documented) -> MessageReaders:
    """Readers of wrapped book messages, a struct generic in the type of its sides."""
    return _wrapped(message[Raw], book_readers(message, _wrapped_reader), documented)


def bare_number_messages(message: Any) -> MessageReaders:
    """Readers of trades or aggregates without a wrap."""
    return _bare(message[str], number_readers(message, _bare_reader))


def bare_book_messages(message: Any) -> MessageReaders:
    """Readers of book messages without a wrap."""
    return _bare(message[Raw], book_readers(message, _bare_reader))


def exchange_us(message: Any) -> int | None:
    """When the exchange says it sent the message; `NO_TIME_US` where its time is missing or has no date."""
    ms = message.exchange_ms
    if isinstance(ms, int) and 0 <= ms < END_US // 1000:
        return ms * 1000
    return None if ms is None else NO_TIME_US


def taker_side(message: Any) -> str:
    """The taker's side of a trade: where the buyer is the maker, the taker sold."""
    return "sell" if message.buyer_is_maker else "buy"


def _wrapped(minimal: Any, rows: RowReaders, documented: Sequence[Documented]) -> MessageReaders:
    keys = len(("stream", "data")) + len(fields(minimal))
    return MessageReaders(
        as_documented={keys + len(more): _frame_reader(_requiring(minimal, more)) for more in documented},
        minimal=_wrapped_reader(minimal),
        rows=rows,
        names_symbol=_names_symbol(minimal),
    )


def _bare(minimal: Any, rows: RowReaders) -> MessageReaders:
    return MessageReaders({}, _bare_reader(minimal), rows, _names_symbol(minimal))


def _frame_reader(message: Any, **options: Any) -> Callable[[bytes], StreamFrame[Any]]:
    return Decoder(StreamFrame[message], **options).decode


def _wrapped_reader(message: Any, **options: Any) -> Read:
    decode = _frame_reader(message, **options)

    def read(payload: bytes) -> Any:
        return decode(payload).data

    return read


def _bare_reader(message: Any, **options: Any) -> Read:
    return Decoder(message, **options).decode


def _names_symbol(message: Any) -> bool:
    return any(known.name == "symbol" for known in fields(message))


def _requiring(minimal: Any, keys: Documented) -> Any:
    """The minimal message, but requiring these keys, too, and a time that has a date."""
    base = get_origin(minimal)
    known_fields = [
        (known.name, Millis if known.name == "exchange_ms" else known.type, field(name=known.encode_name))
        for known in fields(minimal)
    ]
    return defstruct(base.__name__, [*known_fields, *keys.items()], bases=(base,), gc=False)
