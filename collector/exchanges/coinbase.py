"""Coinbase Exchange, its feed without a key.

Source: https://docs.cdp.coinbase.com/exchange/websocket-feed/channels and the pages of its REST API. `side` is that of the
maker's order, which stood in the book: the taker's is the other. Books have neither ids nor a checksum. The exchange may
drop trades; `last_match` and each second's `heartbeat` name the last one, so that a loss shows at once.
"""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar, Final
from urllib.parse import urlencode

from msgspec.json import Decoder

from collector.domain.records import IdRule, StreamKey
from collector.exchanges.adapter import Control, ControlKind, Limits, Request
from collector.exchanges.market import Channel, Market, Topics, batches, by_channel, noise, text
from collector.exchanges.places import places
from collector.exchanges.reading import message_reader, shown, single, witness
from collector.exchanges.rest_adapter import Get, Hole, Listing, ListPage, Page, RestLimits
from collector.exchanges.rest_market import RestMarket
from collector.exchanges.rest_reading import messages, name, number, read_json, readable, readable_values
from collector.exchanges.row_tables import level, marked, row_table
from collector.exchanges.times import from_rfc3339
from collector.exchanges.typed_rows import UNREADABLE

_TAKERS: Final = {"buy": "sell", "sell": "buy"}
_PRODUCTS_IN_REQUEST: Final = 100
_TRADES_IN_PAGE: Final = 1_000

_CHANGES: Final = Channel(
    "l2update",
    {"book_delta": IdRule.NONE},
    single("book_delta", symbol="product_id", sent=("time?", from_rfc3339)),
    "level2_batch {symbol}",
)
_BOOK: Final = Channel(
    "snapshot",
    {"book_delta": IdRule.NONE},
    single("book_delta", symbol="product_id", sent=("time?", from_rfc3339), is_snapshot=("type", "snapshot".__eq__)),
)
_MATCHES: Final = Channel(
    "match",
    {"trade": IdRule.DENSE},
    single("trade", symbol="product_id", id="trade_id", sent=("time", from_rfc3339)),
    "matches {symbol}",
)
_LAST_MATCH: Final = Channel(
    "last_match",
    {"trade": IdRule.DENSE},
    witness("trade", symbol="product_id", id="trade_id", sent=("time?", from_rfc3339)),
)
_HEARTBEAT: Final = Channel(
    "heartbeat",
    {"trade": IdRule.DENSE},
    witness("trade", symbol="product_id", id="last_trade_id", sent=("time?", from_rfc3339)),
)
_TICKER: Final = Channel(
    "ticker",
    {"book_ticker": IdRule.NONE},
    single("book_ticker", symbol="product_id", sent=("time?", from_rfc3339)),
    "ticker {symbol}",
)

_ROWS: Final = MappingProxyType(
    {
        "book_delta": (
            row_table(
                "book_delta",
                bids=("changes", marked("buy")),
                asks=("changes", marked("sell")),
                levels=level("1", "2", "0", ("buy", "sell")),
            ),
            row_table("book_delta", is_snapshot=("type", "snapshot".__eq__), bids="bids", asks="asks"),
        ),
        "trade": (row_table("trade", trade_id="trade_id", price="price", size="size", side=("side?", _TAKERS.get)),),
        "book_ticker": (
            row_table(
                "book_ticker",
                bid_price="best_bid",
                bid_size="best_bid_size?",
                ask_price="best_ask",
                ask_size="best_ask_size?",
            ),
        ),
        "instrument": (
            row_table(
                "instrument",
                status="status?",
                kind=("id", lambda _: "spot"),
                base="base_currency?",
                quote="quote_currency?",
                tick_size="quote_increment?",
                lot_size="base_increment?",
                min_notional="min_market_funds?",
            ),
        ),
    }
)

_REST_TRADE: Final = message_reader(id="trade_id", sent=("time", from_rfc3339), symbol=("trade_id", str))
_DOLLARS: Final = ("-USD", "-USDT", "-USDC")


class CoinbaseRest(RestMarket):
    """Every trade since the product was listed, newest first; products, turnover and time. Its books have no stream's ids."""

    limits = RestLimits("https://api.exchange.coinbase.com", "coinbase", 10, 1.0)

    def page(self, stream: StreamKey, hole: Hole, cursor: str) -> Get | None:
        """Up to 1,000 trades below an id."""
        if stream.data_type != "trade":
            return None
        query = {"limit": _TRADES_IN_PAGE, "after": cursor or hole.last + 1}
        return Get(f"/products/{stream.symbol}/trades?{urlencode(query)}", 1)

    def read_page(self, stream: StreamKey, hole: Hole, cursor: str, body: bytes) -> Page:
        """A page that is empty is the end of what the exchange has."""
        trades = messages(stream, _REST_TRADE, body, "")
        lowest = min((trade.id or 0 for trade in trades), default=None)
        if lowest is None:
            return Page(trades, cursor)
        return Page(trades, None if lowest <= hole.first else str(lowest))

    def lists(self) -> tuple[Get, ...]:
        """All products."""
        return (Get("/products", 1),)

    def read_list(self, get: Get, body: bytes) -> ListPage:
        """A product may be online and not traded."""
        found = readable(body, "", ("id", name), "status?", "trading_disabled?")
        listings = [
            Listing(symbol, "spot", status == "online" and not disabled, item)
            for item, symbol, status, disabled in found.entries
        ]
        return ListPage(listings, unread=found.unread)

    def volumes(self) -> tuple[Get, ...]:
        """The statistics of all products; the request is not documented."""
        return (Get("/products/stats", 1),)

    def read_volumes(self, get: Get, body: bytes) -> Mapping[str, float]:
        """Of products that are quoted in dollars: the volume times the last price."""
        stats = readable_values(body, "", ("stats_24hour.volume?", number), ("stats_24hour.last?", number))
        return {
            symbol: volume * price
            for symbol, volume, price in stats.entries
            if symbol.endswith(_DOLLARS) and volume is not None and price is not None
        }

    def clock(self) -> Get:
        """The server's time."""
        return Get("/time", 1)

    def read_clock(self, body: bytes) -> int:
        """RFC 3339."""
        (time,) = read_json(body, "iso")
        return from_rfc3339(time)


_TYPE: Final = re.compile(rb'\A\{"type":"(\w+)"', re.ASCII)
_HEAD: Final = places({"type": "type?", "message": "message?", "reason": "reason?"})
_READ_HEAD: Final = Decoder(_HEAD.struct).decode
_ANSWERS: Final = {"subscriptions": ControlKind.ACK, "error": ControlKind.ERROR}
_CHANNELS: Final[Mapping[str, Sequence[str]]] = {"matches": ("matches", "heartbeat")}
"""What is subscribed together with a channel."""


class Coinbase(Market):
    """See the beginning of this file."""

    exchange = "coinbase"
    ws_url = "wss://ws-feed.exchange.coinbase.com"
    channels: ClassVar = (_CHANGES, _BOOK, _MATCHES, _LAST_MATCH, _HEARTBEAT, _TICKER)
    unasked = frozenset({"status", "auctionfeed", "rfq_match"})
    rows = _ROWS
    limits = Limits(
        connections=8,
        window_secs=1.0,
        streams_per_connection=100,  # none is stated
        messages_per_sec=100.0,
        lifetime_secs=86_400.0,  # none is stated
    )
    opens_with_books = True
    rest = CoinbaseRest()
    symbol_pattern = re.compile(r"[A-Z0-9]+-[A-Z0-9]+")
    symbol_example = "BTC-USD"
    names = re.compile(rb'"type":"(?:l2update|snapshot|(match)|(ticker))"[^\[]*?"product_id":"([^"]+)"')

    def channel_of(self, frame: bytes) -> str:
        """The `type`, but of frames that are answers."""
        found = _TYPE.match(frame)
        kind = found[1].decode() if found else _HEAD.getters["type"](_READ_HEAD(frame))
        return kind if isinstance(kind, str) and kind not in _ANSWERS else ""

    def control(self, frame: bytes) -> Control | None:
        """Answers and heartbeats."""
        try:
            head = _READ_HEAD(frame)
        except UNREADABLE:
            return noise(frame)
        kind, message, reason = (get(head) for get in _HEAD.getters.values())
        if not isinstance(kind, str):
            return noise(frame)
        if kind == "heartbeat":
            return Control(ControlKind.HEARTBEAT, kind)
        answer = _ANSWERS.get(kind)
        return None if answer is None else Control(answer, shown(f"{message or kind} {reason or ''}".strip()))

    def requests(self, verb: str, topics: Topics) -> list[Request]:
        """A request for each channel."""
        return [
            Request(text({"type": verb, "product_ids": batch, "channels": _CHANNELS.get(channel, (channel,))}))
            for channel, symbols in by_channel(topics).items()
            for batch in batches(symbols, _PRODUCTS_IN_REQUEST)
        ]

    def spoken(self, topic: str, key: StreamKey) -> bytes:
        """The type of the frames, unless they are a book's, and the product."""
        kind = {"trade": "match", "book_ticker": "ticker"}.get(key.data_type, "")
        return f"{kind}{key.symbol}".encode()
