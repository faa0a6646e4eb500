"""The base adapter of Binance's markets: combined JSON streams, subscribed in the URL and with SUBSCRIBE messages.

Each market is a subclass with its address, channels and limits.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from math import ceil
from operator import itemgetter
from types import MappingProxyType
from typing import ClassVar, Final, NamedTuple
from urllib.parse import quote

import msgspec

from collector.domain.errors import ConfigError, UndecodableError
from collector.domain.records import IdRule, StreamKey, TypedColumns
from collector.exchanges import typed_rows
from collector.exchanges.adapter import (
    BookCheck,
    ConnectionPlan,
    Control,
    ControlKind,
    Decode,
    Limits,
    Request,
    Speakers,
    Subscription,
)
from collector.exchanges.binance.decoding import WRAP, decoder, shown
from collector.exchanges.binance.message_readers import MessageReaders
from collector.exchanges.binance.rest import BinanceRest

_NAMES_IN_URL: Final = 100
"""Keeps the URL below 8 KiB, beyond which many HTTP servers refuse it, even if every name is percent-encoded."""

_NAMES_IN_MESSAGE: Final = 200

_SHUTDOWN_WRAP: Final = b'{"stream":"!'


class Channel(NamedTuple):
    """The channel of a data type: streams `<symbol>@<name>`, on connections with this path."""

    name: str
    id_rule: IdRule
    path: str = ""
    other_path: str | None = None
    """Another path to try if the stream stays silent."""


class CombinedStreams:
    """See `Adapter`. Symbols are upper-case, as in exchangeInfo; stream names have them in lower case."""

    exchange: ClassVar[str]
    ws_url: ClassVar[str]
    channels: ClassVar[Mapping[str, Channel]]
    """By data type. Channels of different paths never share a connection."""
    readers: ClassVar[Mapping[str, MessageReaders]]
    """By data type."""
    limits: ClassVar[Limits]
    rest: ClassVar[BinanceRest]
    has_tickets: ClassVar[bool] = False
    checks: ClassVar[Mapping[str, BookCheck]] = MappingProxyType({})
    symbol_pattern: ClassVar[re.Pattern[str]] = re.compile(r"[\w.-]+")
    symbol_example: ClassVar[str] = "BTCUSDT"

    @property
    def id_rules(self) -> Mapping[str, IdRule]:
        """By data type."""
        return {data_type: channel.id_rule for data_type, channel in self.channels.items()}

    def plan(self, subscription: Subscription, ws_url: str) -> list[ConnectionPlan]:
        """Streams are ordered by path, then symbol, then data type."""
        self._check(subscription)
        base = ws_url.rstrip("/") or self.ws_url
        shares = self.shares(subscription)
        return [self._connection(base + self.channels[keys[0].data_type].path, keys) for keys in shares]

    def shares(self, subscription: Subscription) -> list[tuple[StreamKey, ...]]:
        """See `plan`; data types without a channel have no streams."""
        keys = self._keys(subscription)
        return [
            tuple(part)
            for path in dict.fromkeys(channel.path for channel in self.channels.values())
            for part in self._parts([key for key in keys if self.channels[key.data_type].path == path])
        ]

    def elsewhere(self, keys: Sequence[StreamKey], ws_url: str) -> list[ConnectionPlan]:
        """Connections on the channel's other path, if it has one."""
        base = ws_url.rstrip("/") or self.ws_url
        paths = {key: self.channels[key.data_type].other_path for key in keys}
        return [
            self._connection(base + path, part)
            for path in dict.fromkeys(path for path in paths.values() if path is not None)
            for part in self._parts([key for key in keys if paths[key] == path])
        ]

    def connection(self, keys: Sequence[StreamKey], ws_url: str) -> ConnectionPlan:
        """All keys have channels of the same path."""
        base = ws_url.rstrip("/") or self.ws_url
        return self._connection(base + self.channels[keys[0].data_type].path, keys)

    def ticket(self, frame: bytes) -> int | None:
        """None: the exchange numbers no frames."""
        return None

    def inflate(self, frame: bytes) -> bytes:
        """The exchange sends no binary frames."""
        raise UndecodableError("binary frame")

    def dial(self, plan: ConnectionPlan, answer: bytes) -> ConnectionPlan:
        """Nothing is asked."""
        return plan

    def again(self, keys: Sequence[StreamKey]) -> tuple[Request, ...]:
        """None: snapshots come over REST."""
        return ()

    def apart(self, keys: Sequence[StreamKey]) -> tuple[Request, ...]:
        """None: no name is refused."""
        return ()

    def speakers(self, subscription: Subscription) -> Speakers:
        """Reads the stream's name at the beginning of the wrap; JSON in an unusual form is parsed."""
        by_name = {self._stream_name(key): key for key in self._keys(subscription)}
        known = {WRAP + name.encode() + b'"': key for name, key in by_name.items()}
        # What is behind a name hardly differs from frame to frame, so a read of many frames has few different heads.
        head_of: Callable[[bytes], bytes] = itemgetter(slice(0, max(map(len, known), default=0)))
        start = len(WRAP)

        def speaking(frames: Sequence[bytes]) -> set[StreamKey | None]:
            heads = set(map(head_of, frames))
            keys = {known.get(head[: head.find(b'"', start) + 1]) for head in heads}
            if None not in keys:
                return keys
            odd = (frame for frame in frames if frame[: frame.find(b'"', start) + 1] not in known)
            return keys - {None} | {by_name.get(_name_in(frame)) for frame in odd}

        return speaking

    def control(self, frame: bytes) -> Control | None:
        """Acks, errors and `serverShutdown`; keep-alives are WebSocket pings and never get here."""
        if frame.startswith(WRAP) and not frame.startswith(_SHUTDOWN_WRAP):
            return None
        try:
            kind = _control_kind(msgspec.json.decode(frame))
        except typed_rows.UNREADABLE:
            kind = ControlKind.NOISE
        return None if kind is None else Control(kind, shown(frame.decode(errors="replace")))

    def decoder(self, subscription: Subscription, state: bytes = b"") -> Decode:
        """A message belongs to the stream that its wrap names; its symbol, if it has one, must match."""
        names = {self._stream_name(key): key for key in self._keys(subscription)}
        return decoder(names, self.readers, self.control)

    def columns(self, data_type: str, payloads: Sequence[bytes]) -> TypedColumns:
        """See `Adapter.columns`; `side` is the taker's."""
        return typed_rows.columns(self.readers[data_type].rows, payloads, self._rest_rows(data_type))

    def decimals(self, data_type: str, payload: bytes) -> list[str]:
        """Prices and sizes."""
        return typed_rows.decimals(self.readers[data_type].rows, payload, self._rest_rows(data_type))

    def _rest_rows(self, data_type: str) -> typed_rows.RowReaders | None:
        """The readers of REST responses, if REST has the data type."""
        readers = self.rest.readers.get(data_type)
        return None if readers is None else readers.rows

    def _check(self, subscription: Subscription) -> None:
        """Refuse symbols that the exchange would acknowledge and never send, or send under another spelling."""
        problems = [
            f"symbols = {symbol!a}: is not spelled as in exchangeInfo; must be like {self.symbol_example}"
            for symbol in subscription.symbols
            if self.symbol_pattern.fullmatch(symbol) is None or symbol.lower().upper() != symbol
        ]
        problems += [
            f"data_types = {data_type!a}: is not offered by {self.exchange}; must be one of {', '.join(self.channels)}"
            for data_type in subscription.data_types
            if data_type not in self.channels
        ]
        if problems:
            raise ConfigError(problems)

    def _keys(self, subscription: Subscription) -> dict[StreamKey, None]:
        """Each stream once, in order; none for a data type that only another version knows."""
        return dict.fromkeys(
            StreamKey(self.exchange, symbol, data_type)
            for symbol in subscription.symbols
            for data_type in subscription.data_types
            if data_type in self.channels
        )

    def _stream_name(self, key: StreamKey) -> str:
        return f"{key.symbol.lower()}@{self.channels[key.data_type].name}"

    def _parts(self, keys: list[StreamKey]) -> list[list[StreamKey]]:
        """Distribute evenly over the fewest connections."""
        count = ceil(len(keys) / self.limits.streams_per_connection)
        bounds = [len(keys) * part // count for part in range(count + 1)] if count else []
        return [keys[start:end] for start, end in pairwise(bounds)]

    def _connection(self, base: str, keys: Sequence[StreamKey]) -> ConnectionPlan:
        names = [self._stream_name(key) for key in keys]
        first, rest = names[:_NAMES_IN_URL], names[_NAMES_IN_URL:]
        url = f"{base}/stream?streams={'/'.join(quote(name, safe='@') for name in first)}"
        batches = [rest[start : start + _NAMES_IN_MESSAGE] for start in range(0, len(rest), _NAMES_IN_MESSAGE)]
        requests = [
            {"method": "SUBSCRIBE", "params": batch, "id": request_id}
            for request_id, batch in enumerate(batches, start=1)
        ]
        sent = tuple(Request(msgspec.json.encode(request).decode()) for request in requests)
        return ConnectionPlan(url, sent, tuple(keys))


class _Wrapped(msgspec.Struct):
    stream: str


_WRAPPED: Final = msgspec.json.Decoder(_Wrapped)


def _name_in(frame: bytes) -> str:
    """The stream that a frame names, in whatever form of JSON; empty if it names none."""
    try:
        return _WRAPPED.decode(frame).stream
    except typed_rows.UNREADABLE:
        return ""


def _control_kind(fields: object) -> ControlKind | None:
    match fields:
        case {"stream": "!serverShutdown", "data": {"e": "serverShutdown"}}:
            return ControlKind.SHUTDOWN
        case {"stream": _}:
            return None
        case {"e": "serverShutdown"}:
            return ControlKind.SHUTDOWN
        case {"error": {"code": int(), "msg": str()}} | {"code": int(), "msg": str()}:
            return ControlKind.ERROR
        case {"result": _, "id": _}:
            return ControlKind.ACK
    return ControlKind.NOISE
