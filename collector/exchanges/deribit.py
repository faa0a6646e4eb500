"""Deribit: perpetuals, futures, options and spot.

Source: https://docs.deribit.com (subscriptions, market data, JSON-RPC). Prices and sizes are JSON numbers, times milliseconds;
sizes of inverse contracts are USD, others the base coin. A book names the change before its own, and `trade_seq` counts the
trades of an instrument.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Final
from urllib.parse import urlencode

from msgspec.json import Decoder

from collector.domain.records import IdRule, StreamKey
from collector.exchanges.adapter import Control, ControlKind, Limits, Request
from collector.exchanges.market import Channel, Market, Topics, batches, noise, text
from collector.exchanges.places import places
from collector.exchanges.reading import id_after, listed, message_reader, several, shown, single
from collector.exchanges.rest_adapter import Get, Hole, Listing, ListPage, Page, RestLimits
from collector.exchanges.rest_market import RestMarket
from collector.exchanges.rest_reading import messages, name, number, read_json, readable
from collector.exchanges.row_tables import level, row_table
from collector.exchanges.times import from_ms
from collector.exchanges.typed_rows import UNREADABLE

_SIDES: Final = {"buy": "buy", "sell": "sell"}
_CHANNELS_IN_REQUEST: Final = 100
_TEST_ID: Final = 1
"""Of the request that shows this client alive."""
_HEARTBEAT_ID: Final = 2
_SUBSCRIBE_ID: Final = 3
_HEARTBEAT_SECS: Final = 30
_NEVER_US: Final = 32_500_000_000_000_000
"""Perpetuals expire in the year 3000."""

_SYMBOL: Final = "params.data.instrument_name"
_IS_SNAPSHOT: Final = ("params.data.type?", "snapshot".__eq__)
_SENT: Final = ("params.data.timestamp", from_ms)

_BOOK: Final = Channel(
    "book",
    {"book_delta": IdRule.CHAINED},
    single(
        "book_delta",
        symbol=_SYMBOL,
        id="params.data.change_id",
        first_id=("params.data.prev_change_id?", id_after),
        sent=_SENT,
        is_snapshot=_IS_SNAPSHOT,
    ),
    "book.{symbol}.100ms",
)
_TRADES: Final = Channel(
    "trades",
    {"trade": IdRule.DENSE},
    listed("trade", "params.data", symbol="instrument_name", id="trade_seq", sent=("timestamp", from_ms)),
    "trades.{symbol}.100ms",
)
_BEST: Final = Channel(
    "quote",
    {"book_ticker": IdRule.NONE},
    single("book_ticker", symbol=_SYMBOL, sent=_SENT),
    "quote.{symbol}",
)
_TICKER: Final = Channel(
    "ticker",
    {"mark_price": IdRule.NONE, "funding_rate": IdRule.NONE, "open_interest": IdRule.NONE},
    several(
        {
            "mark_price": "params.data.mark_price",
            "funding_rate": "params.data.current_funding",
            "open_interest": "params.data.open_interest",
        },
        symbol=_SYMBOL,
        sent=_SENT,
    ),
    "ticker.{symbol}.100ms",
)


_LIQUIDATED: Final = ("M", "T", "MT")
"""The maker, the taker, or both."""


def _trade_kind(mark: object) -> str:
    """Any other mark is the id of a block trade."""
    return "liquidation" if mark in _LIQUIDATED else "block"


def _kind(symbol: str) -> str:
    if symbol.endswith("-PERPETUAL"):
        return "perpetual"
    if symbol.endswith(("-C", "-P")):
        return "option"
    return "future" if "-" in symbol else "spot"


def _expiry(millis: object) -> int | None:
    time_us = from_ms(millis)
    return time_us if time_us < _NEVER_US else None


_ROWS: Final = MappingProxyType(
    {
        "book_delta": (
            row_table(
                "book_delta",
                last_id="params.data.change_id",
                previous_id="params.data.prev_change_id?",
                is_snapshot=_IS_SNAPSHOT,
                bids="params.data.bids",
                asks="params.data.asks",
                levels=level("1", "2"),
            ),
        ),
        "trade": (
            row_table(
                "trade",
                trade_id="trade_id",
                price="price",
                size="amount",
                side=("direction?", _SIDES.get),
                sequence="trade_seq",
                kind=("liquidation|block_trade_id", _trade_kind),
            ),
        ),
        "book_ticker": (
            row_table(
                "book_ticker",
                bid_price="params.data.best_bid_price?",
                bid_size="params.data.best_bid_amount?",
                ask_price="params.data.best_ask_price?",
                ask_size="params.data.best_ask_amount?",
            ),
        ),
        "mark_price": (
            row_table(
                "mark_price",
                mark_price="params.data.mark_price",
                index_price="params.data.index_price?",
                settle_price="params.data.estimated_delivery_price?",
            ),
        ),
        "funding_rate": (row_table("funding_rate", funding_rate="params.data.current_funding"),),
        "open_interest": (row_table("open_interest", open_interest="params.data.open_interest"),),
        "instrument": (
            row_table(
                "instrument",
                status=("is_active", {True: "active", False: "inactive"}.get),
                kind=("instrument_name", _kind),
                base="base_currency?",
                quote="quote_currency?",
                settle="settlement_currency?",
                tick_size="tick_size?",
                min_size="min_trade_amount?",
                contract_size="contract_size?",
                listed_at=("creation_timestamp?", from_ms),
                expires_at=("expiration_timestamp?", _expiry),
            ),
        ),
    }
)

_TRADE_OVER_REST: Final = message_reader(id="trade_seq", sent=("timestamp", from_ms))


class DeribitRest(RestMarket):
    """Trades by their number, instruments, volumes and time."""

    limits = RestLimits("https://www.deribit.com", "deribit", 10, 1.0)

    def page(self, stream: StreamKey, hole: Hole, cursor: str) -> Get | None:
        """A thousand trades from a number on. The exchange may keep those of the last 24 hours only."""
        if stream.data_type != "trade":
            return None
        query = {
            "instrument_name": stream.symbol,
            "start_seq": cursor or hole.first,
            "end_seq": hole.last,
            "count": 1_000,
            "sorting": "asc",
        }
        return Get(f"/api/v2/public/get_last_trades_by_instrument?{urlencode(query)}", 1)

    def read_page(self, stream: StreamKey, hole: Hole, cursor: str, body: bytes) -> Page:
        """The next page begins after the last of these trades."""
        found = messages(stream, _TRADE_OVER_REST, body, "result.trades")
        if not found:
            return Page([], cursor)
        newest = max(trade.id or 0 for trade in found)
        return Page(found, str(newest + 1) if newest < hole.last else None)

    def lists(self) -> tuple[Get, ...]:
        """All that has not expired."""
        return (Get("/api/v2/public/get_instruments?currency=any&expired=false", 10),)

    def read_list(self, get: Get, body: bytes) -> ListPage:
        """See `RestAdapter.read_list`. Combinations of instruments are left out."""
        found = readable(body, "result", ("instrument_name", name), "is_active?", ("kind?", name))
        listings = [
            Listing(symbol, _kind(symbol), is_active is True, item)
            for item, symbol, is_active, kind in found.entries
            if kind not in {"future_combo", "option_combo"}
        ]
        return ListPage(listings, unread=found.unread)

    def volumes(self) -> tuple[Get, ...]:
        """The summaries of the currencies that contracts settle in."""
        path = "/api/v2/public/get_book_summary_by_currency"
        return tuple(Get(f"{path}?currency={currency}", 1) for currency in ("BTC", "ETH", "USDC", "USDT"))

    def read_volumes(self, get: Get, body: bytes) -> Mapping[str, float]:
        """In USD; what has no such value counts as not traded."""
        found = readable(body, "result", ("instrument_name", name), ("volume_usd?", number)).entries
        return {symbol: value or 0.0 for _, symbol, value in found}

    def clock(self) -> Get:
        """The server's time."""
        return Get("/api/v2/public/get_time", 1)

    def read_clock(self, body: bytes) -> int:
        """In milliseconds."""
        (millis,) = read_json(body, "result")
        return from_ms(millis)


_HEAD: Final = places(
    {
        "channel": "params.channel?",
        "type": "params.type?",
        "method": "method?",
        "id": "id?",
        "result": "result?",
        "error": "error?",
    }
)
_READ_HEAD: Final = Decoder(_HEAD.struct).decode


def _call(number: int, method: str, **params: object) -> str:
    return text({"jsonrpc": "2.0", "id": number, "method": method, "params": params})


class Deribit(Market):
    """All that trades on Deribit."""

    exchange = "deribit"
    ws_url = "wss://www.deribit.com"
    path = "/ws/api/v2"
    channels: ClassVar = (_BOOK, _TRADES, _BEST, _TICKER)
    unasked = frozenset({"perpetual", "deribit_price_index", "instrument", "platform_state", "user"})
    rows = _ROWS
    opens_with_books = True
    rest = DeribitRest()
    limits = Limits(
        connections=32,
        window_secs=60.0,  # none is stated
        streams_per_connection=200,  # none is stated; a request may have 500 channels
        messages_per_sec=3.0,
        lifetime_secs=86_400.0,  # none is stated
        live=32,
    )
    opening = (Request(_call(_HEARTBEAT_ID, "public/set_heartbeat", interval=_HEARTBEAT_SECS)),)
    symbol_pattern = re.compile(r"[A-Z0-9]+([_-][A-Z0-9d]+)+")
    symbol_example = "BTC-PERPETUAL, BTC-25DEC26, BTC-25DEC26-100000-C or BTC_USDC"
    names = re.compile(rb'"channel":"([^"\\]+)"')
    beginning = b'{"jsonrpc":"2.0","method":"subscription","params":{"channel":"'
    route = ("params.channel",)

    def channel_of(self, frame: bytes) -> str:
        """The channel's first part."""
        channel = _HEAD.getters["channel"](_READ_HEAD(frame))
        return channel.partition(".")[0] if isinstance(channel, str) else ""

    def control(self, frame: bytes) -> Control | None:
        """Answers, and the heartbeat, which asks for a sign of life from time to time."""
        try:
            channel, kind, method, number, result, error = (get(_READ_HEAD(frame)) for get in _HEAD.getters.values())
        except UNREADABLE:
            return noise(frame)
        if channel is not None:
            return None
        if method == "heartbeat":
            reply = _call(_TEST_ID, "public/test") if kind == "test_request" else ""
            return Control(ControlKind.HEARTBEAT, "heartbeat", reply)
        if error is not None:
            return Control(ControlKind.ERROR, shown(str(error)))
        if result is None:
            return noise(frame)
        return Control(ControlKind.HEARTBEAT if number == _TEST_ID else ControlKind.ACK, shown(str(result)))

    def requests(self, verb: str, topics: Topics) -> list[Request]:
        """The answer names the channels that exist."""
        names = [topic for topic, _ in topics]
        parts = batches(names, _CHANNELS_IN_REQUEST)
        return [Request(_call(_SUBSCRIBE_ID, f"public/{verb}", channels=some)) for some in parts]
