"""Bitfinex v2: spot (`tBTCUSD`) and perpetuals (`tBTCF0:USTF0`).

Source: https://docs.bitfinex.com/docs/ws-general, ws-public and the pages of its channels. Messages are arrays; prices and
sizes are JSON numbers, the sign of a size is its side; times are milliseconds.

A message names its stream by a channel id, which only the answer to the subscription explains, and which each connection
chooses anew. No message is numbered by stream. Instead the exchange counts all arrays of a connection, heartbeats included,
in the element behind the content, and puts its time behind that, if a connection asks for it first.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Final, Generic, TypeVar

import msgspec
from msgspec import Raw, Struct
from msgspec.json import Decoder

from collector.domain.records import Column, Envelope, IdRule, InstrumentRow, StreamKey
from collector.exchanges.adapter import Control, ControlKind, Limits, Request
from collector.exchanges.channel_ids import NO_SYMBOL, ChannelIdMarket, Explained
from collector.exchanges.market import Channel, noise, text
from collector.exchanges.reading import Keys, listed, message_reader, several, shown, single
from collector.exchanges.rest_adapter import Get, Listing, ListPage, RestLimits
from collector.exchanges.rest_market import RestMarket
from collector.exchanges.rest_reading import name, number, readable, readable_names
from collector.exchanges.row_tables import row_table
from collector.exchanges.times import from_ms
from collector.exchanges.typed_rows import UNREADABLE, RowReaders, book_columns

Number_co = TypeVar("Number_co", covariant=True)

_COUNT: Final = 65_536
"""The flag that asks for the count of arrays."""
_COUNT_AND_TIME: Final = _COUNT + 32_768
"""The flags that ask for both."""


class _Array(Struct, array_like=True, gc=False):
    """The content stands in `first`; where that is only a word, in `second`."""

    channel: int
    first: Raw
    second: Raw = Raw()


_READ_ARRAY: Final = Decoder(_Array).decode
_READ_TEXTS: Final = Decoder(list[Raw]).decode
_READ_TEXT: Final = Decoder(str).decode
_WITHOUT_MESSAGE: Final = re.compile(rb'\[\s*[0-9]+\s*,\s*"(?:hb|te|cs)"')
"""Heartbeats; the first news of a trade, which `tu` repeats; checksums, which nobody asks for."""


def _is_list_of_lists(content: object) -> bool:
    if not isinstance(content, list):
        raise msgspec.ValidationError("no list of levels")
    return all(isinstance(one, list) for one in content[:1])


_TRADE_LIST: Final = listed("trade", "1", id="0", sent=("1", from_ms))
_TRADE: Final = message_reader(id="0", sent=("1", from_ms))
_LIQUIDATION: Final = message_reader(symbol="4", sent=("2", from_ms))


def _read_trades(frame: bytes, keys: Keys) -> list[Envelope]:
    """The newest trades in a list, then each by itself."""
    array = _READ_ARRAY(frame)
    if bytes(array.first) != b'"tu"':
        return _TRADE_LIST(frame, keys)
    item = bytes(array.second)
    return [Envelope(keys["trade", NO_SYMBOL], *_TRADE(item, item)[1])]


def _read_liquidations(frame: bytes, keys: Keys) -> list[Envelope]:
    """Those of the whole market; others than the subscribed ones are skipped."""
    found = []
    for item in map(bytes, _READ_TEXTS(_READ_ARRAY(frame).first)):
        symbol, rest = _LIQUIDATION(item, item)
        found += [Envelope(key, *rest) for key in keys.chosen(["liquidation"], [symbol])]
    return found


_CHANNELS: Final = (
    Channel(
        "book",
        {"book_delta": IdRule.NONE},
        single("book_delta", sent=("3?", from_ms), is_snapshot=("1", _is_list_of_lists)),
        "book {symbol}",
    ),
    Channel("trades", {"trade": IdRule.UNIQUE}, _read_trades, "trades {symbol}"),
    Channel("ticker", {"book_ticker": IdRule.NONE}, single("book_ticker", sent=("3?", from_ms)), "ticker {symbol}"),
    Channel(
        "deriv",
        {"mark_price": IdRule.NONE, "funding_rate": IdRule.NONE, "open_interest": IdRule.NONE},
        several({"mark_price": "1.14|1.3", "funding_rate": "1.11|1.8", "open_interest": "1.17"}, sent=("1.0", from_ms)),
        "status deriv:{symbol}",
    ),
    Channel("liq", {"liquidation": IdRule.NONE}, _read_liquidations, "status liq:global"),
)


class _Level(Struct, Generic[Number_co], array_like=True, gc=False):
    """Of a book: without orders it is removed. The size is above zero for a bid, below for an ask."""

    price: Number_co
    orders: int
    size: Number_co


class _Book(Struct, gc=False):
    """Levels are pairs of price and size."""

    is_snapshot: bool
    bids: list[tuple[Any, Any]]
    asks: list[tuple[Any, Any]]

    def head(self) -> tuple[None, None, None, bool]:
        """It has no ids."""
        return None, None, None, self.is_snapshot


def _book_reader(level: Any, size_of: Callable[[Any], Any], **options: Any) -> Callable[[bytes], _Book]:
    read_one = Decoder(level, strict=False, **options).decode
    read_all = Decoder(list.__class_getitem__(level), strict=False, **options).decode

    def read(payload: bytes) -> _Book:
        content = _READ_ARRAY(payload).first
        is_snapshot = _LIST_OF_LISTS.match(content) is not None
        levels = read_all(content) if is_snapshot else [read_one(content)]
        sides: tuple[list[Any], list[Any]] = ([], [])
        for one in levels:
            sides[str(one.size).startswith("-")].append((one.price, size_of(one.size) if one.orders else size_of(0)))
        return _Book(is_snapshot, *sides)

    return read


def _magnitude(size: object) -> str:
    return str(size).removeprefix("-")


_LIST_OF_LISTS: Final = re.compile(rb"\s*\[\s*[\[\]]")


def _kind(pair: str) -> str:
    return "perpetual" if "F0:" in pair else "spot"


def _instrument_columns(pairs: Iterable[str]) -> tuple[Column, ...]:
    """The list has nothing but names: `BTCUSD`, or `DUSK:USD` where one is longer than three letters."""
    names = list(pairs)
    parts = [pair.split(":") if ":" in pair else (pair[:3], pair[3:]) for pair in names]
    told = {
        "kind": list(map(_kind, names)),
        "base": [base for base, *_ in parts],
        "quote": [quote for *_, quote in parts],
    }
    return tuple(told.get(field, [None] * len(names)) for field in InstrumentRow._fields)


_ROWS: Final = MappingProxyType(
    {
        "book_delta": (
            RowReaders(
                _book_reader(_Level[float], abs),
                _book_reader(_Level[Any], _magnitude, float_hook=str),
                book_columns,
                numbers=(),
                sides=("bids", "asks"),
                filled=("is_snapshot", "bid_prices", "bid_sizes", "ask_prices", "ask_sizes"),
            ),
        ),
        "trade": (row_table("trade", trade_id="0", size="2", price="3", signed=("buy", "sell")),),
        # Its sizes are not those of the best prices, but sums of 25 levels.
        "book_ticker": (row_table("book_ticker", bid_price="1.0", ask_price="1.2"),),
        "mark_price": (row_table("mark_price", mark_price="1.14?", index_price="1.3?"),),
        "funding_rate": (
            row_table("funding_rate", funding_rate="1.11?", predicted_rate="1.8?", next_funding_at=("1.7?", from_ms)),
        ),
        "open_interest": (row_table("open_interest", open_interest="1.17"),),
        "liquidation": (
            row_table(
                "liquidation",
                liquidation_id="1",
                size="5",
                price="6",
                signed=("sell", "buy"),
                status=("8?", {0: "initial", 1: "match"}.get),
            ),
        ),
        "instrument": (
            RowReaders(_READ_TEXT, _READ_TEXT, _instrument_columns, (), (), filled=("kind", "base", "quote")),
        ),
    }
)


class _Event(Struct, gc=False):
    event: str
    channel: str = ""
    channel_id: int = msgspec.field(name="chanId", default=-1)
    symbol: str = ""
    key: str = ""
    status: str = ""
    code: int | None = None
    text: str = msgspec.field(name="msg", default="")
    flags: int = _COUNT
    """Those in force, in an answer to `conf`."""

    @property
    def topic(self) -> str:
        """As the subscription named it."""
        return f"{self.channel} {self.symbol or self.key}"


_READ_EVENT: Final = Decoder(_Event).decode
_CLOSING: Final = (20051, 20061)
"""The server restarts; and maintenance has ended, so that all channels have to be subscribed anew."""
_KINDS: Final = {
    "subscribed": ControlKind.ACK,
    "unsubscribed": ControlKind.ACK,
    "error": ControlKind.ERROR,
    "info": ControlKind.HEARTBEAT,
    "pong": ControlKind.HEARTBEAT,
}


class BitfinexRest(RestMarket):
    """Names of pairs, and volumes. Trades have no dense ids, and books over REST no place among the updates."""

    limits = RestLimits("https://api-pub.bitfinex.com", "bitfinex", 30, 60.0)

    def lists(self) -> tuple[Get, ...]:
        """Spot pairs, and perpetuals."""
        return Get("/v2/conf/pub:list:pair:exchange", 1), Get("/v2/conf/pub:list:pair:futures", 1)

    def read_list(self, get: Get, body: bytes) -> ListPage:
        """Names without the `t` of symbols; all of them trade."""
        found = readable_names(body, "0")
        listings = [Listing(f"t{pair}", _kind(pair), is_trading=True, payload=item) for item, pair in found.entries]
        return ListPage(listings, unread=found.unread)

    def volumes(self) -> tuple[Get, ...]:
        """The tickers of everything."""
        return (Get("/v2/tickers?symbols=ALL", 1),)

    def read_volumes(self, get: Get, body: bytes) -> Mapping[str, float]:
        """In the quote currency; the exchange tells the base currency's amount. Loans are left out."""
        found = readable(body, "", ("0", name), ("7?", number), ("8?", number)).entries
        return {
            symbol: last * volume
            for _, symbol, last, volume in found
            if symbol.startswith("t") and last is not None and volume is not None
        }


class Bitfinex(ChannelIdMarket):
    """All that trades on Bitfinex, but loans."""

    exchange = "bitfinex"
    ws_url = "wss://api-pub.bitfinex.com"
    path = "/ws/2"
    channels: ClassVar = _CHANNELS
    rows = _ROWS
    rest = BitfinexRest()
    opens_with_books = True
    renews_books = False  # to leave a channel takes its id, which differs on each connection
    has_tickets = True
    limits = Limits(
        connections=20,
        window_secs=60.0,
        streams_per_connection=25,
        messages_per_sec=4.0,  # none is stated
        lifetime_secs=86_400.0,  # none is stated
    )
    opening = (Request(text({"event": "conf", "flags": _COUNT_AND_TIME})),)
    symbol_pattern = re.compile(r"t[A-Z0-9]+(:[A-Z0-9]+)?")
    symbol_example = "tBTCUSD, tDUSK:USD or tBTCF0:USTF0"
    names = re.compile(rb'\s*\[\s*([0-9]{1,18})\s*,(?!\s*"(?:hb|te|cs)")')

    def ticket(self, frame: bytes) -> int | None:
        """What stands behind the content of an array; the content may be a word and a list, or a word and a number."""
        found = _TICKET.fullmatch(frame)
        return None if found is None else int(found[1])

    def content(self, payload: bytes) -> bytes:
        """Of a frame, without the id of its channel, its number and its time; another payload is a part of a frame."""
        found = _CONTENT.fullmatch(payload)
        return payload if found is None else found[1]

    def control(self, frame: bytes) -> Control | None:
        """Events, and arrays that carry no message."""
        if frame.startswith(b"["):
            return Control(ControlKind.HEARTBEAT, "hb") if _WITHOUT_MESSAGE.match(frame) else None
        try:
            event = _READ_EVENT(frame)
        except UNREADABLE:
            return noise(frame)
        if event.event == "conf":
            return _configured(event)
        kind = _KINDS.get(event.event)
        if event.code in _CLOSING and event.event == "info":
            kind = ControlKind.SHUTDOWN
        told = f"{event.code} {event.text} {event.topic}".strip() if event.code is not None else event.topic
        return noise(frame) if kind is None else Control(kind, shown(told))

    def subscribe(self, topics: Sequence[tuple[str, StreamKey]]) -> list[Request]:
        """One a request."""
        return [Request(text({"event": "subscribe", **_argument(topic)})) for topic, _ in topics]

    def explained(self, frame: bytes) -> Explained | None:
        """Answers that subscribe or unsubscribe."""
        if not frame.startswith((b'{"event":"subscribed"', b'{"event":"unsubscribed"')):
            return None
        try:
            event = _READ_EVENT(frame)
        except UNREADABLE:
            return None
        return Explained(event.channel_id, event.topic if event.event == "subscribed" else "")


_TICKET: Final = re.compile(rb'\[.*(?:\]|"hb"|"cs",-?[0-9]+),([0-9]{1,12})(?:,[^][]*)?\]\s*', re.DOTALL)
"""Tried from the end of a frame, because a book may be long. A number of 13 digits is the time in ms: an exchange that does
not count sends it in the count's place, and no connection has so many frames.
"""
_CONTENT: Final = re.compile(rb"\[\s*[0-9]+\s*,(.*\])[^][]*\]\s*", re.DOTALL)


def _configured(event: _Event) -> Control:
    """What the answer to `conf` means: without a count nothing shows a lost frame."""
    if event.status != "OK":
        return Control(ControlKind.ERROR, shown(f"{event.code} {event.text} conf"))
    if not event.flags & _COUNT:
        return Control(ControlKind.ERROR, f"conf: frames are not counted, flags {event.flags}")
    return Control(ControlKind.ACK, "conf")


def _argument(topic: str) -> dict[str, str]:
    channel, _, named = topic.partition(" ")
    depth = {"prec": "P0", "freq": "F0", "len": "250"} if channel == "book" else {}
    return {"channel": channel, "key" if channel == "status" else "symbol": named, **depth}
