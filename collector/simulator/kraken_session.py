"""Kraken's side of a connection (spot, WebSocket v2), for live markets: books with checksums.

Source: https://docs.kraken.com/api/docs/guides/spot-ws-book-v2 and the pages of its channels.
"""

import json
import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from collector.simulator.client_session import ClientError, ClientSession
from collector.simulator.dialects import DIALECTS
from collector.simulator.frames import Frame, payload, wire
from collector.simulator.listings import Listings
from collector.simulator.live_shapes import BookView, View, changes, find, view
from collector.simulator.market import Market
from collector.simulator.messages import decimal
from collector.simulator.names import kraken_name

DEPTH: Final = 100
HEARTBEAT_SECS: Final = 1.0

_DIALECT: Final = next(one for one in DIALECTS if one.exchange == "kraken")
_CHANNELS: Final = {"depth@100ms": "book", "trade": "trade", "bookTicker": "ticker"}
_CHECKED_LEVELS: Final = 10


class KrakenSession(ClientSession):
    """A client of Kraken's spot market."""

    idle_secs = _DIALECT.idle_secs

    def __init__(self, listings: Listings) -> None:
        """Of these markets, those without contracts."""
        self._listings = listings
        self._markets: dict[str, Market] = {}
        """Those that were subscribed, by their names here."""
        self._subscribed: dict[tuple[str, str], int] = {}
        """Channel and symbol, with the depth of a book."""
        self._sent: dict[str, BookView] = {}
        self._spoke_at = 0.0
        self._quiet = True

    @property
    def streams(self) -> Sequence[str]:
        """Channel and symbol."""
        return [f"{symbol}@{channel}" for channel, symbol in self._subscribed]

    def greetings(self) -> list[str]:
        """The state of the exchange."""
        status = {"version": "2.0.10", "system": "online", "api_version": "v2", "connection_id": 1}
        return [_text({"channel": "status", "type": "update", "data": [status]})]

    def handle(self, text: bytes) -> list[str]:
        """One acknowledgement for each symbol, then the snapshots."""
        pong = _DIALECT.pong(text)
        if pong is not None:
            return [pong]
        if not _DIALECT.understands(text):
            raise ClientError(f"kraken does not understand {text[:100].decode(errors='replace')}")
        said = msgspec.json.decode(text)
        method, params = said["method"], said["params"]
        replies: list[str] = []
        for symbol in params.get("symbol", []):
            market = find(self._listings, symbol, kraken_name)
            if market is not None:
                self._markets[symbol] = market
            if market is None and (method == "subscribe" or symbol not in self._markets):
                error = f"Currency pair not supported {symbol}"
                replies.append(_text({"error": error, "method": method, "success": False, "symbol": symbol}))
            else:
                replies += self._subscribe(method, symbol, params)
        return replies

    def wants(self, stream: str) -> bool:
        """Whether a frame of the market becomes one of a subscribed channel."""
        name, _, channel = stream.partition("@")
        symbol = kraken_name(name.upper())
        return (_CHANNELS.get(channel, ""), symbol) in self._subscribed

    def render(self, frame: Frame) -> list[Frame]:
        """The market's frame in Kraken's shape."""
        name, _, channel = frame.stream.partition("@")
        symbol = kraken_name(name.upper())
        said = json.loads(payload(frame.wire))["data"]
        self._quiet = False
        match channel:
            case "trade":
                text = _message("trade", "update", _trade(symbol, said))
            case "bookTicker":
                quote = f'"bid":{said["b"]},"bid_qty":{said["B"]},"ask":{said["a"]},"ask_qty":{said["A"]}'
                text = _message("ticker", "update", f'{{"symbol":"{symbol}",{quote}}}')
            case _:
                text = self._book(symbol)
        return [frame._replace(wire=wire(text.encode()))] if text else []

    def due(self, now: float) -> list[str]:
        """A heartbeat in each second without another message."""
        if now - self._spoke_at < HEARTBEAT_SECS:
            return []
        was_quiet, self._quiet, self._spoke_at = self._quiet, True, now
        return [_text({"channel": "heartbeat"})] if was_quiet and self._subscribed else []

    def _subscribe(self, method: str, symbol: str, params: Mapping[str, Any]) -> list[str]:
        channel = params["channel"]
        result = {"channel": channel, "symbol": symbol} | (
            {"depth": params.get("depth", 10)} if channel == "book" else {}
        )
        times = {"time_in": _now(), "time_out": _now()}
        ack = _text({"method": method, "result": result, "success": True, **times})
        if method == "unsubscribe":
            self._subscribed.pop((channel, symbol), None)
            return [ack]
        self._subscribed[channel, symbol] = params.get("depth") or 10
        return [ack, *self._snapshot(channel, symbol)]

    def _snapshot(self, channel: str, symbol: str) -> list[str]:
        market = self._markets[symbol]
        if channel == "book":
            book = self._sent[symbol] = view(market, self._subscribed["book", symbol])
            return [
                _message("book", "snapshot", _levels(symbol, list(book.bids.items()), list(book.asks.items()), book))
            ]
        if channel == "trade" and market.trades:
            scale = market.scale
            trades = [
                {"p": decimal(one.price * scale.tick), "q": decimal(one.size * scale.step), "m": one.seller_is_taker, "t": one.id, "T": one.at_ms}
                for one in market.trades[-50:]
            ]  # fmt: skip
            return [_message("trade", "snapshot", ",".join(_trade(symbol, trade) for trade in trades))]
        return []

    def _book(self, symbol: str) -> str:
        """The change since the last message; empty where none of the best levels has changed."""
        before = self._sent[symbol]
        book = self._sent[symbol] = view(self._markets[symbol], self._subscribed["book", symbol])
        bids, asks = changes(before.bids, book.bids, falling=True), changes(before.asks, book.asks, falling=False)
        return _message("book", "update", _levels(symbol, bids, asks, book)) if bids or asks else ""


def checksum(bids: View, asks: View) -> int:
    """CRC32 of the digits of the ten best asks, then bids, without point and leading zeros."""
    digits = [
        number.replace(".", "").lstrip("0")
        for side in (asks, bids)
        for level in list(side.items())[:_CHECKED_LEVELS]
        for number in level
    ]
    return zlib.crc32("".join(digits).encode())


def _levels(symbol: str, bids: list[tuple[str, str]], asks: list[tuple[str, str]], book: BookView) -> str:
    sides = (
        f'"{name}":[{",".join(f"{{{_pair(price, size)}}}" for price, size in side)}]'
        for name, side in (("bids", bids), ("asks", asks))
    )
    return f'{{"symbol":"{symbol}",{",".join(sides)},"checksum":{checksum(*book)},"timestamp":"{_now()}"}}'


def _pair(price: str, size: str) -> str:
    return f'"price":{price},"qty":{size}'


def _trade(symbol: str, said: Mapping[str, Any]) -> str:
    side = "sell" if said["m"] else "buy"
    at = datetime.fromtimestamp(said["T"] / 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return (
        f'{{"symbol":"{symbol}","side":"{side}","price":{said["p"]},"qty":{said["q"]},"ord_type":"limit",'
        f'"trade_id":{said["t"]},"timestamp":"{at}"}}'
    )


def _message(channel: str, kind: str, data: str) -> str:
    return f'{{"channel":"{channel}","type":"{kind}","data":[{data}]}}'


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _text(message: object) -> str:
    return json.dumps(message, separators=(",", ":"))
