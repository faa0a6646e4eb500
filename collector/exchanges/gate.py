"""Gate: spot, over its WebSocket API v4.

Sources: https://www.gate.com/docs/developers/apiv4/ws/en/ and https://www.gate.com/docs/developers/apiv4/en/. Each request
has a `time`, by which only signed ones are judged. Prices and sizes are texts, times milliseconds.
"""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar, Final
from urllib.parse import urlencode

from msgspec.json import Decoder

from collector.domain.records import Envelope, IdRule, StreamKey
from collector.exchanges.adapter import Control, ControlKind, Keepalive, Limits, Request
from collector.exchanges.market import Channel, Market, batches, by_channel, text
from collector.exchanges.places import places, present
from collector.exchanges.reading import message_reader, shown, single
from collector.exchanges.rest_adapter import Get, Listing, ListPage, RestLimits
from collector.exchanges.rest_market import RestMarket
from collector.exchanges.rest_reading import book, name, number, read_json, readable
from collector.exchanges.row_tables import decimal_step, row_table
from collector.exchanges.times import from_decimal_ms, from_ms, from_secs
from collector.exchanges.typed_rows import UNREADABLE

_UPDATES: Final = "spot.order_book_update"
_RHYTHM: Final = "100ms"
_PAIRS_IN_REQUEST: Final = 50
_TIME: Final = 1
_SIDES: Final = {"buy": "buy", "sell": "sell"}

_BOOK: Final = Channel(  # `full`: now and then the exchange sends the whole book again
    _UPDATES,
    {"book_delta": IdRule.DENSE},
    single(
        "book_delta",
        symbol="result.s",
        id="result.u",
        first_id="result.U",
        sent=("result.t", from_ms),
        is_snapshot="result.full?",
    ),
    f"{_UPDATES} {{symbol}}",
)
_TRADES: Final = Channel(
    "spot.trades",
    {"trade": IdRule.RISING},
    single("trade", symbol="result.currency_pair", id="result.id", sent=("result.create_time_ms", from_decimal_ms)),
    "spot.trades {symbol}",
)
_BEST: Final = Channel(
    "spot.book_ticker",
    {"book_ticker": IdRule.RISING},
    single("book_ticker", symbol="result.s", id="result.u", sent=("result.t", from_ms)),
    "spot.book_ticker {symbol}",
)


def _date(seconds: object) -> int | None:
    """A time of which 0 says that there is none."""
    return from_secs(seconds) or None


_ROWS: Final = MappingProxyType(
    {
        "book_delta": (
            row_table(
                "book_delta",
                first_id="result.U",
                last_id="result.u",
                is_snapshot="result.full?",
                bids="result.b?",
                asks="result.a?",
            ),
            row_table("book_delta", last_id="id", is_snapshot=("id", present), bids="bids", asks="asks"),
        ),
        "trade": (
            row_table(
                "trade",
                trade_id="result.id",
                price="result.price",
                size="result.amount",
                side=("result.side?", _SIDES.get),
            ),
        ),
        "book_ticker": (
            row_table(
                "book_ticker",
                update_id="result.u",
                bid_price="result.b?",
                bid_size="result.B?",
                ask_price="result.a?",
                ask_size="result.A?",
            ),
        ),
        "instrument": (
            row_table(
                "instrument",
                status="trade_status",
                kind=("id", lambda _: "spot"),
                base="base?",
                quote="quote?",
                tick_size=("precision?", decimal_step),
                lot_size=("amount_precision?", decimal_step),
                min_size="min_base_amount?",
                min_notional="min_quote_amount?",
                listed_at=("buy_start?", _date),
                expires_at=("delisting_time?", _date),
            ),
        ),
    }
)

_UPDATE: Final = re.compile(rb'\{"time":\d+,(?:"time_ms":\d+,)?"channel":"([a-z_.]+)","event":"update",')
_HEAD: Final = places({"event": "event?", "channel": "channel?", "error": "error?"}, {"event": str, "channel": str})
_READ_HEAD: Final = Decoder(_HEAD.struct).decode
_event_of, _channel_of, _error_of = _HEAD.getters.values()
_READ_BOOK: Final = message_reader(id="id", sent=("update?", from_ms))


class GateRest(RestMarket):
    """Books, instruments, volumes and time. Trades are not numbered without holes, so none can be said to be missing."""

    limits = RestLimits("https://api.gateio.ws", "gate", 200, 10.0)  # of each path; here of all together

    def snapshot(self, symbol: str) -> Get:
        """As many levels as the exchange asks for in its guide to a local book."""
        query = {"currency_pair": symbol, "limit": 100, "with_id": "true"}
        return Get(f"/api/v4/spot/order_book?{urlencode(query)}", 1)

    def read_snapshot(self, stream: StreamKey, body: bytes) -> Envelope:
        """See `RestAdapter.read_snapshot`."""
        return book(stream, _READ_BOOK, _ROWS["book_delta"][1], body)

    def lists(self) -> tuple[Get, ...]:
        """All pairs at once."""
        return (Get("/api/v4/spot/currency_pairs", 1),)

    def read_list(self, get: Get, body: bytes) -> ListPage:
        """A pair that can only be bought, or only be sold, trades."""
        found = readable(body, "", ("id", name), "trade_status")
        listings = [Listing(symbol, "spot", status != "untradable", item) for item, symbol, status in found.entries]
        return ListPage(listings, unread=found.unread)

    def volumes(self) -> tuple[Get, ...]:
        """The tickers of all pairs."""
        return (Get("/api/v4/spot/tickers", 1),)

    def read_volumes(self, get: Get, body: bytes) -> Mapping[str, float]:
        """In the quote currency."""
        found = readable(body, "", ("currency_pair", name), ("quote_volume", number)).entries
        return {pair: volume for _, pair, volume in found}

    def clock(self) -> Get:
        """The server's time."""
        return Get("/api/v4/spot/time", 1)

    def read_clock(self, body: bytes) -> int:
        """In milliseconds."""
        (millis,) = read_json(body, "server_time")
        return from_ms(millis)


class Gate(Market):
    """Spot."""

    exchange = "gate"
    ws_url = "wss://api.gateio.ws"
    path = "/ws/v4/"
    channels: ClassVar = (_BOOK, _TRADES, _BEST)
    unasked = frozenset({"spot.tickers", "spot.candlesticks", "spot.order_book", "spot.obu", "spot.trades_v2"})
    rows = _ROWS
    rest = GateRest()
    limits = Limits(
        connections=100,  # none is stated
        window_secs=60.0,
        streams_per_connection=300,  # none is stated
        messages_per_sec=20.0,  # none is stated
        lifetime_secs=86_400.0,  # none is stated
        live=100,  # the exchange's advice
    )
    keepalive = Keepalive(text({"time": _TIME, "channel": "spot.ping"}), 15.0)  # 30 s without a word close it
    symbol_pattern = re.compile(r"[A-Z0-9]+_[A-Z0-9]+")
    symbol_example = "BTC_USDT"
    names = re.compile(rb'"channel": ?"([a-z_.]+)", ?"event": ?"update".{0,200}?"(?:s|currency_pair)": ?"([^"]+)"')

    def channel_of(self, frame: bytes) -> str:
        """The channel of an update; a frame of another event is an answer."""
        usual = _UPDATE.match(frame)
        if usual is not None:
            return usual[1].decode()
        head = _READ_HEAD(frame)
        return (_channel_of(head) or "") if _event_of(head) == "update" else ""

    def control(self, frame: bytes) -> Control | None:
        """Answers, of which a refusal has an `error`."""
        told = shown(frame.decode(errors="replace"))
        try:
            head = _READ_HEAD(frame)
        except UNREADABLE:
            return Control(ControlKind.NOISE, told)
        event, channel, error = _event_of(head), _channel_of(head) or "", _error_of(head)
        if error is not None:
            return Control(ControlKind.ERROR, shown(str(error.get("message") if isinstance(error, dict) else error)))
        if event == "update" and channel:
            return None
        if channel.endswith(".pong"):
            return Control(ControlKind.HEARTBEAT, "pong")
        if event in {"subscribe", "unsubscribe"}:
            return Control(ControlKind.ACK, shown(channel))
        return Control(ControlKind.NOISE, told)

    def subscribe(self, topics: Sequence[tuple[str, StreamKey]]) -> list[Request]:
        """Updates of books are subscribed one by one, of the other channels many at once; each request has one answer."""
        return [
            Request(text({"time": _TIME, "channel": channel, "event": "subscribe", "payload": payload}))
            for channel, pairs in by_channel(topics).items()
            for payload in _payloads(channel, pairs)
        ]


def _payloads(channel: str, pairs: list[str]) -> list[Sequence[str]]:
    return [(pair, _RHYTHM) for pair in pairs] if channel == _UPDATES else batches(pairs, _PAIRS_IN_REQUEST)
