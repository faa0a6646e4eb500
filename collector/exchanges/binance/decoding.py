"""Decodes frames of Binance's combined streams into envelopes.

Frames exactly as documented take a fast path; all others a careful one, which also finds out what is wrong with a frame.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from collector.domain.errors import UndecodableError
from collector.domain.records import Envelope, StreamKey
from collector.exchanges.adapter import Control, ControlKind, Decode
from collector.exchanges.binance.message_readers import MessageReaders, exchange_us
from collector.exchanges.typed_rows import UNREADABLE

WRAP: Final = b'{"stream":"'
"""The first bytes of every frame of a combined stream."""

_AFTER_FIRST_COLON: Final = len(b'{"stream":')
_SHOWN_CHARS: Final = 100


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
    return _fast_decoder(streams, _careful_decoder(streams, control))


def shown(text: str) -> str:
    """The beginning of a text from the exchange, safe to print."""
    return text[:_SHOWN_CHARS].encode("unicode_escape").decode()[:_SHOWN_CHARS]


def _stream(key: StreamKey, readers: MessageReaders) -> _Stream:
    return _Stream(key, key.symbol if readers.names_symbol else None, readers)


def _fast_decoder(streams: Mapping[str, _Stream], careful: Decode) -> Decode:
    """Find the stream by the frame's first bytes, and read only frames whose keys are exactly the documented ones.

    A frame that has all documented keys, and as many colons as keys, has no key twice and no other key.
    """
    known = {
        b'%s%s","data":' % (WRAP, name.encode()): (
            stream.key,
            stream.symbol,
            stream.readers.as_documented,
        )
        for name, stream in streams.items()
    }
    find = known.get
    new: Callable[..., Any] = tuple.__new__  # half the time of Envelope()

    def decode(frame: bytes) -> list[Envelope]:
        stream = find(frame[: frame.find(b":", _AFTER_FIRST_COLON) + 1])
        if stream is None:
            return careful(frame)
        key, symbol, readers = stream
        read = readers.get(frame.count(b":"))
        if read is None or not (frame.isascii() or _is_utf8(frame)):
            return careful(frame)
        try:
            message = read(frame).data
        except UNREADABLE:
            return careful(frame)
        if message.symbol != symbol:
            return careful(frame)
        exchange_ms = message.exchange_ms
        sent_us = None if exchange_ms is None else exchange_ms * 1000
        return [new(Envelope, (key, message.id, message.first_id, sent_us, frame))]

    return decode


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
