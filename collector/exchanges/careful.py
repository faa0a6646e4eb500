"""Reads any frame of a market with care: by the channel that it names, and with what is wrong with it."""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import NamedTuple

import msgspec

from collector.domain.errors import UndecodableError
from collector.domain.records import Envelope, StreamKey
from collector.exchanges import typed_rows
from collector.exchanges.adapter import Control, ControlKind, Decode
from collector.exchanges.reading import Keys, Read, shown
from collector.exchanges.routes import is_utf8, name_reader

Check = Callable[[bytes, list[Envelope]], None]
"""Raises UndecodableError where a frame may not have these messages."""


class Frames(NamedTuple):
    """What a market says of its frames."""

    channel_of: Callable[[bytes], str]
    control: Callable[[bytes], Control | None]
    known: AbstractSet[str]
    """The channels of the exchange, recorded or not."""
    check: Check | None


def careful(frames: Frames, readers: Mapping[str, Read], keys: Keys) -> Decode:
    """A decoder of the channels that `readers` has."""
    channel_of, control, known, check = frames

    def decode(frame: bytes) -> list[Envelope]:
        require_text(frame)
        name = ""
        try:
            name = channel_of(frame)
            read = readers.get(name)
            if read is not None:
                messages = read(frame, keys)
                if check is not None:
                    check(frame, messages)
                return messages
        except msgspec.ValidationError as error:
            if name:
                raise UndecodableError(f"not a message of {shown(name)}: {shown(str(error))}") from error
        except typed_rows.UNREADABLE as error:
            raise UndecodableError("malformed JSON") from error
        control_frame = control(frame)
        if name in known or (control_frame is not None and control_frame.kind is not ControlKind.NOISE):
            return []
        raise UndecodableError(f"unknown channel: {shown(name)}" if name else "unknown message")

    return decode


def named_only(route: tuple[str, ...], spoken: Mapping[bytes, tuple[StreamKey, ...]]) -> Check:
    """Refuses messages of streams that their frame does not name."""
    names = name_reader(route)
    known = {name.decode(): streams for name, streams in spoken.items()}

    def check(frame: bytes, messages: list[Envelope]) -> None:
        name = names(frame)
        streams = known.get(name)
        if streams is None:
            raise UndecodableError(f"stream not subscribed: {shown(name)}")
        for message in messages:
            if message.stream not in streams:
                raise UndecodableError(f"symbol of another stream: {shown(message.stream.symbol)}")

    return check


def require_text(frame: bytes) -> None:
    """Raise UndecodableError for bytes that are no UTF-8: msgspec checks only the text that it reads."""
    if not frame:
        raise UndecodableError("empty frame")
    if not frame.isascii() and not is_utf8(frame):
        raise UndecodableError("invalid UTF-8")
