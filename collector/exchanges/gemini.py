"""Gemini: spot and perpetuals, over its market data feed version 2.

Sources: https://docs.gemini.com/websocket-api/#market-data-version-2 and https://docs.gemini.com/rest-api/. One subscription,
`l2`, brings book and trades of a symbol. Nothing acknowledges it: its first `l2_updates` does, with the whole book and the
last hundred trades, and is known by `auction_events`, which no later one has. Updates have neither an id nor a time. Trades
have `tid`, which rises; several trades share one `event_id`. Nothing brings the best prices.
"""

import re
from types import MappingProxyType
from typing import ClassVar, Final

from msgspec.json import Decoder

from collector.domain.records import Envelope, IdRule
from collector.exchanges.adapter import Control, ControlKind, Limits, Request
from collector.exchanges.market import Channel, Market, Topics, noise, text
from collector.exchanges.places import Place, places, present
from collector.exchanges.reading import Keys, listed, shown, single
from collector.exchanges.rest_adapter import Get, Listing, ListPage, RestLimits
from collector.exchanges.rest_market import RestMarket
from collector.exchanges.rest_reading import name, readable
from collector.exchanges.row_tables import level, marked, row_table
from collector.exchanges.times import from_ms
from collector.exchanges.typed_rows import UNREADABLE

_SIDES: Final = {"buy": "buy", "sell": "sell"}
_KINDS: Final = {"spot": "spot", "swap": "perpetual"}
_TRADING: Final = dict.fromkeys(("open", "limit_only", "post_only"), True)
_IS_SNAPSHOT: Final[Place] = ("auction_events?", present)
_SENT: Final[Place] = ("timestamp", from_ms)

_READERS: Final = {
    "book_delta": single("book_delta", symbol="symbol", is_snapshot=_IS_SNAPSHOT),
    "trade": listed("trade", "trades?", symbol="symbol", id="tid?", sent=_SENT),
}
_HEAD: Final = places({"type": "type?", "symbol": "symbol?", "result": "result?"}, {"symbol": str})
_READ_HEAD: Final = Decoder(_HEAD.struct).decode
_type_of, _symbol_of, _result_of = _HEAD.getters.values()


def _read_updates(frame: bytes, keys: Keys) -> list[Envelope]:
    """The book, and the past trades of a snapshot: whichever of them is recorded."""
    symbol = _symbol_of(_READ_HEAD(frame)) or ""
    streams = keys.chosen(_READERS, [symbol]) or [keys["book_delta", symbol]]  # the latter raises
    return [message for stream in streams for message in _READERS[stream.data_type](frame, keys)]


_UPDATES: Final = Channel("l2_updates", {"book_delta": IdRule.NONE, "trade": IdRule.RISING}, _read_updates, "{symbol}")
_TRADES: Final = Channel(
    "trade", {"trade": IdRule.RISING}, single("trade", symbol="symbol", id="tid?", sent=_SENT), "{symbol}"
)

_ROWS: Final = MappingProxyType(
    {
        "book_delta": (
            row_table(
                "book_delta",
                is_snapshot=_IS_SNAPSHOT,
                bids=("changes", marked("buy")),
                asks=("changes", marked("sell")),
                levels=level("1", "2", "0", ("buy", "sell")),
            ),
        ),
        "trade": (
            row_table("trade", trade_id="tid|event_id", price="price", size="quantity", side=("side?", _SIDES.get)),
        ),
        "instrument": (
            row_table(
                "instrument",
                status="status?",
                kind=("product_type?", _KINDS.get),
                base="base_currency?",
                quote="quote_currency?",
                tick_size="quote_increment?",  # `tick_size` is the step of sizes
                lot_size="tick_size?",
                min_size="min_order_size?",
            ),
        ),
    }
)

_CONTROLS: Final = {
    "heartbeat": ControlKind.HEARTBEAT,
    "subscription_ack": ControlKind.ACK,
    "error": ControlKind.ERROR,
}


class GeminiRest(RestMarket):
    """Instruments. Trades are not numbered without holes, so none can be said to be missing."""

    limits = RestLimits("https://api.gemini.com", "gemini", 120, 60.0)

    def lists(self) -> tuple[Get, ...]:
        """All symbols at once."""
        return (Get("/v1/symbols/details/all", 1),)

    def read_list(self, get: Get, body: bytes) -> ListPage:
        """In capitals, as frames have the symbols."""
        found = readable(body, "", ("symbol", name), ("product_type?", _KINDS.get), ("status?", _TRADING.get))
        listings = [
            Listing(symbol.upper(), kind or "spot", is_trading is True, item)
            for item, symbol, kind, is_trading in found.entries
        ]
        return ListPage(listings, unread=found.unread)


class Gemini(Market):
    """See the beginning of this file."""

    exchange = "gemini"
    ws_url = "wss://api.gemini.com"
    path = "/v2/marketdata"
    channels: ClassVar = (_UPDATES, _TRADES)
    unasked = frozenset({"auction_open", "auction_indicative", "auction_result"})
    rows = _ROWS
    rest = GeminiRest()
    limits = Limits(
        connections=60,  # one a minute for each symbol is recommended, and nothing stated
        window_secs=60.0,
        streams_per_connection=100,  # none is stated; each begins with a whole book of up to 5,000 levels
        messages_per_sec=4.0,  # none is stated
        lifetime_secs=86_400.0,  # none is stated
    )
    opens_with_books = True
    symbol_pattern = re.compile(r"[A-Z0-9]+")
    symbol_example = "BTCUSD"
    names = re.compile(rb'"symbol": ?"([^"]+)"')

    def channel_of(self, frame: bytes) -> str:
        """The type of anything that is no control frame."""
        kind = _type_of(_READ_HEAD(frame))
        return kind if isinstance(kind, str) and kind not in _CONTROLS else ""

    def control(self, frame: bytes) -> Control | None:
        """Heartbeats come every five seconds; an error has the form of an error over REST."""
        try:
            head = _READ_HEAD(frame)
        except UNREADABLE:
            return noise(frame)
        kind, told = _type_of(head), shown(frame.decode(errors="replace"))
        if _result_of(head) == "error":
            return Control(ControlKind.ERROR, told)
        if not isinstance(kind, str):
            return noise(frame)
        return Control(_CONTROLS[kind], told) if kind in _CONTROLS else None

    def requests(self, verb: str, topics: Topics) -> list[Request]:
        """All symbols in one; no frame answers."""
        symbols = [topic for topic, _ in topics]
        return [Request(text({"type": verb, "subscriptions": [{"name": "l2", "symbols": symbols}]}), 0)]
