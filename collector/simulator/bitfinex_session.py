"""Bitfinex's side of a connection, for live markets: channel ids that each connection numbers anew, and a count of frames.

Source: https://docs.bitfinex.com/docs/ws-general and the pages of its channels.
"""

import itertools
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from collector.simulator.client_session import ClientError, ClientSession
from collector.simulator.dialects import DIALECTS
from collector.simulator.frames import Frame, payload, wire
from collector.simulator.listings import Listings
from collector.simulator.live_shapes import BookView, changes, find, view
from collector.simulator.market import Market
from collector.simulator.messages import decimal
from collector.simulator.names import bitfinex_name

TIMESTAMP: Final = 32_768
SEQUENCE: Final = 65_536
HEARTBEAT_SECS: Final = 15.0
MOST_CHANNELS: Final = 25

_DIALECT: Final = next(one for one in DIALECTS if one.exchange == "bitfinex")
_CHANNELS: Final = {"depth@100ms": "book", "trade": "trades", "bookTicker": "ticker"}
_connections: Final = itertools.count(1)


class BitfinexSession(ClientSession):
    """A client of Bitfinex."""

    def __init__(self, listings: Listings) -> None:
        """Of these markets, those without contracts."""
        self._listings = listings
        self._markets: dict[str, Market] = {}
        """Those that were subscribed, by their names here."""
        self._ids = itertools.count(10_000 * next(_connections))
        self._channels: dict[tuple[str, str], int] = {}
        """Id by channel and symbol."""
        self._lengths: dict[str, int] = {}
        self._sent: dict[str, BookView] = {}
        self._flags = 0
        self._sequence = 0
        self._beat_at = 0.0

    @property
    def streams(self) -> Sequence[str]:
        """Channel and symbol."""
        return [f"{symbol}@{channel}" for channel, symbol in self._channels]

    def greetings(self) -> list[str]:
        """The version and state of the platform."""
        return [_text({"event": "info", "version": 2, "serverId": "simulated", "platform": {"status": 1}})]

    def handle(self, text: bytes) -> list[str]:
        """An acknowledgement, then the snapshot."""
        pong = _DIALECT.pong(text)
        if pong is not None:
            return [pong]
        if not _DIALECT.understands(text):
            raise ClientError(f"bitfinex does not understand {text[:100].decode(errors='replace')}")
        said = msgspec.json.decode(text)
        match said["event"]:
            case "conf":
                self._flags = said["flags"]
                return [_text({"event": "conf", "status": "OK", "flags": self._flags})]
            case "unsubscribe":
                self._channels = {name: one for name, one in self._channels.items() if one != said["chanId"]}
                return [_text({"event": "unsubscribed", "status": "OK", "chanId": said["chanId"]})]
        return list(self._subscribe(said))

    def wants(self, stream: str) -> bool:
        """Whether a frame of the market becomes one of a subscribed channel."""
        name, _, channel = stream.partition("@")
        return (_CHANNELS.get(channel, ""), bitfinex_name(name.upper())) in self._channels

    def render(self, frame: Frame) -> list[Frame]:
        """The market's frame as Bitfinex's frames: of a book one for each level."""
        name, _, channel = frame.stream.partition("@")
        symbol = bitfinex_name(name.upper())
        id_ = self._channels[_CHANNELS[channel], symbol]
        said = json.loads(payload(frame.wire))["data"]
        match channel:
            case "trade":
                amount = f"-{said['q']}" if said["m"] else said["q"]
                trade = f"[{said['t']},{said['T']},{amount},{said['p']}]"
                texts = [f'"te",{trade}', f'"tu",{trade}']
            case "bookTicker":
                texts = [f"[{said['b']},{said['B']},{said['a']},{said['A']},0,0,{said['b']},0,{said['a']},{said['b']}]"]
            case _:
                texts = list(self._book(symbol))
        return [frame._replace(wire=wire(self._numbered(id_, text).encode())) for text in texts]

    def due(self, now: float) -> list[str]:
        """A heartbeat of each channel."""
        if now - self._beat_at < HEARTBEAT_SECS:
            return []
        self._beat_at = now
        return [self._numbered(id_, '"hb"') for id_ in self._channels.values()]

    def _subscribe(self, said: Mapping[str, Any]) -> Iterator[str]:
        channel, symbol = said["channel"], said.get("symbol", "")
        market = find(self._listings, symbol, bitfinex_name)
        if market is None or channel == "status":
            yield _text(
                {"event": "error", "msg": "symbol: invalid", "code": 10300, "channel": channel, "symbol": symbol}
            )
            return
        if len(self._channels) >= MOST_CHANNELS:
            yield _text(
                {"event": "error", "msg": "subscribe: limit", "code": 10305, "channel": channel, "symbol": symbol}
            )
            return
        self._markets[symbol] = market
        id_ = self._channels[channel, symbol] = next(self._ids)
        about = {name: said[name] for name in ("prec", "freq", "len") if name in said}
        self._lengths[symbol] = int(said.get("len") or 25)
        yield _text(
            {"event": "subscribed", "channel": channel, "chanId": id_, "symbol": symbol, **about, "pair": symbol[1:]}
        )
        yield from self._snapshot(channel, symbol, id_)

    def _snapshot(self, channel: str, symbol: str, id_: int) -> Iterator[str]:
        market = self._markets[symbol]
        if channel == "book":
            book = self._sent[symbol] = view(market, self._lengths[symbol])
            yield self._numbered(id_, f"[{','.join(_levels(list(book.bids.items()), list(book.asks.items())))}]")
        elif channel == "trades":
            scale = market.scale
            trades = (
                f"[{one.id},{one.at_ms},{'-' if one.seller_is_taker else ''}{decimal(one.size * scale.step)},"
                f"{decimal(one.price * scale.tick)}]"
                for one in reversed(market.trades[-30:])
            )
            yield self._numbered(id_, f"[{','.join(trades)}]")

    def _book(self, symbol: str) -> Iterator[str]:
        before = self._sent[symbol]
        book = self._sent[symbol] = view(self._markets[symbol], self._lengths[symbol])
        yield from _levels(
            changes(before.bids, book.bids, falling=True), changes(before.asks, book.asks, falling=False)
        )

    def _numbered(self, id_: int, content: str) -> str:
        tail = ""
        if self._flags & SEQUENCE:
            self._sequence += 1
            tail += f",{self._sequence}"
        if self._flags & TIMESTAMP:
            tail += f",{time.time_ns() // 1_000_000}"
        return f"[{id_},{content}{tail}]"


def _levels(bids: list[tuple[str, str]], asks: list[tuple[str, str]]) -> list[str]:
    """Price, count, and amount: positive for bids; a count of 0 removes the level."""
    return [
        f"[{price},0,{sign}1]" if not float(size) else f"[{price},1,{sign if sign == '-' else ''}{size}]"
        for sign, side in (("", bids), ("-", asks))
        for price, size in side
    ]


def _text(message: object) -> str:
    return json.dumps(message, separators=(",", ":"))
