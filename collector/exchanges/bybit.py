"""Bybit v5: the spot and the linear market (perpetuals and futures settled in USDT or USDC).

Source: https://bybit-exchange.github.io/docs/v5/ws/connect and the pages of its topics. That `u` rises by one from update to
update is promised only for `orderbook.full`; it holds on every recorded frame of `orderbook.200`. Prices and sizes are
decimals in quotes, times milliseconds; the order of keys differs between the markets.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Final
from urllib.parse import urlencode

from msgspec.json import Decoder

from collector.domain.records import IdRule
from collector.exchanges.adapter import Control, ControlKind, Keepalive, Limits, Request
from collector.exchanges.market import Channel, Market, Topics, batches, noise, text
from collector.exchanges.places import Place, places
from collector.exchanges.reading import id_of_text, last_part, listed, several, shown, single
from collector.exchanges.rest_adapter import Get, Listing, ListPage, Refusal, RestLimits
from collector.exchanges.rest_market import RestMarket
from collector.exchanges.rest_reading import name, number, read_json, readable
from collector.exchanges.row_tables import row_table
from collector.exchanges.times import from_ms, from_ns
from collector.exchanges.typed_rows import UNREADABLE

_SIDES: Final = {"Buy": "buy", "Sell": "sell"}
_TOPICS_IN_REQUEST: Final = 10
_IS_SNAPSHOT: Final[Place] = ("type", "snapshot".__eq__)

_BOOK: Final = Channel(
    "orderbook.200",
    {"book_delta": IdRule.DENSE},
    single("book_delta", symbol=("topic", last_part), id="data.u", sent=("cts|ts", from_ms), is_snapshot=_IS_SNAPSHOT),
    "orderbook.200.{symbol}",
)
_BEST: Final = Channel(  # each side has one level, or none; sent again after three seconds without a change
    "orderbook.1",
    {"book_ticker": IdRule.NONE},
    single("book_ticker", symbol=("topic", last_part), sent=("cts|ts", from_ms)),
    "orderbook.1.{symbol}",
)
_TRADES: Final = Channel(  # its `type` is always "snapshot" and means nothing
    "publicTrade",
    {"trade": IdRule.UNIQUE},
    listed("trade", "data", as_sent=True, symbol="s", id=("i", id_of_text), sent=("T", from_ms)),
    "publicTrade.{symbol}",
)
_TICKERS: Final = Channel(
    "tickers",
    {"mark_price": IdRule.NONE, "funding_rate": IdRule.NONE, "open_interest": IdRule.NONE},
    several(
        {
            "mark_price": "data.markPrice|data.indexPrice",
            "funding_rate": "data.fundingRate|data.nextFundingTime",
            "open_interest": "data.openInterest|data.openInterestValue",
        },
        symbol=("topic", last_part),
        sent=("ts", from_ms),
    ),
    "tickers.{symbol}",
)
_LIQUIDATIONS: Final = Channel(
    "allLiquidation",
    {"liquidation": IdRule.NONE},
    listed("liquidation", "data", symbol="s", sent=("T", from_ms)),
    "allLiquidation.{symbol}",
)


def _hours(value: object) -> int | None:
    return int(value) * 3_600 if isinstance(value, str) and value.isascii() and value.isdigit() else None


def _kind(contract_type: str) -> str:
    return "perpetual" if contract_type.endswith("Perpetual") else "future"


_ROWS: Final = MappingProxyType(
    {
        "book_delta": (
            row_table(
                "book_delta",
                first_id="data.u",
                last_id="data.u",
                is_snapshot=_IS_SNAPSHOT,
                bids="data.b",
                asks="data.a",
            ),
        ),
        "book_ticker": (
            row_table(
                "book_ticker",
                update_id="data.u",
                bid_price="data.b.0.0?",
                bid_size="data.b.0.1?",
                ask_price="data.a.0.0?",
                ask_size="data.a.0.1?",
            ),
        ),
        "trade": (
            row_table(
                "trade",
                trade_id="i",
                price="p",
                size="v",
                side=("S?", _SIDES.get),
                sequence="seq?",
                kind=("BT?", {True: "block", False: "market"}.get),
            ),
        ),
        "mark_price": (row_table("mark_price", mark_price="data.markPrice?", index_price="data.indexPrice?"),),
        "funding_rate": (
            row_table(
                "funding_rate",
                funding_rate="data.fundingRate?",
                next_funding_at=("data.nextFundingTime?", from_ms),
                interval_secs=("data.fundingIntervalHour?", _hours),
            ),
        ),
        "open_interest": (
            row_table(
                "open_interest", open_interest="data.openInterest?", open_interest_value="data.openInterestValue?"
            ),
        ),
        "liquidation": (row_table("liquidation", side=("S?", _SIDES.get), price="p", size="v"),),
        "instrument": (
            row_table(
                "instrument",
                status="status",
                kind=("contractType?", _kind),
                base="baseCoin?",
                quote="quoteCoin?",
                settle="settleCoin?",
                tick_size="priceFilter.tickSize?",
                lot_size="lotSizeFilter.qtyStep|lotSizeFilter.basePrecision",
                min_size="lotSizeFilter.minOrderQty?",
                min_notional="lotSizeFilter.minNotionalValue|lotSizeFilter.minOrderAmt",
                listed_at=("launchTime?", from_ms),
                expires_at=("deliveryTime?", from_ms),
            ),
        ),
    }
)

_HEAD: Final = places({"topic": "topic?", "op": "op?", "success": "success?", "text": "ret_msg?"})
_READ_HEAD: Final = Decoder(_HEAD.struct).decode
_REFUSALS: Final = {
    "10006": Refusal.LIMITED,
    "10018": Refusal.LIMITED,
    "10000": Refusal.PASSING,
    "10016": Refusal.PASSING,
}


class BybitRest(RestMarket):
    """Instruments, turnover and time. Trades are not numbered and REST has only the newest, so no hole can be filled."""

    limits = RestLimits("https://api.bybit.com", "bybit", 600, 5.0)
    clock_step_us = 1

    def __init__(self, category: str) -> None:
        """Each market is a category."""
        self._category = category

    def refusal(self, body: bytes) -> tuple[Refusal, str] | None:
        """A code other than 0."""
        code, message = read_json(body, "retCode", "retMsg?")
        meaning = _REFUSALS.get(str(code), Refusal.FINAL)
        return None if code is None or code == 0 else (meaning, shown(f"{code} {message}"))

    def lists(self) -> tuple[Get, ...]:
        """What trades now, a page after the other."""
        return (self._list(""),)

    def read_list(self, get: Get, body: bytes) -> ListPage:
        """See `RestAdapter.read_list`."""
        found = readable(body, "result.list", ("symbol", name), ("contractType?", name), "status")
        listings = [
            Listing(symbol, _kind(contract) if contract else "spot", status == "Trading", item)
            for item, symbol, contract, status in found.entries
        ]
        (cursor,) = read_json(body, "result.nextPageCursor?")
        return ListPage(listings, self._list(cursor) if cursor else None, found.unread)

    def volumes(self) -> tuple[Get, ...]:
        """The tickers of all symbols."""
        return (Get(f"/v5/market/tickers?{urlencode({'category': self._category})}", 1),)

    def read_volumes(self, get: Get, body: bytes) -> Mapping[str, float]:
        """The turnover, in the quote currency."""
        found = readable(body, "result.list", ("symbol", name), ("turnover24h", number)).entries
        return {symbol: value for _, symbol, value in found}

    def clock(self) -> Get:
        """The server's time."""
        return Get("/v5/market/time", 1)

    def read_clock(self, body: bytes) -> int:
        """In nanoseconds."""
        (nanos,) = read_json(body, "result.timeNano")
        return from_ns(nanos)

    def _list(self, cursor: str) -> Get:
        query = {"category": self._category, "limit": "1000"} | ({"cursor": cursor} if cursor else {})
        return Get(f"/v5/market/instruments-info?{urlencode(query)}", 1)


class _Bybit(Market):
    ws_url = "wss://stream.bybit.com"
    rows = _ROWS
    unasked = frozenset({"kline.1", "orderbook.50", "orderbook.1000"})
    limits = Limits(
        connections=500,
        window_secs=300.0,
        streams_per_connection=400,  # the topics of a connection may have 21,000 characters
        messages_per_sec=8.0,  # none is stated
        lifetime_secs=86_400.0,  # none is stated
        budget="bybit",
    )
    opens_with_books = True
    keepalive = Keepalive('{"op":"ping"}', 20.0)
    symbol_pattern = re.compile(r"[A-Z0-9-]+")
    symbol_example = "BTCUSDT"
    names = re.compile(rb'"topic":"([^"]+)"')
    beginning = b'{"topic":"'
    route = ("topic",)

    def channel_of(self, frame: bytes) -> str:
        """The topic without its symbol."""
        topic = _HEAD.getters["topic"](_READ_HEAD(frame))
        return topic.rpartition(".")[0] if isinstance(topic, str) else ""

    def control(self, frame: bytes) -> Control | None:
        """Frames with an `op`; a refused request has `success` false."""
        try:
            head = _READ_HEAD(frame)
        except UNREADABLE:
            return noise(frame)
        topic, operation, success, message = (get(head) for get in _HEAD.getters.values())
        if topic is not None:
            return None
        if operation in {"ping", "pong"}:
            return Control(ControlKind.HEARTBEAT, "pong")
        if operation in {"subscribe", "unsubscribe"}:
            return Control(ControlKind.ACK if success else ControlKind.ERROR, shown(str(message)))
        return noise(frame)

    def requests(self, verb: str, topics: Topics) -> list[Request]:
        """Ten topics a request, which is the most that spot allows."""
        names = [topic for topic, _ in topics]
        return [Request(text({"op": verb, "args": batch})) for batch in batches(names, _TOPICS_IN_REQUEST)]


class BybitSpot(_Bybit):
    """Spot. Its tickers have neither best prices nor anything else that is recorded."""

    exchange = "bybit_spot"
    path = "/v5/public/spot"
    channels: ClassVar = (_BOOK, _BEST, _TRADES)
    unasked = _Bybit.unasked | {"tickers"}
    rest = BybitRest("spot")


class BybitLinear(_Bybit):
    """Linear. Sizes are in the base coin."""

    exchange = "bybit_linear"
    path = "/v5/public/linear"
    channels: ClassVar = (_BOOK, _BEST, _TRADES, _TICKERS, _LIQUIDATIONS)
    rest = BybitRest("linear")
