"""Decodes frames of Binance's combined streams into envelopes.

Frames exactly as documented take a fast path; all others a careful one, which also finds out what is wrong with a frame.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from collector.domain.errors import UndecodableError
from collector.domain.records import Envelope, StreamKey
from collector.exchanges.adapter import Control, ControlKind, Decode
from collector.exchanges.binance.message_readers import MessageReaders, exchange_us
from collector.exchanges.together import Decoded, DecodeTogether, MessageColumns, outcomes
from collector.exchanges.typed_rows import UNREADABLE

WRAP: Final = b'{"stream":"'
"""The first bytes of every frame of a combined stream."""

_AFTER_FIRST_COLON: Final = len(b'{"stream":')
_SHOWN_CHARS: Final = 100

MIN_ALIKE: Final = 4
"""Fewer frames of a stream take less time one by one."""

_new: Final[Callable[..., Any]] = tuple.__new__
"""Takes half the time of Envelope()."""


class _Stream(NamedTuple):
    key: StreamKey
    symbol: str | None
    """The symbol in the messages; None if they have none."""
    readers: MessageReaders


def decoder(
    names: Mapping[str, StreamKey], readers: Mapping[str, MessageReaders], control: Callable[[bytes], Control | None]
) -> Decode:
    """Build the decoder of these streams, which `names` has by their names in the wrap."""
    streams = {name: _stream(key, readers[key.data_type]) for name, key in names.items()}
    return _FastDecoder(streams, _careful_decoder(streams, control))


def shown(text: str) -> str:
    """The beginning of a text from the exchange, safe to print."""
    return text[:_SHOWN_CHARS].encode("unicode_escape").decode()[:_SHOWN_CHARS]


def _stream(key: StreamKey, readers: MessageReaders) -> _Stream:
    return _Stream(key, key.symbol if readers.names_symbol else None, readers)


class _FastDecoder(DecodeTogether):
    """Finds the stream by the frame's first bytes, and reads only frames whose keys are exactly the documented ones.

    A frame that has all documented keys, and as many colons as keys, has no key twice and no other key.
    """

    def __init__(self, streams: Mapping[str, _Stream], careful: Decode) -> None:
        self._careful = careful
        self._find = {b'%s%s","data":' % (WRAP, name.encode()): stream for name, stream in streams.items()}.get

    def __call__(self, frame: bytes) -> list[Envelope]:
        stream = self._find(frame[: frame.find(b":", _AFTER_FIRST_COLON) + 1])
        if stream is None:
            return self._careful(frame)
        key, symbol, readers = stream
        read = readers.as_documented.get(frame.count(b":"))
        if read is None or not (frame.isascii() or _is_utf8(frame)):
            return self._careful(frame)
        try:
            message = read(frame).data
        except UNREADABLE:
            return self._careful(frame)
        if message.symbol != symbol:
            return self._careful(frame)
        exchange_ms = message.exchange_ms
        sent_us = None if exchange_ms is None else exchange_ms * 1000
        return [_new(Envelope, (key, message.id, message.first_id, sent_us, frame, False))]

    def together(self, frames: Sequence[bytes]) -> Decoded:
        indexes: defaultdict[bytes, list[int]] = defaultdict(list)
        for index, frame in enumerate(frames):
            indexes[frame[: frame.find(b":", _AFTER_FIRST_COLON) + 1]].append(index)
        columns: list[MessageColumns] = []
        apart: list[int] = []
        for head, places in indexes.items():
            column = None
            if len(places) >= MIN_ALIKE:
                column = _column(self._find(head), places, [frames[index] for index in places])
            if column is None:
                apart += places
            else:
                columns.append(column)
        apart.sort()
        return Decoded(columns, outcomes(self, frames, apart))


def _column(stream: _Stream | None, places: list[int], frames: list[bytes]) -> MessageColumns | None:
    """The messages of frames that all name this stream; None if one of them is not exactly as documented.

    Where all keys are found in each frame, and the frames have as many colons as keys, no frame has one more.
    """
    text, keys = b"".join(frames), frames[0].count(b":")
    read = None if stream is None else stream.readers.as_documented.get(keys)
    if stream is None or read is None or text.count(b":") != keys * len(frames):
        return None
    try:
        messages = [frame.data for frame in map(read, frames)]
    except UNREADABLE:
        return None
    if not (text.isascii() or _is_utf8(text)) or any(message.symbol != stream.symbol for message in messages):
        return None
    first = messages[0]
    ids = [message.id for message in messages]
    first_ids = ids if first.first_id is None else [message.first_id for message in messages]
    sent_us = [None] * len(ids) if first.exchange_ms is None else [message.exchange_ms * 1_000 for message in messages]
    return MessageColumns(stream.key, places, ids, first_ids, sent_us, frames)


def _careful_decoder(streams: Mapping[str, _Stream], control: Callable[[bytes], Control | None]) -> Decode:
    def decode(frame: bytes) -> list[Envelope]:
        if not frame:
            raise UndecodableError("empty frame")
        if not _is_utf8(frame):
            raise UndecodableError("invalid UTF-8")
        control_frame = control(frame)
        if control_frame is not None and control_frame.kind is not ControlKind.NOISE:
            return []
        name = _name_of_stream(frame)
        if name not in streams:
            raise UndecodableError(f"stream not subscribed: {shown(name)}")
        return [_envelope(streams[name], frame)]

    return decode


def _envelope(stream: _Stream, frame: bytes) -> Envelope:
    try:
        message = stream.readers.minimal(frame)
    except msgspec.ValidationError as error:
        raise UndecodableError(f"not a {stream.key.data_type} message: {shown(str(error))}") from error
    except UNREADABLE as error:
        raise UndecodableError("malformed JSON") from error
    if message.symbol != stream.symbol:
        raise UndecodableError(f"symbol of another stream: {shown(message.symbol)}")
    return Envelope(stream.key, message.id, message.first_id, exchange_us(message), frame)


def _name_of_stream(frame: bytes) -> str:
    try:
        fields = json.loads(frame.decode(), object_pairs_hook=_fields)
    except ValueError as error:
        raise UndecodableError("malformed JSON") from error
    except RecursionError as error:
        raise UndecodableError("nested too deeply") from error
    name = fields.get("stream") if isinstance(fields, dict) else None
    if not isinstance(name, str):
        raise UndecodableError("no stream name")
    return name


def _fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise UndecodableError("a key stands twice")
    return fields


def _is_utf8(frame: bytes) -> bool:
    try:
        frame.decode()
    except UnicodeDecodeError:
        return False
    return True
