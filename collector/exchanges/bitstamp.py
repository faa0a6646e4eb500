"""Bitstamp: spot, and perpetuals settled in USD, over its WebSocket API v2.

Sources: https://www.bitstamp.net/websocket/v2/ and https://www.bitstamp.net/api/. No book message has an id. The documented
way to build a book orders its messages, and places the one from REST among them, by `microtimestamp`, which serves as the
id here: it neither repeats nor falls on any recorded message. A message that is lost leaves no trace.
"""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar, Final

from msgspec.json import Decoder

from collector.domain.records import Envelope, IdRule, StreamKey
from collector.exchanges.adapter import Control, ControlKind, Keepalive, Limits, Request
from collector.exchanges.market import Channel, Market, text
from collector.exchanges.places import Place, places, present
from collector.exchanges.reading import message_reader, several, shown, single
from collector.exchanges.rest_adapter import Get, Listing, ListPage, RestLimits
from collector.exchanges.rest_market import RestMarket
from collector.exchanges.rest_reading import book, name, number, readable
from collector.exchanges.row_tables import decimal_step, row_table
from collector.exchanges.times import from_secs, from_us
from collector.exchanges.typed_rows import UNREADABLE


def _market(channel: str) -> str:
    """What stands behind a channel's last underscore."""
    return channel.rpartition("_")[2]


_SYMBOL: Final[Place] = ("channel", _market)
_STAMP: Final = "data.microtimestamp"
_SIDES: Final = {0: "buy", 1: "sell"}

_DIFFS: Final = Channel(
    "diff_order_book",
    {"book_delta": IdRule.RISING},
    single("book_delta", symbol=_SYMBOL, id=_STAMP, sent=(_STAMP, from_us)),
    "diff_order_book_{symbol}",
)
_BOOKS: Final = Channel(
    "order_book",
    {"book_snapshot": IdRule.RISING},
    single("book_snapshot", symbol=_SYMBOL, id=_STAMP, sent=(_STAMP, from_us)),
    "order_book_{symbol}",
)
_TRADES: Final = Channel(
    "live_trades",
    {"trade": IdRule.RISING},
    single("trade", symbol=_SYMBOL, id="data.id", sent=(_STAMP, from_us)),
    "live_trades_{symbol}",
)
_FUNDING: Final = Channel(
    "funding_rate",
    {"mark_price": IdRule.NONE, "funding_rate": IdRule.NONE},
    several(
        {"mark_price": "data.mark_price|data.index_price", "funding_rate": "data.funding_rate"},
        symbol=_SYMBOL,
        sent=("data.timestamp", from_secs),
    ),
    "funding_rate_{symbol}",
)


def _base(pair: str) -> str:
    return pair.partition("/")[0]


def _quote(pair: str) -> str:
    return pair.rpartition("/")[2].removesuffix("-PERP")


def _kind(market_type: str | None) -> str:
    return "perpetual" if market_type == "PERPETUAL" else "spot"


_ROWS: Final = MappingProxyType(
    {
        "book_delta": (
            row_table("book_delta", last_id=_STAMP, bids="data.bids", asks="data.asks"),
            row_table(
                "book_delta",
                last_id="microtimestamp",
                is_snapshot=("microtimestamp", present),
                bids="bids",
                asks="asks",
            ),
        ),
        "book_snapshot": (row_table("book_snapshot", last_id=_STAMP, bids="data.bids", asks="data.asks"),),
        "trade": (
            row_table(
                "trade",
                trade_id="data.id",
                price="data.price_str",
                size="data.amount_str",
                side=("data.type?", _SIDES.get),
            ),
        ),
        "mark_price": (row_table("mark_price", mark_price="data.mark_price?", index_price="data.index_price?"),),
        "funding_rate": (
            row_table(
                "funding_rate",
                funding_rate="data.funding_rate?",
                next_funding_at=("data.next_funding_time?", from_secs),
            ),
        ),
        "instrument": (
            row_table(
                "instrument",
                status="trading",
                kind=("market_type?", _kind),
                base=("name", _base),
                quote=("name", _quote),
                tick_size=("counter_decimals?", decimal_step),
                lot_size=("base_decimals?", decimal_step),
                min_size="minimum_order_amount?",
                min_notional="minimum_order_value?",
                contract_size="contract_size?",
            ),
        ),
    }
)

_HEAD: Final = places({"event": "event?", "channel": "channel?"}, {"event": str, "channel": str})
_READ_HEAD: Final = Decoder(_HEAD.struct).decode
_event_of, _channel_of = _HEAD.getters.values()
_READ_BOOK: Final = message_reader(id="microtimestamp", sent=("microtimestamp", from_us))
_ACKS: Final = frozenset({"bts:subscription_succeeded", "bts:unsubscription_succeeded"})
_CONTROL: Final = "bts:"
_KINDS: Final = {
    **dict.fromkeys(_ACKS, ControlKind.ACK),
    "bts:error": ControlKind.ERROR,
    "bts:heartbeat": ControlKind.HEARTBEAT,
    "bts:request_reconnect": ControlKind.SHUTDOWN,
}


class BitstampRest(RestMarket):
    """Books, instruments and volumes. Trades are not numbered without holes, so none can be said to be missing."""

    limits = RestLimits("https://www.bitstamp.net", "bitstamp", 1_000, 60.0)

    def snapshot(self, symbol: str) -> Get:
        """The whole book, with the sizes of a price added up."""
        return Get(f"/api/v2/order_book/{symbol}/?group=1", 1)

    def read_snapshot(self, stream: StreamKey, body: bytes) -> Envelope:
        """Its id is its `microtimestamp`: messages of the book up to that time are in it."""
        return book(stream, _READ_BOOK, _ROWS["book_delta"][1], body)

    def lists(self) -> tuple[Get, ...]:
        """All markets at once."""
        return (Get("/api/v2/markets/", 1),)

    def read_list(self, get: Get, body: bytes) -> ListPage:
        """The older list `trading-pairs-info`, which has spot alone, calls the symbol `url_symbol`."""
        found = readable(body, "", ("market_symbol|url_symbol", name), "market_type?", "trading")
        listings = [
            Listing(symbol, _kind(market_type), trading == "Enabled", item)
            for item, symbol, market_type, trading in found.entries
        ]
        return ListPage(listings, unread=found.unread)

    def volumes(self) -> tuple[Get, ...]:
        """The tickers of all markets."""
        return (Get("/api/v2/ticker/", 1),)

    def read_volumes(self, get: Get, body: bytes) -> Mapping[str, float]:
        """In the quote currency; the ticker spells a symbol `BTC/USD-PERP` that is `btcusd-perp` everywhere else."""
        found = readable(body, "", ("market|pair", name), ("volume", number), ("vwap", number)).entries
        return {market.replace("/", "").lower(): volume * average for _, market, volume, average in found}


class Bitstamp(Market):
    """Both kinds of market share one address. An unknown symbol is acknowledged, and silent."""

    exchange = "bitstamp"
    ws_url = "wss://ws.bitstamp.net"
    channels: ClassVar = (_BOOKS, _DIFFS, _TRADES, _FUNDING)
    unasked = frozenset({"live_orders", "detail_order_book"})
    rows = _ROWS
    rest = BitstampRest()
    limits = Limits(
        connections=100,  # none is stated
        window_secs=60.0,
        streams_per_connection=1_000,  # the 1,025th is answered by closing the connection
        messages_per_sec=20.0,  # none is stated
        lifetime_secs=7_776_000.0,
    )
    keepalive = Keepalive('{"event":"bts:heartbeat"}', 20.0)
    symbol_pattern = re.compile(r"[a-z0-9]+(-perp)?")
    symbol_example = "btcusd"
    names = re.compile(rb'"channel": ?"([^"]+)"(?!, ?"data": ?\{\})')  # acks name a channel too, and have no data
    route = ("channel",)

    def channel_of(self, frame: bytes) -> str:
        """The channel without its symbol."""
        head = _READ_HEAD(frame)
        channel = _channel_of(head)
        return "" if not channel or (_event_of(head) or "").startswith(_CONTROL) else channel.rpartition("_")[0]

    def control(self, frame: bytes) -> Control | None:
        """Frames whose event begins with `bts:`."""
        told = shown(frame.decode(errors="replace"))
        try:
            if self.channel_of(frame):
                return None
            event = _event_of(_READ_HEAD(frame))
        except UNREADABLE:
            return Control(ControlKind.NOISE, told)
        return Control(_KINDS.get(event, ControlKind.NOISE), told)

    def subscribe(self, topics: Sequence[tuple[str, StreamKey]]) -> list[Request]:
        """One topic a request."""
        return [Request(text({"event": "bts:subscribe", "data": {"channel": topic}})) for topic, _ in topics]
