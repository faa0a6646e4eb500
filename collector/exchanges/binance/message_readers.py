"""How Binance's messages are read: from a frame to a struct, from a struct to a typed row.

Frames come wrapped, as combined streams send them; what REST answers is bare. Prices and sizes are decimals in quotes,
times are integer milliseconds. A struct names with ClassVars the numbers and book sides that `rows` turns into doubles.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final, Generic, TypeVar, get_origin

from msgspec import Meta, Raw, Struct, defstruct, field
from msgspec.json import Decoder
from msgspec.structs import fields

from collector.domain.names import END_US
from collector.domain.times import NO_TIME_US
from collector.exchanges.typed_rows import Doubles, Reader, Shape, Texts, finite_book, finite_quote, finite_trade

INT64_MAX: Final = 2**63 - 1

Id = Annotated[int, Meta(ge=0, le=INT64_MAX)]
Millis = Annotated[int, Meta(ge=0, le=END_US // 1000 - 1)]
"""A time that has a date: microseconds in its place have none."""

Time = Any
"""A time as it stands in a message that is not as documented: it may be anything, and must not cost the message its row."""

NO_TIME_MS: Final = NO_TIME_US // 1000
"""Where it is missing."""

Message = TypeVar("Message")


class Frame(Struct, Generic[Message], gc=False):
    """The wrap of a combined stream: `{"stream":…,"data":…}`."""

    data: Message


Documented = Mapping[str, Any]
"""Further keys of a frame as documented, each with its type; no row is made of them."""


def trade_shape(message: Any, *documented: Documented) -> Shape:
    """The shape of a message with a price and a size, generic in them."""
    return _shape(message[str], message[float], message[Any], finite_trade, documented)


def bare_trade_shape(message: Any) -> Shape:
    """The same of a message without a wrap."""
    return _shape(message[str], message[float], message[Any], finite_trade, (), reader=_BareReader)


def quote_shape(message: Any, *documented: Documented) -> Shape:
    """The shape of a message with the best bid and ask, generic in their numbers."""
    return _shape(message[str], message[float], message[Any], finite_quote, documented)


def book_shape(message: Any, *documented: Documented) -> Shape:
    """The shape of a message with levels, generic in its sides."""
    return _shape(message[Raw], message[Doubles], message[Texts], finite_book, documented)


def bare_book_shape(message: Any) -> Shape:
    """The same of a message without a wrap."""
    return _shape(message[Raw], message[Doubles], message[Texts], finite_book, (), reader=_BareReader)


def _reader(message: Any, **options: Any) -> Decoder[Any]:
    return Decoder(Frame[message], **options)


class _BareReader:
    """Reads a message that comes without a wrap as if it had one."""

    def __init__(self, message: Any, **options: Any) -> None:
        self._decoder = Decoder(message, **options)

    def decode(self, text: bytes, /) -> Frame[Any]:
        return Frame(self._decoder.decode(text))


def _shape(
    needed: Any,
    doubles: Any,
    texts: Any,
    finite: Callable[[Any], bool],
    documented: Sequence[Documented],
    reader: Callable[..., Reader] = _reader,
) -> Shape:
    keys = len(("stream", "data")) + len(fields(needed))
    return Shape(
        documented={keys + len(more): reader(_with(needed, more)) for more in documented},
        needed=reader(needed),
        names_symbol=any(known.name == "symbol" for known in fields(needed)),
        doubles=reader(doubles, strict=False),
        texts=reader(texts, strict=False, float_hook=str),
        finite=finite,
    )


def exchange_us(message: Any) -> int | None:
    """When a message says that it was sent: `NO_TIME_US` where it says nothing that has a date."""
    ms = message.exchange_ms
    if isinstance(ms, int) and 0 <= ms < END_US // 1000:
        return ms * 1000
    return None if ms is None else NO_TIME_US


def _with(needed: Any, keys: Documented) -> Any:
    """A message that needs these keys too, and a time that has a date."""
    base = get_origin(needed)
    own = [
        (known.name, Millis if known.name == "exchange_ms" else known.type, field(name=known.encode_name))
        for known in fields(needed)
    ]
    return defstruct(base.__name__, [*own, *keys.items()], bases=(base,), gc=False)
