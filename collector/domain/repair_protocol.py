"""Requests from the writer and from ingest to repair, and repair's answers as frames of its journals: values and their encoding.

An answer is a frame of line -1: one line of compact JSON that names what it answers, a newline, and the exchange's own
text, unchanged:

    {"symbol":"BTCUSDT","data_type":"trade","answer":"page","series":0,"first":101,"last":250}
    [{"id":101,...},...]

`poll`: a message of a polled stream. `page`: messages of a stream, of which only ids from `first` to `last` count. `snapshot`: a whole book, for a book_delta
stream. `end`: nothing more will come for `first` to `last`; `reason` may say why.
"""

import hashlib
from typing import Final, Literal

import msgspec

from collector.domain.errors import UndecodableError
from collector.domain.records import StreamKey
from collector.domain.versions import refuse_newer

BOOK: Final = "book_delta"
"""The data type whose streams are repaired by a snapshot; all others are repaired by the missing messages."""

REQUEST_VERSION: Final = 1
"""The version of the request format; a request without a version has version 1."""

REST_SUFFIX: Final = "~rest"
"""Suffix of the name of the journal that repair appends to; a feed's name cannot contain `~`."""


class TradesRequest(msgspec.Struct, frozen=True, tag="trades", tag_field="kind"):
    """A request for missing messages with dense ids, `first` to `last`."""

    stream: StreamKey
    series: int
    gap_id: str
    first: int
    last: int
    asked_us: int
    version: int = REQUEST_VERSION
    since_us: int | None = None
    """When the message before the hole was received, and in `until_us` the one after it: some exchanges page by time."""
    until_us: int | None = None

    @property
    def name(self) -> str:
        """The request's file name without suffix; the same for the same gap."""
        return trades_name(self.gap_id)


class BookRequest(msgspec.Struct, frozen=True, tag="book", tag_field="kind"):
    """A request for a snapshot: a chain of book updates begins with `from_id`, so a book up to the id before is needed."""

    stream: StreamKey
    series: int | None
    """None from ingest, which does not know it: the newest one."""
    from_id: int
    asked_us: int
    """When the update that needs the book was received."""
    version: int = REQUEST_VERSION

    @property
    def name(self) -> str:
        """The request's file name without suffix; the same for the same stream, series and `from_id`."""
        series = "any" if self.series is None else self.series
        stream = hashlib.blake2b("\0".join(self.stream).encode(), digest_size=8).hexdigest()
        return f"book-{stream}-{series}-{self.from_id}"


def trades_name(gap_id: str) -> str:
    """The name of the request for a gap's messages."""
    return f"trades-{gap_id}"


Request = TradesRequest | BookRequest


class RepairAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The first line of a frame of line -1: what the exchange's text after it answers."""

    symbol: str
    data_type: str
    answer: Literal["page", "snapshot", "end", "poll"]
    series: int | None = None
    """None means the current series, whichever it is."""
    first: int = 0
    last: int = -1
    reason: str = ""
    is_brief: bool = False
    """Whether a book has only its best levels, because the weight for the whole one was not there."""
    every_secs: float = 0.0
    """How often a stream is polled."""


class _Versioned(msgspec.Struct):
    version: int = 1


_version_decoder: Final = msgspec.json.Decoder(_Versioned)
_request_decoder: Final[msgspec.json.Decoder[Request]] = msgspec.json.Decoder(Request)
_answer_decoder: Final = msgspec.json.Decoder(RepairAnswer)


def encode_request(request: Request) -> bytes:
    """Encode a request as the content of its file."""
    return msgspec.json.encode(request)


def decode_request(data: bytes, name: object = "a request") -> Request:
    """Decode the content of a request's file; error messages call it `name`. Raises UndecodableError, NewerDataError."""
    try:
        refuse_newer(name, _version_decoder.decode(data).version, REQUEST_VERSION)
        return _request_decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UndecodableError(f"{name} is not a request: {error}") from error


def encode_answer(answer: RepairAnswer, body: bytes = b"") -> bytes:
    """Encode an answer and the exchange's text as a frame of line -1."""
    return msgspec.json.encode(answer) + b"\n" + body


def decode_answer(frame: bytes) -> tuple[RepairAnswer, bytes]:
    """Decode a frame of line -1 into the answer and the exchange's text. Raises UndecodableError."""
    head, _, body = frame.partition(b"\n")
    try:
        return _answer_decoder.decode(head), body
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UndecodableError(f"not an answer of repair: {error}") from error


def rest_journal(feed: str) -> str:
    """The name of the journal that holds what repair fetched for a feed."""
    return feed + REST_SUFFIX


def is_rest_journal(name: str) -> bool:
    """Whether the journal of that name is written by repair."""
    return name.endswith(REST_SUFFIX)


def feed_of_rest_journal(name: str) -> str:
    """The feed for which repair writes the journal of that name."""
    return name.removesuffix(REST_SUFFIX)
