"""Kraken's futures market, WebSocket v1: perpetuals and futures.

Source: https://docs.kraken.com/api/docs/futures-api/websocket/book and its neighbours. That `seq` rises by one for each
product is not promised; it does on all 7,014 recorded pairs of ten books and 993 pairs of their trades. A book message is one
level. Sizes are contracts: dollars on inverse products, coins on others. A request for several products is answered once for
each in the recording and once for all in the documentation, so each product has a request of its own.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Final

from msgspec.json import Decoder

from collector.domain.records import IdRule
from collector.exchanges.adapter import Control, ControlKind, Keepalive, Limits, Request
from collector.exchanges.market import Channel, Market, Topics, noise, text
from collector.exchanges.places import places
from collector.exchanges.reading import each, several, shown, single
from collector.exchanges.rest_adapter import Get, Listing, ListPage, Refusal, RestLimits
from collector.exchanges.rest_market import RestMarket
from collector.exchanges.rest_reading import name, number, read_json, readable
from collector.exchanges.row_tables import OneLevel, level, row_table
from collector.exchanges.times import from_ms, from_rfc3339
from collector.exchanges.typed_rows import UNREADABLE

_SIDES: Final = {"buy": "buy", "sell": "sell"}
_TRADE_KINDS: Final = {"fill": "market"}
_KINDS: Final = {
    "PI": "perpetual",
    "PF": "perpetual",
    "PV": "perpetual",
    "FI": "future",
    "FF": "future",
    "FV": "future",
}
"""By the beginning of the symbol; what begins otherwise is an index."""


def _trade_kind(word: object) -> str | None:
    return _TRADE_KINDS.get(word, word.lower()) if isinstance(word, str) else None


def _kind(symbol: object) -> str | None:
    return _KINDS.get(symbol.upper().partition("_")[0]) if isinstance(symbol, str) else None


_TRADED: Final = {"trade": IdRule.DENSE, "liquidation": IdRule.RISING}
_READ_TRADE: Final = several(
    {"trade": "seq", "liquidation": ("type", lambda kind: kind if kind == "liquidation" else None)},
    symbol="product_id",
    id="seq",
    sent=("time", from_ms),
)
_BOOK: Final = Channel(
    "book",
    {"book_delta": IdRule.DENSE},
    single("book_delta", symbol="product_id", id="seq", sent=("timestamp?", from_ms)),
    "book {symbol}",
)
_WHOLE_BOOK: Final = Channel(
    "book_snapshot",
    {"book_delta": IdRule.DENSE},
    single(
        "book_delta",
        symbol="product_id",
        id="seq",
        sent=("timestamp?", from_ms),
        is_snapshot=("feed", "book_snapshot".__eq__),
    ),
)
_TRADES: Final = Channel("trade", _TRADED, _READ_TRADE, "trade {symbol}")
_LAST_TRADES: Final = Channel("trade_snapshot", _TRADED, each("trades", _READ_TRADE))  # the last 100, newest first
_TICKER: Final = Channel(
    "ticker",
    {
        "book_ticker": IdRule.NONE,
        "mark_price": IdRule.NONE,
        "funding_rate": IdRule.NONE,
        "open_interest": IdRule.NONE,
    },
    several(
        {
            "book_ticker": "bid|ask",
            "mark_price": "markPrice|index",
            "funding_rate": "relative_funding_rate|next_funding_rate_time",
            "open_interest": "openInterest",
        },
        symbol="product_id",
        sent=("time", from_ms),
    ),
    "ticker {symbol}",
)

_ROWS: Final = MappingProxyType(
    {
        "book_delta": (
            row_table("book_delta", last_id="seq", one_level=OneLevel("price", "qty", "side", "buy", "sell")),
            row_table(
                "book_delta",
                last_id="seq",
                is_snapshot=("feed", "book_snapshot".__eq__),
                bids="bids",
                asks="asks",
                levels=level("price", "qty"),
            ),
        ),
        "trade": (
            row_table(
                "trade",
                trade_id="uid|seq",
                price="price",
                size="qty",
                side=("side?", _SIDES.get),
                sequence="seq",
                kind=("type?", _trade_kind),
            ),
        ),
        "liquidation": (
            row_table("liquidation", liquidation_id="uid|seq", side=("side?", _SIDES.get), price="price", size="qty"),
        ),
        "book_ticker": (
            row_table("book_ticker", bid_price="bid?", bid_size="bid_size?", ask_price="ask?", ask_size="ask_size?"),
        ),
        "mark_price": (row_table("mark_price", mark_price="markPrice?", index_price="index?"),),
        "funding_rate": (
            row_table(
                "funding_rate",
                funding_rate="relative_funding_rate?",
                predicted_rate="relative_funding_rate_prediction?",
                next_funding_at=("next_funding_rate_time?", from_ms),
            ),
        ),
        "open_interest": (row_table("open_interest", open_interest="openInterest"),),
        "instrument": (
            row_table(
                "instrument",
                status=("tradeable", {True: "tradeable", False: "not tradeable"}.get),
                kind=("symbol", _kind),
                base="base?",
                quote="quote?",
                tick_size="tickSize?",
                contract_size="contractSize?",
                listed_at=("openingDate?", from_rfc3339),
                expires_at=("lastTradingTime?", from_rfc3339),
            ),
        ),
    }
)


class KrakenFuturesRest(RestMarket):
    """Instruments, turnover and time. Trades over REST have no `seq`, so no hole can be filled."""

    limits = RestLimits("https://futures.kraken.com", "kraken_futures", 100, 10.0)

    def refusal(self, body: bytes) -> tuple[Refusal, str] | None:
        """A `result` of error."""
        result, error = read_json(body, "result?", "error?")
        if result != "error":
            return None
        kinds = {"apiLimitExceeded": Refusal.LIMITED, "Unavailable": Refusal.PASSING, "Server Error": Refusal.PASSING}
        return kinds.get(str(error), Refusal.FINAL), shown(str(error))

    def lists(self) -> tuple[Get, ...]:
        """All products and indices."""
        return (Get("/derivatives/api/v3/instruments", 1),)

    def read_list(self, get: Get, body: bytes) -> ListPage:
        """Without the indices. The list once had the symbols in lower case; frames never had."""
        found = readable(body, "instruments", ("symbol", name), "tradeable")
        listings = [
            Listing(symbol.upper(), kind, tradeable is True, item)
            for item, symbol, tradeable in found.entries
            if (kind := _kind(symbol)) is not None
        ]
        return ListPage(listings, unread=found.unread)

    def volumes(self) -> tuple[Get, ...]:
        """The tickers of all products."""
        return (Get("/derivatives/api/v3/tickers", 1),)

    def read_volumes(self, get: Get, body: bytes) -> Mapping[str, float]:
        """In the quote currency."""
        tickers = readable(body, "tickers", ("symbol", name), ("volumeQuote?", number)).entries
        return {symbol.upper(): value for _, symbol, value in tickers if value is not None}

    def clock(self) -> Get:
        """Every response has the time; this one is short."""
        return Get("/derivatives/api/v3/feeschedules", 1)

    def read_clock(self, body: bytes) -> int:
        """RFC 3339."""
        (time,) = read_json(body, "serverTime")
        return from_rfc3339(time)


_FEED: Final = re.compile(rb'\A\{"feed":"(\w+)","product_id":', re.ASCII)
_HEAD: Final = places({"feed": "feed?", "event": "event?", "message": "message?", "products": "product_ids?"})
_READ_HEAD: Final = Decoder(_HEAD.struct).decode
_EVENTS: Final = {
    "subscribed": ControlKind.ACK,
    "unsubscribed": ControlKind.ACK,
    "subscribed_failed": ControlKind.ERROR,
    "unsubscribed_failed": ControlKind.ERROR,
    "error": ControlKind.ERROR,
    "alert": ControlKind.ERROR,
    "info": ControlKind.HEARTBEAT,
}


class KrakenFutures(Market):
    """See the beginning of this file."""

    exchange = "kraken_futures"
    ws_url = "wss://futures.kraken.com"
    path = "/ws/v1"
    channels: ClassVar = (_BOOK, _WHOLE_BOOK, _TRADES, _LAST_TRADES, _TICKER)
    unasked = frozenset({"ticker_lite", "heartbeat"})
    rows = _ROWS
    limits = Limits(
        connections=100,
        window_secs=60.0,
        streams_per_connection=200,  # none is stated
        messages_per_sec=50.0,
        lifetime_secs=86_400.0,  # none is stated
        live=100,
    )
    keepalive = Keepalive('{"event":"subscribe","feed":"heartbeat"}', 30.0)
    opens_with_books = True
    rest = KrakenFuturesRest()
    symbol_pattern = re.compile(rf"(?:{'|'.join(_KINDS)})_[A-Z0-9]+(?:_[0-9]{{6}})?")
    symbol_example = "PF_XBTUSD"
    names = re.compile(  # tickers have these two in another order
        rb'\A\{(?=.*?"feed":"(book|trade|ticker)(?:_snapshot)?"[,}])(?=.*?"product_id":"([^"]+)")'
    )

    def channel_of(self, frame: bytes) -> str:
        """The feed; an answer names its feed, too, and is none of its frames."""
        if found := _FEED.match(frame):
            return found[1].decode()
        head = _READ_HEAD(frame)
        feed, event = _HEAD.getters["feed"](head), _HEAD.getters["event"](head)
        return feed if isinstance(feed, str) and event is None else ""

    def control(self, frame: bytes) -> Control | None:
        """Frames with an `event`."""
        try:
            head = _READ_HEAD(frame)
        except UNREADABLE:
            return noise(frame)
        feed, event, message, products = (get(head) for get in _HEAD.getters.values())
        if feed == "heartbeat":
            return Control(ControlKind.HEARTBEAT, "heartbeat")
        if event is None:
            return noise(frame) if feed is None else None
        kind = _EVENTS.get(str(event))
        return noise(frame) if kind is None else Control(kind, shown(f"{event} {message or products or ''}".strip()))

    def requests(self, verb: str, topics: Topics) -> list[Request]:
        """One for each topic."""
        parts = (topic.split(" ") for topic, _ in topics)
        return [Request(text({"event": verb, "feed": feed, "product_ids": [product]})) for feed, product in parts]
