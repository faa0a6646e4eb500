"""OKX v5: spot, swaps, futures and options, in one exchange with one list of names.

Source: https://www.okx.com/docs-v5/en/ (order book trading, public data). Prices and sizes are decimals in quotes, times
milliseconds in quotes; sizes of derivatives are contracts.

A book names the update before its own; recordings of 2022 have no ids. Trades are sums of what one taker order took at one
price from one source, with the id of the last.
"""

import re
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Annotated, ClassVar, Final
from urllib.parse import urlencode

from msgspec import Meta, Raw
from msgspec.json import Decoder

from collector.domain.decimals import to_double
from collector.domain.records import INT64_MAX, Envelope, IdRule, StreamKey
from collector.domain.times import NO_TIME_US
from collector.exchanges.adapter import Control, ControlKind, Keepalive, Limits, Request
from collector.exchanges.market import Channel, Market, Topics, batches, noise, text
from collector.exchanges.message_places import Id
from collector.exchanges.places import places
from collector.exchanges.reading import Keys, listed, message_reader, shown
from collector.exchanges.rest_adapter import Get, Listing, ListPage, Refusal, RestLimits
from collector.exchanges.rest_market import RestMarket
from collector.exchanges.rest_reading import book, name, read_json, readable
from collector.exchanges.row_tables import level, row_table
from collector.exchanges.times import from_ms
from collector.exchanges.typed_rows import UNREADABLE

_ARGS_IN_REQUEST: Final = 20
_PONG: Final = b"pong"
_SERVICE_UPGRADE: Final = "64008"
"""The server closes the connection within a minute."""
_SIDES: Final = {"buy": "buy", "sell": "sell"}
_KINDS: Final = {"SPOT": "spot", "SWAP": "perpetual", "FUTURES": "future", "OPTION": "option"}
_OPTION: Final = re.compile(r".+-[0-9]{6}-[0-9.]+-[CP]")
_FUTURE: Final = re.compile(r".+-[0-9]{6}")


def _instrument_type(symbol: str) -> str:
    """What liquidations are subscribed by; those of a pair are margin positions."""
    if symbol.endswith("-SWAP"):
        return "SWAP"
    if _OPTION.fullmatch(symbol):
        return "OPTION"
    return "FUTURES" if _FUTURE.fullmatch(symbol) else "MARGIN"


def _time(value: object) -> int | None:
    """Of instruments a time may be an empty text."""
    return from_ms(value) if value else None


def _previous(previous: object) -> int | None:
    return previous if type(previous) is int and previous >= 0 else None


_BOOK: Final = places(
    {
        "symbol": "arg.instId",
        "is_snapshot": ("action", "snapshot".__eq__),
        "previous": "data.0!.prevSeqId?",
        "id": "data.0!.seqId?",
        "sent": ("data.0!.ts", from_ms),
    },
    {"symbol": str, "previous": Annotated[int, Meta(ge=-1, lt=INT64_MAX)], "id": Id},
)
_READ_BOOK: Final = Decoder(_BOOK.struct).decode
_BOOK_PARTS: Final = tuple(_BOOK.getters.values())


def _read_book(frame: bytes, keys: Keys) -> list[Envelope]:
    """`action` stands outside the list, so only a list of one is a message. After a minute without a change the last id comes
    again, without levels: that is no message.
    """
    message = _READ_BOOK(frame)
    symbol, is_snapshot, previous, last, sent_us = [get(message) for get in _BOOK_PARTS]
    key = keys["book_delta", symbol]
    if last is not None and previous == last:
        return []
    first = None if is_snapshot or previous is None else previous + 1
    return [Envelope(key, last, first, sent_us or NO_TIME_US, frame, is_snapshot)]


_FRAME: Final = places({"items": "data"}, {"items": list[Raw]})
_INSTRUMENT: Final = places({"symbol": "instId", "details": "details"}, {"symbol": str, "details": list[Raw]})
_READ_FRAME: Final = Decoder(_FRAME.struct).decode
_READ_INSTRUMENT: Final = Decoder(_INSTRUMENT.struct).decode
_DETAIL: Final = message_reader(sent=("ts", from_ms))


def _read_liquidations(frame: bytes, keys: Keys) -> list[Envelope]:
    """Those of all instruments of a type; others than the subscribed ones are skipped."""
    return [
        Envelope(key, *_DETAIL(detail, detail)[1])
        for instrument in map(_READ_INSTRUMENT, _FRAME.getters["items"](_READ_FRAME(frame)))
        for key in keys.chosen(["liquidation"], [_INSTRUMENT.getters["symbol"](instrument)])
        for detail in map(bytes, _INSTRUMENT.getters["details"](instrument))
    ]


def _news(name: str, data_type: str) -> Channel:
    """Rates had no time before 2024."""
    read = listed(data_type, "data", symbol="instId", sent=("ts?", from_ms))
    return Channel(name, {data_type: IdRule.NONE}, read, f"{name} {{symbol}}")


_CHANNELS: Final = (
    Channel("books", {"book_delta": IdRule.CHAINED}, _read_book, "books {symbol}"),
    Channel(
        "trades",
        {"trade": IdRule.RISING},
        listed("trade", "data", symbol="instId", id="tradeId", sent=("ts", from_ms)),
        "trades {symbol}",
    ),
    Channel(  # sent again after a minute without a change, with the same id
        "bbo-tbt",
        {"book_ticker": IdRule.NONE},
        listed("book_ticker", "data", common={"symbol": "arg.instId"}, sent=("ts", from_ms)),
        "bbo-tbt {symbol}",
    ),
    _news("mark-price", "mark_price"),
    _news("funding-rate", "funding_rate"),
    _news("open-interest", "open_interest"),
    Channel("liquidation-orders", {"liquidation": IdRule.NONE}, _read_liquidations, "liquidation-orders {symbol}"),
)

_book_rows: Final = partial(
    row_table, "book_delta", last_id="data.0.seqId?", bids="data.0.bids", asks="data.0.asks", levels=level("0", "1")
)
"""Of frames and of REST responses."""

_ROWS: Final = MappingProxyType(
    {
        "book_delta": (
            _book_rows(previous_id=("data.0.prevSeqId?", _previous), is_snapshot=("action", "snapshot".__eq__)),
            _book_rows(is_snapshot=("code", "0".__eq__)),
        ),
        "trade": (row_table("trade", trade_id="tradeId", price="px", size="sz", side=("side?", _SIDES.get)),),
        "book_ticker": (
            row_table(
                "book_ticker",
                update_id="seqId?",
                bid_price="bids.0.0?",
                bid_size="bids.0.1?",
                ask_price="asks.0.0?",
                ask_size="asks.0.1?",
            ),
        ),
        "mark_price": (row_table("mark_price", mark_price="markPx"),),
        "funding_rate": (
            row_table(
                "funding_rate",
                funding_rate="fundingRate",
                predicted_rate="nextFundingRate?",
                next_funding_at=("fundingTime?", from_ms),
            ),
        ),
        "open_interest": (row_table("open_interest", open_interest="oi", open_interest_value="oiUsd?"),),
        "liquidation": (row_table("liquidation", side=("side?", _SIDES.get), price="bkPx?", size="sz?"),),
        "instrument": (
            row_table(
                "instrument",
                status="state",
                kind=("instType", _KINDS.get),
                base="baseCcy?",
                quote="quoteCcy?",
                settle="settleCcy?",
                tick_size="tickSz?",
                lot_size="lotSz?",
                min_size="minSz?",
                contract_size="ctVal?",
                listed_at=("listTime?", _time),
                expires_at=("expTime?", _time),
            ),
        ),
    }
)

_REFUSALS: Final = dict.fromkeys(("50011", "50061"), Refusal.LIMITED) | dict.fromkeys(
    ("50001", "50004", "50013", "50026"), Refusal.PASSING
)
_BOOK_OVER_REST: Final = message_reader(id="data.0.seqId", sent=("data.0.ts", from_ms))


def _number_or_zero(value: object) -> float:
    """What has not traded has empty texts."""
    return to_double(str(value)) or 0.0


class OkxRest(RestMarket):
    """Books with the id of the stream, instruments, volumes and time. It has single trades of three months by id, but the
    stream has sums, whose ids nobody promises to leave none out: no hole is known.
    """

    limits = RestLimits("https://www.okx.com", "okx", 20, 2.0)

    def snapshot(self, symbol: str) -> Get:
        """As many levels as the stream has."""
        return Get(f"/api/v5/market/books?{urlencode({'instId': symbol, 'sz': 400})}", 1)

    def read_snapshot(self, stream: StreamKey, body: bytes) -> Envelope:
        """Its id is that of the last update it contains."""
        return book(stream, _BOOK_OVER_REST, _ROWS["book_delta"][1], body)

    def refusal(self, body: bytes) -> tuple[Refusal, str] | None:
        """A code other than 0."""
        code, message = read_json(body, "code?", "msg?")
        meaning = _REFUSALS.get(str(code), Refusal.FINAL)
        return None if code is None or code == "0" else (meaning, shown(f"{code} {message}"))

    def lists(self) -> tuple[Get, ...]:
        """One for each type; options are listed by underlying."""
        queries = ("SPOT", "SWAP", "FUTURES", "OPTION&uly=BTC-USD", "OPTION&uly=ETH-USD")
        return tuple(Get(f"/api/v5/public/instruments?instType={query}", 1) for query in queries)

    def read_list(self, get: Get, body: bytes) -> ListPage:
        """See `RestAdapter.read_list`."""
        found = readable(body, "data", ("instId", name), ("instType", name), "state")
        listings = [
            Listing(symbol, _KINDS[kind], state == "live", item)
            for item, symbol, kind, state in found.entries
            if kind in _KINDS
        ]
        return ListPage(listings, unread=found.unread)

    def volumes(self) -> tuple[Get, ...]:
        """The tickers of all pairs, swaps and futures."""
        return tuple(Get(f"/api/v5/market/tickers?instType={kind}", 1) for kind in ("SPOT", "SWAP", "FUTURES"))

    def read_volumes(self, get: Get, body: bytes) -> Mapping[str, float]:
        """In the quote currency; of swaps and futures the exchange tells only the base currency's amount."""
        amounts = (("volCcy24h", _number_or_zero), ("last", _number_or_zero))
        found = readable(body, "data", ("instId", name), "instType", *amounts).entries
        return {symbol: volume * (1.0 if kind == "SPOT" else last) for _, symbol, kind, volume, last in found}

    def clock(self) -> Get:
        """The server's time."""
        return Get("/api/v5/public/time", 1)

    def read_clock(self, body: bytes) -> int:
        """In milliseconds."""
        (millis,) = read_json(body, "data.0.ts")
        return from_ms(millis)


_HEAD: Final = places({"channel": "arg.channel?", "event": "event?", "code": "code?", "text": "msg?"})
_READ_HEAD: Final = Decoder(_HEAD.struct).decode


_EVENTS: Final = {
    "subscribe": ControlKind.ACK,
    "unsubscribe": ControlKind.ACK,
    "error": ControlKind.ERROR,
    "notice": ControlKind.HEARTBEAT,
    "channel-conn-count": ControlKind.HEARTBEAT,
}


class Okx(Market):
    """All that trades on OKX."""

    exchange = "okx"
    ws_url = "wss://ws.okx.com:8443"
    other_hosts = ("wss://wsaws.okx.com:8443",)
    path = "/ws/v5/public"
    channels: ClassVar = _CHANNELS
    unasked = frozenset({"tickers", "books5", "index-tickers", "instruments", "price-limit", "status", "opt-summary"})
    rows = _ROWS
    opens_with_books = True
    rest = OkxRest()
    limits = Limits(
        connections=3,
        window_secs=1.0,
        streams_per_connection=60,  # fewer than 30 books are advised, and a symbol has more streams than its book
        messages_per_sec=3.0,
        lifetime_secs=86_400.0,  # none is stated
        requests_per_hour=480,
    )
    keepalive = Keepalive("ping", 20.0)
    symbol_pattern = re.compile(r"[A-Z0-9]+-[A-Z0-9_]+(-[A-Z0-9_.]+)*")
    symbol_example = "BTC-USDT, BTC-USDT-SWAP or BTC-USD-261225"
    names = re.compile(rb'^\{"arg":\{"channel":"([^"\\]+)","inst(?:Id|Type)":"([^"]+)"\},"(?:data|action)":')

    def channel_of(self, frame: bytes) -> str:
        """Acks name one too, so the usual beginning of a message is not enough."""
        usual = self.names.match(frame)
        if usual is not None:
            return usual[1].decode()
        if frame == _PONG:
            return ""
        head = _READ_HEAD(frame)
        channel = _HEAD.getters["channel"](head)
        return channel if isinstance(channel, str) and _HEAD.getters["event"](head) is None else ""

    def control(self, frame: bytes) -> Control | None:
        """Frames with an `event`, and the answer to a ping, which is no JSON."""
        if frame == _PONG:
            return Control(ControlKind.HEARTBEAT, "pong")
        try:
            head = _READ_HEAD(frame)
        except UNREADABLE:
            return noise(frame)
        channel, event, code, message = (get(head) for get in _HEAD.getters.values())
        if event is None and channel is not None:
            return None
        kind = ControlKind.SHUTDOWN if code == _SERVICE_UPGRADE else _EVENTS.get(str(event))
        return noise(frame) if kind is None else Control(kind, shown(f"{code} {message}" if code else str(channel)))

    def _topic(self, key: StreamKey) -> str:
        """Liquidations are subscribed for all instruments of a type."""
        if key.data_type == "liquidation":
            return f"liquidation-orders {_instrument_type(key.symbol)}"
        return super()._topic(key)

    def requests(self, verb: str, topics: Topics) -> list[Request]:
        """Each channel of a request is answered by itself."""
        return [
            Request(text({"op": verb, "args": [_argument(topic) for topic in batch]}), len(batch))
            for batch in batches([topic for topic, _ in topics], _ARGS_IN_REQUEST)
        ]


def _argument(topic: str) -> dict[str, str]:
    channel, _, name = topic.partition(" ")
    return {"channel": channel, "instType" if channel == "liquidation-orders" else "instId": name}
