"""Binance spot over combined JSON streams.

Source: web-socket-streams.md in github.com/binance/binance-spot-api-docs (2026-07-21). Continuity rules and measured
sequences: docs/ADD_AN_EXCHANGE.md.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import ceil
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

import msgspec

from collector.domain.errors import ConfigError
from collector.domain.records import IdRule, StreamKey, TypedRow
from collector.exchanges import binance_messages as messages
from collector.exchanges.adapter import (
    ConnectionPlan,
    Control,
    ControlKind,
    Decode,
    Limits,
    Subscription,
)
from collector.exchanges.binance_decoding import WRAP, decoder, shown

_WS_URL: Final = "wss://stream.binance.com:9443"

_CHANNELS: Final = {
    "book_snapshot": "depth20@100ms",
    "book_delta": "depth@100ms",
    "trade": "trade",
    "agg_trade": "aggTrade",
    "book_ticker": "bookTicker",
}

_SYMBOL: Final = re.compile(r"[\w.-]+")

_NAMES_IN_URL: Final = 100
"""Keeps the URL below 8 KiB, which many HTTP servers refuse, even where every name has to be percent-encoded."""

_NAMES_IN_MESSAGE: Final = 200

_SHUTDOWN_WRAP: Final = b'{"stream":"!'


class Binance:
    """See `Adapter`. Symbols are written as exchangeInfo prints them, in capitals; stream names want them small."""

    exchange: Final = "binance"
    id_rules: Final[Mapping[str, IdRule]] = MappingProxyType(
        {
            "book_snapshot": IdRule.RISING,
            "book_delta": IdRule.DENSE,
            "trade": IdRule.DENSE,
            "agg_trade": IdRule.DENSE,
            "book_ticker": IdRule.RISING,
        }
    )
    limits: Final = Limits(
        connections=300,
        window_secs=300.0,
        streams_per_connection=1024,
        messages_per_sec=4.0,  # 5 are allowed; pongs count among them
        lifetime_secs=86_400.0,
    )

    def plan(self, subscription: Subscription, ws_url: str) -> list[ConnectionPlan]:
        """Streams stand in the order of the symbols, then of the data types."""
        _check(subscription)
        keys = list(_keys(subscription))
        count = ceil(len(keys) / self.limits.streams_per_connection)
        bounds = [len(keys) * part // count for part in range(count + 1)] if count else []
        base = ws_url.rstrip("/") or _WS_URL
        return [_connection(base, keys[start:end]) for start, end in pairwise(bounds)]

    def control(self, frame: bytes) -> Control | None:
        """Acks, errors and `serverShutdown`; keep-alives are WebSocket pings and never get here."""
        if frame.startswith(WRAP) and not frame.startswith(_SHUTDOWN_WRAP):
            return None
        try:
            kind = _control_kind(msgspec.json.decode(frame))
        except messages.UNREADABLE:
            return None
        return None if kind is None else Control(kind, shown(frame.decode(errors="replace")))

    def decoder(self, subscription: Subscription) -> Decode:
        """A message's stream is the one its wrap names; its symbol, if it has one, must agree."""
        return decoder({_stream_name(key): key for key in _keys(subscription)}, self.control)

    def rows(self, data_type: str, payloads: Sequence[bytes]) -> list[TypedRow | None]:
        """`side` is the taker's: where the buyer is the maker, the taker sold."""
        return messages.rows(data_type, payloads)

    def decimals(self, data_type: str, payload: bytes) -> list[str]:
        """Prices and sizes."""
        return messages.decimals(data_type, payload)


def _check(subscription: Subscription) -> None:
    """Refuse what the exchange would acknowledge and then never send, or send under a symbol nobody asked for."""
    problems = [
        f"symbols = {symbol!a}: is not written as exchangeInfo prints symbols; must be like BTCUSDT"
        for symbol in subscription.symbols
        if _SYMBOL.fullmatch(symbol) is None or symbol.lower().upper() != symbol
    ]
    problems += [
        f"data_types = {data_type!a}: is not offered by binance; must be one of {', '.join(_CHANNELS)}"
        for data_type in subscription.data_types
        if data_type not in _CHANNELS
    ]
    if problems:
        raise ConfigError(problems)


def _keys(subscription: Subscription) -> dict[StreamKey, None]:
    """Each stream once, in order."""
    return dict.fromkeys(
        StreamKey(Binance.exchange, symbol, data_type)
        for symbol in subscription.symbols
        for data_type in subscription.data_types
    )


def _stream_name(key: StreamKey) -> str:
    return f"{key.symbol.lower()}@{_CHANNELS[key.data_type]}"


def _connection(base: str, keys: list[StreamKey]) -> ConnectionPlan:
    names = [_stream_name(key) for key in keys]
    first, rest = names[:_NAMES_IN_URL], names[_NAMES_IN_URL:]
    url = f"{base}/stream?streams={'/'.join(quote(name, safe='@') for name in first)}"
    batches = [rest[start : start + _NAMES_IN_MESSAGE] for start in range(0, len(rest), _NAMES_IN_MESSAGE)]
    requests = [
        {"method": "SUBSCRIBE", "params": batch, "id": request_id} for request_id, batch in enumerate(batches, start=1)
    ]
    return ConnectionPlan(url, tuple(msgspec.json.encode(request).decode() for request in requests), tuple(keys))


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
    return None
