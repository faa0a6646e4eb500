"""Hyperliquid: its perpetuals, those of builders (`dex:COIN`), and spot pairs (`@107`, `PURR/USDC`).

Source: https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket. Prices and sizes are decimals in quotes,
times milliseconds. No message is numbered: each book is whole, trades have unique ids in no order, and the first message
of a subscription to trades repeats the newest ones.
"""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar, Final

from msgspec.json import Decoder

from collector.domain.errors import UndecodableError
from collector.domain.records import IdRule, StreamKey
from collector.exchanges.adapter import Control, ControlKind, Keepalive, Limits, Request
from collector.exchanges.market import Channel, Market, noise, text
from collector.exchanges.places import places
from collector.exchanges.reading import listed, several, shown, single
from collector.exchanges.rest_adapter import Get, Listing, ListPage, RestLimits
from collector.exchanges.rest_market import RestMarket
from collector.exchanges.rest_reading import items, name, number, readable
from collector.exchanges.row_tables import level, row_table
from collector.exchanges.times import from_ms
from collector.exchanges.typed_rows import UNREADABLE

_SIDES: Final = {"B": "buy", "A": "sell"}
_GREETING: Final = b"Websocket connection established"
"""The first frame may be a text that is no JSON."""
_CONTEXT: Final = {
    "mark_price": "data.ctx.markPx",
    "funding_rate": "data.ctx.funding",
    "open_interest": "data.ctx.openInterest",
}


def _is_spot(symbol: str) -> bool:
    return symbol.startswith("@") or "/" in symbol


_BOOKS: Final = Channel(
    "l2Book",
    {"book_snapshot": IdRule.NONE},
    single("book_snapshot", symbol="data.coin", sent=("data.time", from_ms)),
    "l2Book {symbol}",
)
_BEST: Final = Channel(
    "bbo",
    {"book_ticker": IdRule.NONE},
    single("book_ticker", symbol="data.coin", sent=("data.time", from_ms)),
    "bbo {symbol}",
)
_TRADES: Final = Channel(
    "trades",
    {"trade": IdRule.UNIQUE},
    listed("trade", "data", as_sent=True, symbol="coin", id="tid", sent=("time", from_ms)),
    "trades {symbol}",
)
_PERPETUALS: Final = Channel(
    "activeAssetCtx",
    dict.fromkeys(_CONTEXT, IdRule.NONE),
    several(_CONTEXT, symbol="data.coin"),
    "activeAssetCtx {symbol}",
)
_PAIRS: Final = Channel(  # what a subscription to `activeAssetCtx` of a spot pair brings
    "activeSpotAssetCtx",
    {"mark_price": IdRule.NONE},
    several({"mark_price": "data.ctx.markPx"}, symbol="data.coin"),
)


def _perpetual(_: object) -> str:
    return "perpetual"


def _spot(_: object) -> str:
    return "spot"


def _step(decimals: float) -> float | None:
    """The smallest step of a size with so many decimals."""
    return float(f"1e-{decimals:.0f}") if 0 <= decimals < 100 else None  # noqa: PLR2004 -- no double needs more


_ROWS: Final = MappingProxyType(
    {
        "book_snapshot": (
            row_table("book_snapshot", bids="data.levels.0", asks="data.levels.1", levels=level("px", "sz")),
        ),
        "book_ticker": (
            row_table(
                "book_ticker",
                bid_price="data.bbo.0?.px?",
                bid_size="data.bbo.0?.sz?",
                ask_price="data.bbo.1?.px?",
                ask_size="data.bbo.1?.sz?",
            ),
        ),
        "trade": (row_table("trade", trade_id="tid", price="px", size="sz", side=("side?", _SIDES.get)),),
        "mark_price": (row_table("mark_price", mark_price="data.ctx.markPx", index_price="data.ctx.oraclePx?"),),
        "funding_rate": (row_table("funding_rate", funding_rate="data.ctx.funding"),),
        "open_interest": (row_table("open_interest", open_interest="data.ctx.openInterest"),),
        "instrument": (
            row_table("instrument", kind=("maxLeverage", _perpetual), base="name", lot_size=("szDecimals?", _step)),
            row_table("instrument", kind=("tokens", _spot)),
        ),
    }
)


def _info(question: str, weight: int = 20) -> Get:
    return Get("/info", weight, "POST", text({"type": question}))


class HyperliquidRest(RestMarket):
    """Instruments and turnover. Trades are not numbered and REST has only the newest, so no hole can be filled."""

    limits = RestLimits("https://api.hyperliquid.xyz", "hyperliquid", 1_200, 60.0)

    def lists(self) -> tuple[Get, ...]:
        """Perpetuals and spot pairs; builders' perpetuals have a list of each builder."""
        return _info("meta"), _info("spotMeta")

    def read_list(self, get: Get, body: bytes) -> ListPage:
        """See `RestAdapter.read_list`."""
        kind = "spot" if "spotMeta" in get.body else "perpetual"
        found = readable(body, "universe", ("name", name), "isDelisted?")
        listings = [Listing(coin, kind, is_delisted is not True, item) for item, coin, is_delisted in found.entries]
        return ListPage(listings, unread=found.unread)

    def volumes(self) -> tuple[Get, ...]:
        """The contexts of all perpetuals and spot pairs."""
        return _info("metaAndAssetCtxs"), _info("spotMetaAndAssetCtxs")

    def read_volumes(self, get: Get, body: bytes) -> Mapping[str, float]:
        """The turnover, in the quote currency. The contexts of perpetuals follow their list and have no names."""
        if "spotMeta" in get.body:
            pairs = readable(body, "1", ("coin", name), ("dayNtlVlm", number)).entries
            return {coin: value for _, coin, value in pairs}
        coins = [coin for _, coin in items(body, "0.universe", ("name", name))]
        values = [value for _, value in items(body, "1", ("dayNtlVlm", number))]
        if len(coins) != len(values):
            raise UndecodableError("not a context for each perpetual")
        return dict(zip(coins, values, strict=True))


_HEAD: Final = places({"channel": "channel?", "data": "data?"})
_READ_HEAD: Final = Decoder(_HEAD.struct).decode
_KINDS: Final = {
    "subscriptionResponse": ControlKind.ACK,
    "error": ControlKind.ERROR,
    "pong": ControlKind.HEARTBEAT,
}


class Hyperliquid(Market):
    """All that trades on Hyperliquid."""

    exchange = "hyperliquid"
    ws_url = "wss://api.hyperliquid.xyz"
    path = "/ws"
    channels: ClassVar = (_BOOKS, _BEST, _TRADES, _PERPETUALS, _PAIRS)
    unasked = frozenset({"allMids", "candle", "notification"})
    rows = _ROWS
    rest = HyperliquidRest()
    limits = Limits(
        connections=30,
        window_secs=60.0,
        streams_per_connection=100,  # an address may have 1,000 subscriptions on at most 10 connections
        messages_per_sec=3.0,  # an address may send 2,000 messages a minute
        lifetime_secs=86_400.0,  # none is stated
        live=10,
    )
    keepalive = Keepalive('{"method":"ping"}', 30.0)
    symbol_pattern = re.compile(r"@[0-9]+|[A-Za-z0-9]+/[A-Z0-9]+|([a-z0-9]+:)?[A-Za-z0-9_-]+")
    symbol_example = "BTC, kPEPE, @107 or PURR/USDC"
    names = re.compile(rb'^\{"channel":"([^"\\]+)","data":\[?\{"coin":"([^"\\]+)"')

    def channel_of(self, frame: bytes) -> str:
        """Stands first."""
        usual = self.names.match(frame)
        if usual is not None:
            return usual[1].decode()
        if frame.startswith(_GREETING):
            return ""
        channel = _HEAD.getters["channel"](_READ_HEAD(frame))
        return channel if isinstance(channel, str) else ""

    def control(self, frame: bytes) -> Control | None:
        """Channels of their own."""
        if frame.startswith(_GREETING):
            return Control(ControlKind.HEARTBEAT, shown(frame.decode(errors="replace")))
        try:
            channel, data = (get(_READ_HEAD(frame)) for get in _HEAD.getters.values())
        except UNREADABLE:
            return noise(frame)
        if not isinstance(channel, str):
            return noise(frame)
        kind = _KINDS.get(channel)
        return None if kind is None else Control(kind, shown(str(data)))

    def subscribe(self, topics: Sequence[tuple[str, StreamKey]]) -> list[Request]:
        """One a request."""
        subscriptions = (topic.partition(" ")[::2] for topic, _ in topics)
        return [
            Request(text({"method": "subscribe", "subscription": {"type": kind, "coin": coin}}))
            for kind, coin in subscriptions
        ]

    def spoken(self, topic: str, key: StreamKey) -> bytes:
        """A channel and a coin."""
        channel, _, coin = topic.partition(" ")
        return f"{_PAIRS.name if channel == _PERPETUALS.name and _is_spot(coin) else channel}{coin}".encode()
