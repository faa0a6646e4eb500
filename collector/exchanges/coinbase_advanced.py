"""Coinbase Advanced Trade, its feed without a key.

Source: https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-channels. `sequence_num` numbers all
frames of a connection, answers and heartbeats included: it rises by one on all 1,030 recorded frames. Books have no other
number. Trades have the numbers of Coinbase Exchange, and `side` is the maker's, as there: of 76 recorded trades at the best
bid or ask, 75 were at the bid where it says BUY and at the ask where it says SELL. Books call an ask an offer.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Final
from urllib.parse import urlencode

from msgspec import Raw, Struct, ValidationError
from msgspec.json import Decoder

from collector.domain.records import Envelope, IdRule, StreamKey
from collector.exchanges.adapter import Control, ControlKind, Limits, Request
from collector.exchanges.market import Channel, Market, Topics, batches, by_channel, noise, text
from collector.exchanges.places import Place, places
from collector.exchanges.reading import Keys, listed, message_reader, shown, single
from collector.exchanges.rest_adapter import Get, Hole, Listing, ListPage, Page, RestLimits
from collector.exchanges.rest_market import RestMarket
from collector.exchanges.rest_reading import messages, name, number, read_json, readable
from collector.exchanges.row_tables import level, marked, row_table
from collector.exchanges.times import from_ms, from_rfc3339
from collector.exchanges.typed_rows import UNREADABLE, RowReaders

_TAKERS: Final = {"BUY": "sell", "SELL": "buy"}
_PRODUCTS_IN_REQUEST: Final = 100
_TRADES_IN_PAGE: Final = 1_000
_IS_SNAPSHOT: Final[Place] = ("type", "snapshot".__eq__)
_SENT: Final[Mapping[str, Place]] = {"sent": ("timestamp", from_rfc3339)}

_READ_EVENT: Final = single(
    "book_delta",
    symbol="events.0!.product_id",
    is_snapshot=("events.0!.type", "snapshot".__eq__),
    sent=("timestamp", from_rfc3339),
)
_READ_EVENTS: Final = listed("book_delta", "events", symbol="product_id", is_snapshot=_IS_SNAPSHOT, common=_SENT)


def _read_book(frame: bytes, keys: Keys) -> list[Envelope]:
    """A frame has one event, as far as it was recorded; that it always has is not documented."""
    try:
        return _READ_EVENT(frame, keys)
    except ValidationError:
        return _READ_EVENTS(frame, keys)


_BOOK: Final = Channel("l2_data", {"book_delta": IdRule.NONE}, _read_book, "level2 {symbol}")
_TRADES: Final = Channel(  # newest first; the last 100 at the beginning
    "market_trades",
    {"trade": IdRule.DENSE},
    listed("trade", "events.*.trades", symbol="product_id", id="trade_id", sent=("time", from_rfc3339)),
    "market_trades {symbol}",
)
_TICKER: Final = Channel(
    "ticker",
    {"book_ticker": IdRule.NONE},
    listed("book_ticker", "events.*.tickers", symbol="product_id", common=_SENT),
    "ticker {symbol}",
)


def _book_rows(event: str) -> RowReaders:
    """Readers of a frame, or of one of its events."""
    return row_table(
        "book_delta",
        is_snapshot=(f"{event}type", "snapshot".__eq__),
        bids=(f"{event}updates", marked("bid")),
        asks=(f"{event}updates", marked("offer")),
        levels=level("price_level", "new_quantity", "side", ("bid", "offer")),
    )


_ROWS: Final = MappingProxyType(
    {
        "book_delta": (_book_rows("events.0!."), _book_rows("")),
        "trade": (row_table("trade", trade_id="trade_id", price="price", size="size", side=("side?", _TAKERS.get)),),
        "book_ticker": (
            row_table(
                "book_ticker",
                bid_price="best_bid",
                bid_size="best_bid_quantity?",
                ask_price="best_ask",
                ask_size="best_ask_quantity?",
            ),
        ),
        "instrument": (
            row_table(
                "instrument",
                status="status?",
                kind=("product_id", lambda _: "spot"),
                base="base_currency_id?",
                quote="quote_currency_id?",
                tick_size="price_increment?",
                lot_size="base_increment?",
                min_size="base_min_size?",
                min_notional="quote_min_size?",
                listed_at=("new_at?", from_rfc3339),
            ),
        ),
    }
)

_REST_TRADE: Final = message_reader(id="trade_id", sent=("time", from_rfc3339), symbol="product_id")
_PRODUCTS: Final = "/api/v3/brokerage/market/products"
_SPOT: Final = {"product_type": "SPOT"}
_DOLLARS: Final = frozenset({"USD", "USDT", "USDC"})
_MARGIN_SECS: Final = 60
"""How much longer than the hole its pages are, because this machine's clock may be wrong."""


class CoinbaseAdvancedRest(RestMarket):
    """Trades by time, newest first; products, turnover and time. Its books have no number of the stream's."""

    limits = RestLimits("https://api.coinbase.com", "coinbase_advanced", 10, 1.0)

    def page(self, stream: StreamKey, hole: Hole, cursor: str) -> Get | None:
        """Up to 1,000 trades before a second; the newest ones for a hole without a time."""
        if stream.data_type != "trade":
            return None
        query = {"limit": str(_TRADES_IN_PAGE)}
        if hole.since_us is not None and hole.until_us is not None:
            query["start"] = str(hole.since_us // 1_000_000 - _MARGIN_SECS)
            query["end"] = cursor or str(hole.until_us // 1_000_000 + _MARGIN_SECS)
        return Get(f"{_PRODUCTS}/{stream.symbol}/ticker?{urlencode(query)}", 1)

    def read_page(self, stream: StreamKey, hole: Hole, cursor: str, body: bytes) -> Page:
        """The next page ends with the second of this one's oldest trade, which may have begun before."""
        trades = messages(stream, _REST_TRADE, body, "trades")
        if not trades:
            return Page(trades, cursor)
        oldest = min(trades, key=lambda trade: trade.id or 0)
        is_whole = (oldest.id or 0) <= hole.first or not hole.since_us
        return Page(trades, None if is_whole else str((oldest.exchange_us or 0) // 1_000_000 + 1))

    def lists(self) -> tuple[Get, ...]:
        """All products of the spot market."""
        return (Get(f"{_PRODUCTS}?{urlencode(_SPOT)}", 1),)

    def read_list(self, get: Get, body: bytes) -> ListPage:
        """Without aliases: `BTC-USDC` has no stream of its own, and would bring that of `BTC-USD`."""
        places_of = (("product_id", name), "status?", "trading_disabled?", "is_disabled?", "alias?")
        found = readable(body, "products", *places_of)
        listings = [
            Listing(symbol, "spot", status == "online" and not (disabled or closed), item)
            for item, symbol, status, disabled, closed, alias in found.entries
            if not alias
        ]
        has_next, cursor = read_json(body, "pagination.has_next?", "pagination.next_cursor?")
        following = f"{_PRODUCTS}?{urlencode({**_SPOT, 'cursor': cursor})}"
        return ListPage(listings, Get(following, 1) if has_next and cursor else None, found.unread)

    def volumes(self) -> tuple[Get, ...]:
        """The list of products tells it."""
        return self.lists()

    def read_volumes(self, get: Get, body: bytes) -> Mapping[str, float]:
        """Of products that are quoted in dollars."""
        told = (("quote_currency_id?", name), "approximate_quote_24h_volume?")
        found = readable(body, "products", ("product_id", name), *told).entries
        return {symbol: number(value) for _, symbol, quote, value in found if quote in _DOLLARS and value}

    def clock(self) -> Get:
        """The server's time."""
        return Get("/api/v3/brokerage/time", 1)

    def read_clock(self, body: bytes) -> int:
        """In milliseconds."""
        (millis,) = read_json(body, "epochMillis")
        return from_ms(millis)


_CHANNEL: Final = re.compile(rb'\A\{"channel":"(\w+)"', re.ASCII)
_HEAD: Final = places({"channel": "channel?", "type": "type?", "message": "message?"})
_READ_HEAD: Final = Decoder(_HEAD.struct).decode
_ANSWERS: Final = {"subscriptions": ControlKind.ACK, "heartbeats": ControlKind.HEARTBEAT}
_TICKET: Final = re.compile(rb'"sequence_num":(\d{1,18})[,}]')


class _Parts(Struct, gc=False):
    """What a frame has beside what belongs to its connection."""

    events: Raw = Raw()


_READ_PARTS: Final = Decoder(_Parts).decode


class CoinbaseAdvanced(Market):
    """See the beginning of this file."""

    exchange = "coinbase_advanced"
    ws_url = "wss://advanced-trade-ws.coinbase.com"
    channels: ClassVar = (_BOOK, _TRADES, _TICKER)
    unasked = frozenset({"candles", "status", "ticker_batch"})
    rows = _ROWS
    limits = Limits(
        connections=8,
        window_secs=1.0,
        streams_per_connection=30,  # none is stated; a frame that is lost makes all of its connection's books doubtful
        messages_per_sec=8.0,
        lifetime_secs=86_400.0,  # none is stated
    )
    opening = (Request('{"type":"subscribe","channel":"heartbeats"}'),)  # channels without data are closed otherwise
    opens_with_books = True
    rest = CoinbaseAdvancedRest()
    has_tickets = True
    symbol_pattern = re.compile(r"[A-Z0-9]+-[A-Z0-9]+")
    symbol_example = "BTC-USD"
    names = re.compile(rb'\A\{"channel":"(\w+)",.*?"product_id":"([^"]+)"')

    def ticket(self, frame: bytes) -> int | None:
        """The `sequence_num`."""
        found = _TICKET.search(frame)
        return None if found is None else int(found[1])

    def content(self, payload: bytes) -> bytes:
        """Of a frame, its events: what stands before them is the connection's. Another payload is a part of a frame."""
        try:
            return bytes(_READ_PARTS(payload).events) or payload
        except UNREADABLE:
            return payload

    def channel_of(self, frame: bytes) -> str:
        """What the frame says, but of answers and heartbeats."""
        found = _CHANNEL.match(frame)
        channel = found[1].decode() if found else _HEAD.getters["channel"](_READ_HEAD(frame))
        return channel if isinstance(channel, str) and channel not in _ANSWERS else ""

    def control(self, frame: bytes) -> Control | None:
        """Answers and heartbeats are channels; an error has a `type`."""
        try:
            head = _READ_HEAD(frame)
        except UNREADABLE:
            return noise(frame)
        channel, kind, message = (get(head) for get in _HEAD.getters.values())
        if isinstance(channel, str):
            return Control(_ANSWERS[channel], channel) if channel in _ANSWERS else None
        return Control(ControlKind.ERROR, shown(str(message))) if kind == "error" else noise(frame)

    def requests(self, verb: str, topics: Topics) -> list[Request]:
        """A request for each channel: more than one it may not name."""
        return [
            Request(text({"type": verb, "product_ids": batch, "channel": channel}))
            for channel, symbols in by_channel(topics).items()
            for batch in batches(symbols, _PRODUCTS_IN_REQUEST)
        ]

    def spoken(self, topic: str, key: StreamKey) -> bytes:
        """The channel as frames call it, and the product."""
        return topic.replace("level2 ", "l2_data").replace(" ", "").encode()
