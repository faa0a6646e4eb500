"""What the writer asks of repair, and how repair's answers stand in its journals. Pure values and their bytes.

An answer is a frame of line -1: one line of compact JSON that says what it answers, a newline, and the exchange's own
text, untouched:

    {"symbol":"BTCUSDT","data_type":"trade","answer":"page","series":0,"first":101,"last":250}
    [{"id":101,...},...]

`page`: messages of a stream; only ids from `first` to `last` are meant. `snapshot`: a whole book, for a book_delta
stream. `end`: nothing more will come for `first` to `last`, for this `reason` if there is one.
"""

import hashlib
from typing import Final, Literal

import msgspec

from collector.domain.errors import UndecodableError
from collector.domain.records import StreamKey
from collector.domain.versions import refuse_newer

BOOK: Final = "book_delta"
"""The data type whose streams are made whole by a snapshot; others by the messages that are missing."""

REQUEST_VERSION: Final = 1
"""The number of a request's form; one that says none is of form 1."""

REST_SUFFIX: Final = "~rest"
"""Ends the name of the journal that repair appends to; no feed's name has a `~`."""


class TradesRequest(msgspec.Struct, frozen=True, tag="trades", tag_field="kind"):
    """Messages with dense ids are missing."""

    stream: StreamKey
    series: int
    gap_id: str
    first: int
    last: int
    asked_us: int
    version: int = REQUEST_VERSION

    @property
    def name(self) -> str:
        """The same for the same gap."""
        return trades_name(self.gap_id)


class BookRequest(msgspec.Struct, frozen=True, tag="book", tag_field="kind"):
    """A chain of book updates begins with `from_id`: a snapshot is needed that reaches to the id before it."""

    stream: StreamKey
    series: int
    from_id: int
    asked_us: int
    version: int = REQUEST_VERSION

    @property
    def name(self) -> str:
        """The same for the same beginning; one for a later beginning of the stream makes it needless."""
        stream = hashlib.blake2b("\0".join(self.stream).encode(), digest_size=8).hexdigest()
        return f"book-{stream}-{self.series}-{self.from_id}"


def trades_name(gap_id: str) -> str:
    """The name of the request for a gap's messages."""
    return f"trades-{gap_id}"


Request = TradesRequest | BookRequest


class RepairAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a frame of line -1 says before the exchange's text."""

    symbol: str
    data_type: str
    answer: Literal["page", "snapshot", "end"]
    series: int | None = None
    """None: whichever series runs."""
    first: int = 0
    last: int = -1
    reason: str = ""


class _Versioned(msgspec.Struct):
    version: int = 1


_version_decoder: Final = msgspec.json.Decoder(_Versioned)
_request_decoder: Final[msgspec.json.Decoder[Request]] = msgspec.json.Decoder(Request)
_answer_decoder: Final = msgspec.json.Decoder(RepairAnswer)


def encode_request(request: Request) -> bytes:
    """A request as its file holds it."""
    return msgspec.json.encode(request)


def decode_request(data: bytes, name: object = "a request") -> Request:
    """Read a file's content; errors call it `name`. Raises UndecodableError, NewerDataError."""
    try:
        refuse_newer(name, _version_decoder.decode(data).version, REQUEST_VERSION)
        return _request_decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UndecodableError(f"{name} is no request: {error}") from error


def encode_answer(answer: RepairAnswer, body: bytes = b"") -> bytes:
    """A frame of line -1."""
    return msgspec.json.encode(answer) + b"\n" + body


def decode_answer(frame: bytes) -> tuple[RepairAnswer, bytes]:
    """What a frame of line -1 answers, and the exchange's text. Raises UndecodableError."""
    head, _, body = frame.partition(b"\n")
    try:
        return _answer_decoder.decode(head), body
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UndecodableError(f"no answer of repair: {error}") from error


def rest_journal(feed: str) -> str:
    """The name of the journal with what repair fetched for a feed."""
    return feed + REST_SUFFIX


def is_rest_journal(name: str) -> bool:
    """Whether a journal of that name is repair's."""
    return name.endswith(REST_SUFFIX)


def feed_of_rest_journal(name: str) -> str:
    """The feed that a journal of repair's belongs to."""
    return name.removesuffix(REST_SUFFIX)
