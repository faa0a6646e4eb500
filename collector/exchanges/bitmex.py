"""BitMEX: perpetuals, futures and spot, over its realtime API.

Sources: https://www.bitmex.com/app/wsAPI, and https://blog.bitmex.com/api_announcement/removing-id-schema-on-orderbook-feeds/
for books. A frame has rows of one table, and says what happened to them: `partial` (a new beginning), `insert`, `update` or
`delete`. Rows of a book have an `id`, which means nothing since July 2023; since then each row has its price instead, also
where it is changed or deleted. One without would change a level that nobody can name from the frame alone, so such a frame is
undecodable, in the ledger, rather than a row with half an update. Sizes are contracts.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final

from msgspec import ValidationError
from msgspec.json import Decoder

from collector.domain.records import IdRule, StreamKey
from collector.exchanges.adapter import Control, ControlKind, Limits, Request
from collector.exchanges.market import Channel, Market, Topics, batches, noise, text
from collector.exchanges.places import Place, places
from collector.exchanges.reading import each, id_of_text, listed, several, shown, single
from collector.exchanges.rest_adapter import Get, Listing, ListPage, RestLimits
from collector.exchanges.rest_market import RestMarket
from collector.exchanges.rest_reading import name, number, readable
from collector.exchanges.row_tables import level, marked, row_table
from collector.exchanges.times import from_rfc3339
from collector.exchanges.typed_rows import UNREADABLE

_SIDES: Final = {"Buy": "buy", "Sell": "sell"}
_KINDS: Final = {"FFWCSX": "perpetual", "FFWCSF": "perpetual", "FFCCSX": "future", "IFXXXP": "spot"}
_TOPICS_IN_REQUEST: Final = 10
_NO_MATCH: Final = "00000000-0000-0000-0000-000000000000"
_YEAR_2000_US: Final = from_rfc3339("2000-01-01T00:00:00.000Z")
_SENT: Final[Place] = ("timestamp?", from_rfc3339)
_IS_SNAPSHOT: Final[Place] = ("action", "partial".__eq__)


def _book_symbol(rows: object, action: object, symbol: object) -> str:
    """The symbol of a book's rows, of which each must say what it does to which level. Raises ValidationError."""
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValidationError("rows are no objects")
    if any(type(row.get("price")) not in {int, float} for row in rows):
        raise ValidationError("a level without its price")
    if any(("size" in row) is (action == "delete") for row in rows):
        raise ValidationError("a size where there is none, or none where there is one")
    first, *others = [*([] if symbol is None else [symbol]), *(row.get("symbol") for row in rows)] or [None]
    if not isinstance(first, str) or any(other != first for other in others):
        raise ValidationError("not of one symbol")
    return first


def _book_time(rows: list[Any]) -> int | None:
    """When the first of the rows changed; until 2022 none had a time."""
    first = rows[0] if rows and isinstance(rows[0], dict) else {}
    sent = first.get("transactTime", first.get("timestamp"))
    return None if sent is None else from_rfc3339(sent)


def _match_id(match: object) -> int | None:
    """Settlements have no match of their own."""
    return None if match == _NO_MATCH else id_of_text(match)


def _trade_kind(word: object) -> str | None:
    return "market" if word == "Regular" else word.lower() if isinstance(word, str) else None


def _interval(text: object) -> int | None:
    """Seconds; an interval is written as the time when it ends if it begins with the year 2000."""
    passed_us = from_rfc3339(text) - _YEAR_2000_US
    return passed_us // 1_000_000 if passed_us > 0 else None


_BOOK_SYMBOL: Final[Place] = (("data", "action", "filter.symbol?"), _book_symbol)
_BOOK: Final = Channel(
    "orderBookL2",
    {"book_delta": IdRule.NONE},
    single("book_delta", symbol=_BOOK_SYMBOL, sent=("data?", _book_time), is_snapshot=_IS_SNAPSHOT),
    "orderBookL2:{symbol}",
)
_TRADES: Final = Channel(  # the last trade at the beginning
    "trade",
    {"trade": IdRule.UNIQUE},
    listed("trade", "data", as_sent=True, symbol="symbol", id=("trdMatchID?", _match_id), sent=_SENT),
    "trade:{symbol}",
)
_QUOTES: Final = Channel(  # the last quote at the beginning
    "quote",
    {"book_ticker": IdRule.NONE},
    listed("book_ticker", "data", symbol="symbol", sent=_SENT),
    "quote:{symbol}",
)
_TOLD: Final = {
    "mark_price": "markPrice|indicativeSettlePrice",
    "funding_rate": "fundingRate|indicativeFundingRate|fundingTimestamp",
    "open_interest": "openInterest|openValue",
}
_INSTRUMENT: Final = Channel(
    "instrument",
    {"mark_price": IdRule.NONE, "funding_rate": IdRule.NONE, "open_interest": IdRule.NONE},
    each("data", several(_TOLD, symbol="symbol", sent=_SENT)),
    "instrument:{symbol}",
)
_LIQUIDATIONS: Final = Channel(  # what becomes of an order later is not stored: see `unasked`
    "liquidation", {"liquidation": IdRule.NONE}, listed("liquidation", "data", symbol="symbol"), "liquidation:{symbol}"
)

_LEVEL: Final = level("price", "size?", "side", ("Buy", "Sell"))
_BIDS: Final[Place] = ("data", marked("Buy"))
_ASKS: Final[Place] = ("data", marked("Sell"))
_ROWS: Final = MappingProxyType(
    {
        "book_delta": (row_table("book_delta", is_snapshot=_IS_SNAPSHOT, bids=_BIDS, asks=_ASKS, levels=_LEVEL),),
        "trade": (
            row_table(
                "trade",
                trade_id="trdMatchID?",
                price="price",
                size="size",
                side=("side?", _SIDES.get),
                kind=("trdType?", _trade_kind),
            ),
        ),
        "book_ticker": (
            row_table(
                "book_ticker", bid_price="bidPrice?", bid_size="bidSize?", ask_price="askPrice?", ask_size="askSize?"
            ),
        ),
        "mark_price": (row_table("mark_price", mark_price="markPrice?", index_price="indicativeSettlePrice?"),),
        "funding_rate": (
            row_table(
                "funding_rate",
                funding_rate="fundingRate?",
                predicted_rate="indicativeFundingRate?",
                next_funding_at=("fundingTimestamp?", from_rfc3339),
                interval_secs=("fundingInterval?", _interval),
            ),
        ),
        "open_interest": (row_table("open_interest", open_interest="openInterest?", open_interest_value="openValue?"),),
        "liquidation": (
            row_table(
                "liquidation", liquidation_id="orderID", side=("side?", _SIDES.get), price="price?", size="leavesQty?"
            ),
        ),
        "instrument": (
            row_table(
                "instrument",
                status="state",
                kind=("typ?", _KINDS.get),
                base="underlying?",
                quote="quoteCurrency?",
                settle="settlCurrency?",
                tick_size="tickSize?",
                lot_size="lotSize?",
                listed_at=("listing?", from_rfc3339),
                expires_at=("expiry?", from_rfc3339),
            ),
        ),
    }
)


class BitmexRest(RestMarket):
    """Instruments and turnover. Trades are not numbered, so none can be said to be missing."""

    limits = RestLimits("https://www.bitmex.com", "bitmex", 30, 60.0)

    def lists(self) -> tuple[Get, ...]:
        """What can be traded; indices are not among it."""
        return (Get("/api/v1/instrument/active", 1),)

    def read_list(self, get: Get, body: bytes) -> ListPage:
        """Without kinds of instruments that the recorder has no word for."""
        found = readable(body, "", ("symbol", name), ("typ?", _KINDS.get), ("state?", "Open".__eq__))
        listings = [
            Listing(symbol, kind, is_open is True, item)
            for item, symbol, kind, is_open in found.entries
            if kind is not None
        ]
        return ListPage(listings, unread=found.unread)

    def volumes(self) -> tuple[Get, ...]:
        """The same list has them."""
        return self.lists()

    def read_volumes(self, get: Get, body: bytes) -> Mapping[str, float]:
        """In the quote currency."""
        found = readable(body, "", ("symbol", name), ("foreignNotional24h?", number)).entries
        return {symbol: value for _, symbol, value in found if value is not None}


_HEAD: Final = places(
    {key: f"{key}?" for key in ("table", "action", "success", "error", "subscribe", "unsubscribe", "info")}
)
_READ_HEAD: Final = Decoder(_HEAD.struct).decode


class Bitmex(Market):
    """See the beginning of this file."""

    exchange = "bitmex"
    ws_url = "wss://ws.bitmex.com"
    path = "/realtime"
    channels: ClassVar = (_BOOK, _TRADES, _QUOTES, _INSTRUMENT, _LIQUIDATIONS)
    unasked = frozenset({"liquidation update", "liquidation delete", "funding", "orderBookL2_25", "orderBook10"})
    rows = _ROWS
    rest = BitmexRest()
    limits = Limits(
        connections=60,  # as last announced; the first frame has named more since
        window_secs=3_600.0,
        streams_per_connection=200,  # none is stated
        messages_per_sec=4.0,  # none is stated
        lifetime_secs=86_400.0,  # none is stated
    )
    opens_with_books = True
    symbol_pattern = re.compile(r"[A-Z0-9]+(?:_[A-Z0-9]+)?")
    symbol_example = "XBTUSD"
    names = re.compile(  # the first frame of a table has a filter, and explains its keys before
        rb'\A\{"table":"(\w+)","action":.*?"(?:filter|data)":\[?\{(?:[^{}]*?,)?"symbol":"([^"]+)"'
    )

    def spoken(self, topic: str, key: StreamKey) -> bytes:
        """Table and symbol."""
        return topic.replace(":", "").encode()

    def channel_of(self, frame: bytes) -> str:
        """The table, but for what becomes of a liquidation."""
        head = _READ_HEAD(frame)
        table, action = _HEAD.getters["table"](head), _HEAD.getters["action"](head)
        if not isinstance(table, str):
            return ""
        return f"{table} {action}" if table == "liquidation" and action in ("update", "delete") else table

    def control(self, frame: bytes) -> Control | None:
        """A request is answered once for each topic, or by one error."""
        told = shown(frame.decode(errors="replace"))
        if frame == b"pong":
            return Control(ControlKind.HEARTBEAT, told)
        try:
            head = _READ_HEAD(frame)
        except UNREADABLE:
            return noise(frame)
        table, _, success, error, subscribed, unsubscribed, info = (get(head) for get in _HEAD.getters.values())
        if table is not None:
            return None
        if error is not None:
            return Control(ControlKind.ERROR, told)
        if success is True and (subscribed or unsubscribed):
            return Control(ControlKind.ACK, told)
        return noise(frame) if info is None else Control(ControlKind.HEARTBEAT, told)

    def requests(self, verb: str, topics: Topics) -> list[Request]:
        """As many as were recorded in one."""
        parts = batches([topic for topic, _ in topics], _TOPICS_IN_REQUEST)
        return [Request(text({"op": verb, "args": part}), len(part)) for part in parts]
