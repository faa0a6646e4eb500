"""Bitfinex as it was recorded: frames name a channel by a number that each connection gives out anew, and are numbered."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from collector.domain.errors import UndecodableError
from collector.domain.records import Envelope, IdRule, StreamKey
from collector.exchanges.adapter import Control, ControlKind, Conversation, Subscription
from tests.processes.writer.toy_exchange import NAME, Toy

RECORDING: Final = "bitfinex/cryptofeed_v3_BITFINEX.prefix"
TYPES: Final = {"book": "book_delta", "trades": "trade"}


class Bitfinex(Toy):
    """Books and trades; tickers are channels that nobody asked for."""

    def __init__(self, *, has_tickets: bool = False) -> None:
        super().__init__(dict.fromkeys(TYPES.values(), IdRule.NONE), has_tickets=has_tickets)

    def control(self, frame: bytes) -> Control | None:
        is_control = frame.startswith(b"{") or b',"hb"' in frame
        return Control(ControlKind.ACK, "") if is_control else None

    def ticket(self, frame: bytes) -> int | None:
        try:
            read = json.loads(frame)
        except ValueError:
            return None
        return read[-1] if isinstance(read, list) and isinstance(read[-1], int) else None

    def decoder(self, subscription: Subscription, state: bytes = b"") -> "Talk":
        return Talk(json.loads(state) if state else {})


class Talk(Conversation):
    """Which channel has which number."""

    def __init__(self, channels: Mapping[str, list[str]]) -> None:
        self._channels = dict(channels)

    def state(self) -> bytes:
        return json.dumps(self._channels).encode()

    def __call__(self, frame: bytes) -> list[Envelope]:
        try:
            read: Any = json.loads(frame)
        except ValueError as error:
            raise UndecodableError("malformed JSON") from error
        if isinstance(read, dict):
            if read["event"] == "subscribed":
                self._channels[str(read["chanId"])] = [read["channel"], read["symbol"]]
            return []
        if read[1] == "hb":  # it may come before the answer that names its channel
            return []
        if str(read[0]) not in self._channels:
            raise UndecodableError("unknown channel")
        channel, symbol = self._channels[str(read[0])]
        if read[1] == "te" or channel not in TYPES:
            return []
        return [Envelope(StreamKey(NAME, symbol, TYPES[channel]), None, None, None, frame)]


def recorded_frames(lines: list[dict[str, Any]]) -> list[tuple[int, bytes]]:
    """What the exchange sent, and when."""
    return [(line["recv_ts_us"], line["raw"].encode()) for line in lines if line["dir"] == "in"]


def renumbered(frames: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """The same as another connection gets it: its channels have the numbers that others have on the first."""
    numbers = [json.loads(frame)["chanId"] for _, frame in frames if b'"chanId"' in frame]
    other = {b"%d" % old: b"%d" % new for old, new in zip(numbers, [*numbers[1:], numbers[0]], strict=True)}
    return [(at_us, _with_number(frame, other)) for at_us, frame in frames]


def symbols_of(frames: list[tuple[int, bytes]]) -> tuple[str, ...]:
    """The symbols that were subscribed."""
    acks = (json.loads(frame) for _, frame in frames if b'"chanId"' in frame)
    return tuple(dict.fromkeys(ack["symbol"] for ack in acks))


def rightly(frames: list[tuple[int, bytes]]) -> Iterator[tuple[StreamKey, bytes]]:
    """Each message of a whole connection with the stream that it belongs to."""
    talk = Talk({})
    for _, frame in frames:
        yield from ((message.stream, message.payload) for message in talk(frame))


def _with_number(frame: bytes, other: Mapping[bytes, bytes]) -> bytes:
    before, mark, behind = (b"", b"[", frame[1:]) if frame.startswith(b"[") else frame.partition(b'"chanId":')
    number = behind[: next((at for at, char in enumerate(behind) if char not in b"0123456789"), 0)]
    return before + mark + other.get(number, number) + behind[len(number) :]
