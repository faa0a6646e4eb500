"""KuCoin: spot, over the WebSocket that needs a token.

Source: https://www.kucoin.com/docs-new/ (WebSocket API, public channels of spot; REST, market data). Before each connection
`bullet-public` says where to connect, with which token, and how often to ping. Prices, sizes and some ids are texts.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Final
from urllib.parse import urlencode

from msgspec.json import Decoder

from collector.domain.decimals import to_double
from collector.domain.errors import UndecodableError
from collector.domain.records import Envelope, IdRule, StreamKey
from collector.exchanges.adapter import ConnectionPlan, Control, ControlKind, Keepalive, Limits, Request
from collector.exchanges.market import Channel, Market, batches, by_channel, text
from collector.exchanges.places import Place, places, present
from collector.exchanges.reading import message_reader, shown, single
from collector.exchanges.rest_adapter import Get, Listing, ListPage, Refusal, RestLimits
from collector.exchanges.rest_market import RestMarket
from collector.exchanges.rest_reading import book, name, number, read_json, readable
from collector.exchanges.row_tables import level, row_table
from collector.exchanges.times import from_ms, from_ns
from collector.exchanges.typed_rows import UNREADABLE


def _pair(topic: str) -> str:
    """What stands behind a topic's colon."""
    return topic.partition(":")[2]


def _moved(levels: list[Any]) -> list[Any]:
    """The levels of a book; a change at price 0 only moves the sequence."""
    return [one for one in levels if one.price != 0]


_SEQUENCE: Final = "data.sequence"
_SYMBOL: Final[Place] = ("topic", _pair)
_SIDES: Final = {"buy": "buy", "sell": "sell"}
_LEVEL: Final = level("0", "1")  # a change has its own sequence behind them
_SYMBOLS_IN_REQUEST: Final = 100

_BOOK: Final = Channel(
    "/market/level2",
    {"book_delta": IdRule.DENSE},
    single(
        "book_delta", symbol=_SYMBOL, id="data.sequenceEnd", first_id="data.sequenceStart", sent=("data.time?", from_ms)
    ),
    "/market/level2 {symbol}",
)
_TRADES: Final = Channel(
    "/market/match",
    {"trade": IdRule.RISING},
    single("trade", symbol=_SYMBOL, id=_SEQUENCE, sent=("data.time", from_ns)),
    "/market/match {symbol}",
)
_BEST: Final = Channel(
    "/market/ticker",
    {"book_ticker": IdRule.RISING},
    single("book_ticker", symbol=_SYMBOL, id=_SEQUENCE, sent=("data.time", from_ms)),
    "/market/ticker {symbol}",
)

_ROWS: Final = MappingProxyType(
    {
        "book_delta": (
            row_table(
                "book_delta",
                levels=_LEVEL,
                first_id="data.sequenceStart",
                last_id="data.sequenceEnd",
                bids=("data.changes.bids", _moved),
                asks=("data.changes.asks", _moved),
            ),
            row_table(
                "book_delta", last_id=_SEQUENCE, is_snapshot=(_SEQUENCE, present), bids="data.bids", asks="data.asks"
            ),
        ),
        "trade": (
            row_table(
                "trade",
                trade_id="data.tradeId",
                price="data.price",
                size="data.size",
                side=("data.side?", _SIDES.get),
                sequence=_SEQUENCE,
            ),
        ),
        "book_ticker": (
            row_table(
                "book_ticker",
                update_id=_SEQUENCE,
                bid_price="data.bestBid?",
                bid_size="data.bestBidSize?",
                ask_price="data.bestAsk?",
                ask_size="data.bestAskSize?",
            ),
        ),
        "instrument": (
            row_table(
                "instrument",
                status=("enableTrading", {True: "enabled", False: "disabled"}.get),
                kind=("symbol", lambda _: "spot"),
                base="baseCurrency?",
                quote="quoteCurrency?",
                tick_size="priceIncrement?",
                lot_size="baseIncrement?",
                min_size="baseMinSize?",
                min_notional="minFunds?",
            ),
        ),
    }
)

_HEAD: Final = places({"type": "type?", "topic": "topic?"}, {"type": str, "topic": str})
_READ_HEAD: Final = Decoder(_HEAD.struct).decode
_type_of, _topic_of = _HEAD.getters.values()
_READ_BOOK: Final = message_reader(id=_SEQUENCE, sent=("data.time?", from_ms))
_SERVER: Final = "data.instanceServers.0"
_BEAT: Final = ControlKind.HEARTBEAT
_KINDS: Final = {"ack": ControlKind.ACK, "error": ControlKind.ERROR, "welcome": _BEAT, "pong": _BEAT}
_FINE: Final = "200000"
_REFUSALS: Final = {
    **dict.fromkeys(("429000", "429001", "429002"), Refusal.LIMITED),
    **dict.fromkeys(("500000", "503000", "504000", "505000"), Refusal.PASSING),
}


class KucoinRest(RestMarket):
    """Books, instruments, volumes and time. REST has only the newest 100 trades."""

    limits = RestLimits("https://api.kucoin.com", "kucoin", 2_000, 30.0)

    def snapshot(self, symbol: str) -> Get:
        """The best levels; the whole book needs a key."""
        return Get(f"/api/v1/market/orderbook/level2_100?{urlencode({'symbol': symbol})}", 4)

    def read_snapshot(self, stream: StreamKey, body: bytes) -> Envelope:
        """See `RestAdapter.read_snapshot`."""
        return book(stream, _READ_BOOK, _ROWS["book_delta"][1], body)

    def refusal(self, body: bytes) -> tuple[Refusal, str] | None:
        """A code other than 200000."""
        try:
            code, message = read_json(body, "code?", "msg?")
        except UndecodableError:
            return None
        return (
            None
            if code is None or code == _FINE
            else (_REFUSALS.get(str(code), Refusal.FINAL), shown(f"{code} {message}"))
        )

    def lists(self) -> tuple[Get, ...]:
        """All symbols at once."""
        return (Get("/api/v2/symbols", 4),)

    def read_list(self, get: Get, body: bytes) -> ListPage:
        """See `RestAdapter.read_list`."""
        found = readable(body, "data", ("symbol", name), "enableTrading")
        listings = [Listing(symbol, "spot", is_enabled is True, item) for item, symbol, is_enabled in found.entries]
        return ListPage(listings, unread=found.unread)

    def volumes(self) -> tuple[Get, ...]:
        """The tickers of all symbols."""
        return (Get("/api/v1/market/allTickers", 15),)

    def read_volumes(self, get: Get, body: bytes) -> Mapping[str, float]:
        """In the quote currency; a symbol that never traded has none."""
        found = readable(body, "data.ticker", ("symbol", name), ("volValue?", number)).entries
        return {symbol: volume for _, symbol, volume in found if volume is not None}

    def clock(self) -> Get:
        """The server's time."""
        return Get("/api/v1/timestamp", 3)

    def read_clock(self, body: bytes) -> int:
        """In milliseconds."""
        (millis,) = read_json(body, "data")
        return from_ms(millis)


class Kucoin(Market):
    """Spot."""

    exchange = "kucoin"
    ws_url = "wss://ws-api-spot.kucoin.com"
    channels: ClassVar = (_BOOK, _TRADES, _BEST)
    unasked = frozenset(
        {"/market/candles", "/market/snapshot", "/spotMarket/level2Depth5", "/spotMarket/level2Depth50"}
    )
    rows = _ROWS
    rest = KucoinRest()
    limits = Limits(
        connections=30,
        window_secs=60.0,
        streams_per_connection=300,  # what is above is refused, by some servers without a word
        messages_per_sec=8.0,  # 100 in 10 s, with the pings
        lifetime_secs=86_400.0,
        live=50,
    )
    keepalive = Keepalive(text({"id": "ping", "type": "ping"}), 18.0)
    question = Get("/api/v1/bullet-public", 10, "POST")
    symbol_pattern = re.compile(r"[A-Z0-9]+-[A-Z0-9]+")
    symbol_example = "BTC-USDT"
    names = re.compile(rb'"topic": ?"([^"]+)"')
    beginning = b'{"type":"message","topic":"'
    route = ("topic",)

    def channel_of(self, frame: bytes) -> str:
        """The topic of a message without its symbol."""
        head = _READ_HEAD(frame)
        return (_topic_of(head) or "").partition(":")[0] if _type_of(head) == "message" else ""

    def control(self, frame: bytes) -> Control | None:
        """Frames of another type than messages."""
        told = shown(frame.decode(errors="replace"))
        try:
            if self.channel_of(frame):
                return None
            return Control(_KINDS.get(_type_of(_READ_HEAD(frame)), ControlKind.NOISE), told)
        except UNREADABLE:
            return Control(ControlKind.NOISE, told)

    def dial(self, plan: ConnectionPlan, answer: bytes) -> ConnectionPlan:
        """The server, the token and the rhythm of pings that the exchange tells."""
        where = "data.token", f"{_SERVER}.endpoint", f"{_SERVER}.pingInterval"
        token, endpoint, interval_ms = read_json(answer, *where)
        every_secs = number(interval_ms) / 1_000
        if every_secs <= 0:
            raise UndecodableError(f"not an interval of pings: {interval_ms}")
        url = f"{name(endpoint)}?{urlencode({'token': name(token)})}"
        return plan._replace(url=url, keepalive=self.keepalive._replace(every_secs=every_secs))

    def subscribe(self, topics: Sequence[tuple[str, StreamKey]]) -> list[Request]:
        """A hundred symbols of one channel a request, which is the most; each request has one answer."""
        joined = [
            f"{channel}:{','.join(batch)}"
            for channel, symbols in by_channel(topics).items()
            for batch in batches(symbols, _SYMBOLS_IN_REQUEST)
        ]
        return [
            Request(text({"id": str(index), "type": "subscribe", "topic": topic, "response": True}))
            for index, topic in enumerate(joined)
        ]

    def spoken(self, topic: str, key: StreamKey) -> bytes:
        """The topic as a message has it."""
        return topic.replace(" ", ":").encode()

    def decimals(self, data_type: str, payload: bytes) -> Iterable[str]:
        """Without the changes at price 0, which are in no row."""
        numbers = list(super().decimals(data_type, payload))
        if data_type != "book_delta":
            return numbers
        levels = zip(numbers[::2], numbers[1::2], strict=True)
        return [one for price, size in levels if to_double(price) != 0 for one in (price, size)]
