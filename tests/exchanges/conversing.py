"""What the tests of single exchanges have in common: frames through an adapter."""

import json
from collections.abc import Iterable

from collector.domain.errors import UndecodableError
from collector.domain.records import Envelope
from collector.exchanges.adapter import Adapter, Control, ControlKind, Decode


def as_frame(message: object) -> bytes:
    """A message as exchanges write JSON."""
    return json.dumps(message, separators=(",", ":")).encode()


def decoded(decode: Decode, frames: Iterable[bytes]) -> list[Envelope]:
    """The messages of all frames."""
    return [message for frame in frames for message in decode(frame)]


def refusal(decode: Decode, frame: bytes) -> str:
    """The reason why a frame cannot be decoded; empty if it can."""
    try:
        decode(frame)
    except UndecodableError as error:
        return str(error)
    return ""


def kind_of(adapter: Adapter, frame: bytes) -> ControlKind | None:
    """What a frame means for the connection."""
    control: Control | None = adapter.control(frame)
    return None if control is None else control.kind
