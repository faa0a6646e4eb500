"""An exchange whose frames say plainly what they are, to try each rule of the contract without another one's details.

A frame has messages, or is a control frame, or belongs to a channel that nobody subscribed (`other`); each may have a
ticket. See `Frame` and `Message`.
"""

import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from collector.domain.errors import UndecodableError
from collector.domain.records import Envelope, IdRule, StreamKey
from collector.exchanges.adapter import Control, ControlKind, Decode, Limits, Subscription
from collector.exchanges.market import Channel, Market

NAME: Final = "toy"
SYMBOLS: Final = ("A", "B")
RULES: Final[Mapping[str, IdRule]] = MappingProxyType(
    {
        "book_delta": IdRule.DENSE,
        "agg_trade": IdRule.CHAINED,
        "book_snapshot": IdRule.RISING,
        "trade": IdRule.UNIQUE,
        "liquidation": IdRule.NONE,
    }
)


class Message(msgspec.Struct):
    """A message in a frame."""

    t: str
    s: str
    id: int | None = None
    first: int | None = None
    sent: int | None = None
    snapshot: bool = False
    witness: bool = False


class Frame(msgspec.Struct):
    """Every field that a frame may have."""

    messages: list[msgspec.Raw] = []
    control: str = ""
    other: int = 0
    ticket: int | None = None


read_frame: Final = msgspec.json.Decoder(Frame).decode
read_message: Final = msgspec.json.Decoder(Message).decode


class Toy(Market):
    """See above."""

    exchange = NAME
    ws_url = "ws://toy"
    limits = Limits(1, 1.0, 100, 1.0, 1.0)
    symbol_pattern = re.compile("[A-Z]+")
    symbol_example = "A"
    names = re.compile(rb'"s":"([^"]+)"')

    def __init__(self, rules: Mapping[str, IdRule] = RULES, *, has_tickets: bool = False) -> None:
        self.channels = (Channel("toy", rules, lambda _frame, _keys: [], "{symbol}"),)  # type: ignore[misc]
        self.has_tickets = has_tickets  # type: ignore[misc]

    def control(self, frame: bytes) -> Control | None:
        text = read_frame(frame).control
        return Control(ControlKind.HEARTBEAT, text) if text else None

    def ticket(self, frame: bytes) -> int | None:
        try:
            return read_frame(frame).ticket
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None

    def decoder(self, subscription: Subscription, state: bytes = b"") -> Decode:
        return decode


def decode(frame: bytes) -> list[Envelope]:
    try:
        found = [(read_message(raw), bytes(raw)) for raw in read_frame(frame).messages]
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UndecodableError("malformed JSON") from error
    return [
        Envelope(StreamKey(NAME, one.s, one.t), one.id, one.first, one.sent, b"" if one.witness else raw, one.snapshot)
        for one, raw in found
    ]


def message(data_type: str, id_: int | None, *, symbol: str = "A", **more: Any) -> dict[str, Any]:
    """A message; `more` are its other fields, and any that only make its text another one."""
    return {"t": data_type, "s": symbol, "id": id_, **more}


def frame(*messages: dict[str, Any], **more: Any) -> bytes:
    """A frame with these messages."""
    return json.dumps({"messages": messages, **more}, separators=(",", ":")).encode()


def update(id_: int, first: int | None = None, **more: Any) -> bytes:
    """An update of the book of A, sent at its id in seconds unless said otherwise."""
    return frame(message("book_delta", id_, **{"first": first, "sent": at(id_), **more}))


def snapshot(id_: int, **more: Any) -> bytes:
    """The whole book of A up to that update."""
    return update(id_, snapshot=True, **more)


def witness(id_: int, data_type: str = "book_delta", **more: Any) -> bytes:
    """A frame that says that a message with this id exists."""
    return frame(message(data_type, id_, **{"witness": True, "sent": at(id_), **more}))


def at(id_: float) -> int:
    """The time of second `id_`, in microseconds."""
    return 1_700_000_000_000_000 + round(id_ * 1_000_000)
