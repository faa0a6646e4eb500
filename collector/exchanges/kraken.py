"""Kraken's spot market, WebSocket v2.

Source: https://docs.kraken.com/api/docs/websocket-v2/book and its neighbours, and the pages of the REST API. Numbers are
JSON numbers with the pair's full precision, trailing zeros included. REST still says XBT and XDG for BTC and DOGE.
"""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final
from urllib.parse import urlencode

from msgspec.json import Decoder

from collector.domain.records import IdRule, StreamKey
from collector.exchanges import checksums
from collector.exchanges.adapter import (
    BookCheck,
    BookUpdate,
    Control,
    ControlKind,
    Keepalive,
    Levels,
    Limits,
    Request,
)
from collector.exchanges.market import Channel, Market, Topics, batches, by_channel, noise, text
from collector.exchanges.places import Place, places
from collector.exchanges.reading import listed, message_reader, shown, single
from collector.exchanges.rest_adapter import Get, Hole, Listing, ListPage, Page, Refusal, RestLimits
from collector.exchanges.rest_market import RestMarket
from collector.exchanges.rest_reading import messages, name, number, read_json, readable, readable_values, texts
from collector.exchanges.row_tables import level, row_table
from collector.exchanges.times import from_decimal_secs, from_rfc3339, from_secs
from collector.exchanges.typed_rows import UNREADABLE

_DEPTH: Final = 100
_SYMBOLS_IN_REQUEST: Final = 50
_PARAMETERS: Final[dict[str, dict[str, Any]]] = {
    "book": {"depth": _DEPTH},
    "trade": {},  # its snapshot are the last 50, which fill a short interruption
    "ticker": {"event_trigger": "bbo"},
}
_IS_SNAPSHOT: Final[Place] = ("type", "snapshot".__eq__)
_LEVEL: Final = level("price", "qty")
_SIDES: Final = {"buy": "buy", "sell": "sell", "b": "buy", "s": "sell"}

_BOOK: Final = Channel(
    "book",
    {"book_delta": IdRule.NONE},
    single("book_delta", symbol="data.0!.symbol", sent=("data.0!.timestamp?", from_rfc3339), is_snapshot=_IS_SNAPSHOT),
    "book {symbol}",
)
_TRADES: Final = Channel(
    "trade",
    {"trade": IdRule.DENSE},
    listed("trade", "data", symbol="symbol", id="trade_id", sent=("timestamp", from_rfc3339)),
    "trade {symbol}",
)
_BEST: Final = Channel(
    "ticker",
    {"book_ticker": IdRule.NONE},
    single("book_ticker", symbol="data.0!.symbol", sent=("data.0!.timestamp?", from_rfc3339)),
    "ticker {symbol}",
)

_REST_NAMES: Final = {"BTC": "XBT", "DOGE": "XDG"}
_NAMES: Final = {rest: name for name, rest in _REST_NAMES.items()}


def _renamed(pair: str, names: Mapping[str, str]) -> list[str]:
    return [names.get(asset, asset) for asset in pair.split("/")]


def _symbol(wsname: object) -> str:
    return "/".join(_renamed(wsname, _NAMES)) if isinstance(wsname, str) else ""


_ROWS: Final = MappingProxyType(
    {
        "book_delta": (
            row_table("book_delta", is_snapshot=_IS_SNAPSHOT, bids="data.0.bids", asks="data.0.asks", levels=_LEVEL),
        ),
        "trade": (
            row_table("trade", trade_id="trade_id", price="price", size="qty", side=("side?", _SIDES.get)),
            row_table("trade", trade_id="6", price="0", size="1", side=("3", _SIDES.get)),
        ),
        "book_ticker": (
            row_table(
                "book_ticker",
                bid_price="data.0.bid?",
                bid_size="data.0.bid_qty?",
                ask_price="data.0.ask?",
                ask_size="data.0.ask_qty?",
            ),
        ),
        "instrument": (
            row_table(
                "instrument",
                status="status?",
                kind=("wsname", lambda _: "spot"),
                base=("wsname", lambda name: _symbol(name).partition("/")[0]),
                quote=("wsname", lambda name: _symbol(name).partition("/")[2]),
                tick_size="tick_size?",
                min_size="ordermin?",
                min_notional="costmin?",
            ),
        ),
    }
)

_UPDATE: Final = places(
    {
        "is_snapshot": _IS_SNAPSHOT,
        "bids": "data.0!.bids",
        "asks": "data.0!.asks",
        "checksum": "data.0!.checksum?",
    },
    {"bids": list.__class_getitem__(_LEVEL(Any)), "asks": list.__class_getitem__(_LEVEL(Any)), "checksum": int},
)
_READ_UPDATE: Final = Decoder(_UPDATE.struct, float_hook=str).decode


def _update(payload: bytes) -> BookUpdate:
    update = _READ_UPDATE(payload)
    is_snapshot, bids, asks, checksum = (get(update) for get in _UPDATE.getters.values())
    return BookUpdate(is_snapshot, _as_written(bids), _as_written(asks), checksum)


def _as_written(levels: Iterable[Any]) -> Levels:
    return [(str(price), str(size)) for price, size in levels]


_REFUSALS: Final = (
    ("EAPI:Rate limit", Refusal.LIMITED),
    ("EGeneral:Too many requests", Refusal.LIMITED),
    ("EGeneral:Temporary lockout", Refusal.LIMITED),
    ("EService:", Refusal.PASSING),
    ("EGeneral:Internal error", Refusal.PASSING),
)
_DOLLARS: Final = re.compile(r"X(?P<old>[A-Z]{3})ZUSD|(?P<base>[A-Z0-9]+)(?P<quote>USD|USDT|USDC)")
"""Old names of pairs mark coins with X and currencies with Z."""
_EARLIER_US: Final = 60_000_000
"""How much earlier than the hole its first page begins, because this machine's clock may be ahead."""

_REST_TRADE: Final = message_reader(id="6", sent=("2", from_decimal_secs), symbol=("0", str))


class KrakenRest(RestMarket):
    """Every trade since the pair was listed, by time; pairs, turnover and time. Its books have no checksum and no id."""

    limits = RestLimits("https://api.kraken.com", "kraken", 1, 1.0)
    clock_step_us = 1_000_000

    def page(self, stream: StreamKey, hole: Hole, cursor: str) -> Get | None:
        """Up to 1,000 trades after a time in nanoseconds; the newest ones for a hole without a time."""
        if stream.data_type != "trade":
            return None
        query = {"pair": "".join(_renamed(stream.symbol, _REST_NAMES)), "count": "1000"}
        if cursor or hole.since_us is not None:
            query["since"] = cursor or str(max(0, (hole.since_us or 0) - _EARLIER_US) * 1_000)
        return Get(f"/0/public/Trades?{urlencode(query)}", 1)

    def read_page(self, stream: StreamKey, hole: Hole, cursor: str, body: bytes) -> Page:
        """The pair's name in the response may be another than the one asked for."""
        (last,) = read_json(body, "result.last")
        lists = [found for found in texts(body, "result") if found.startswith(b"[")]
        trades = [trade for found in lists for trade in messages(stream, _REST_TRADE, found, "")]
        is_whole = any((trade.id or 0) >= hole.last for trade in trades)
        return Page(trades, None if is_whole else str(last))

    def refusal(self, body: bytes) -> tuple[Refusal, str] | None:
        """The first of `error`."""
        (errors,) = read_json(body, "error?")
        if not errors:
            return None
        error = str(errors[0]) if isinstance(errors, list) else str(errors)
        kinds = [kind for beginning, kind in _REFUSALS if error.startswith(beginning)]
        return (kinds[0] if kinds else Refusal.FINAL), shown(error)

    def lists(self) -> tuple[Get, ...]:
        """All pairs of currencies; tokenized stocks are not among them."""
        return (Get("/0/public/AssetPairs", 1),)

    def read_list(self, get: Get, body: bytes) -> ListPage:
        """Pairs without a `wsname` have no streams."""
        found = readable(body, "result", ("wsname?", name), "status?")
        listings = [
            Listing(_symbol(wsname), "spot", status in ("online", None), item)
            for item, wsname, status in found.entries
            if wsname is not None
        ]
        return ListPage(listings, unread=found.unread)

    def volumes(self) -> tuple[Get, ...]:
        """The tickers of all pairs."""
        return (Get("/0/public/Ticker", 1),)

    def read_volumes(self, get: Get, body: bytes) -> Mapping[str, float]:
        """Of pairs that are quoted in dollars: the volume times its average price."""
        found = {}
        for pair, volume, price in readable_values(body, "result", ("v.1", number), ("p.1", number)).entries:
            if match := _DOLLARS.fullmatch(pair):
                symbol = _symbol(f"{match['old'] or match['base']}/{match['quote'] or 'USD'}")
                found[symbol] = volume * price
        return found

    def clock(self) -> Get:
        """The server's time."""
        return Get("/0/public/Time", 1)

    def read_clock(self, body: bytes) -> int:
        """In whole seconds."""
        (secs,) = read_json(body, "result.unixtime")
        return from_secs(secs)


_CHANNEL: Final = re.compile(rb'\A\{"channel":"(\w+)"', re.ASCII)
_HEAD: Final = places({"channel": "channel?", "method": "method?", "success": "success?", "error": "error?"})
_READ_HEAD: Final = Decoder(_HEAD.struct).decode
_HEARTBEATS: Final = frozenset({"heartbeat", "status"})


class Kraken(Market):
    """See the beginning of this file."""

    exchange = "kraken"
    ws_url = "wss://ws.kraken.com"
    path = "/v2"
    channels: ClassVar = (_BOOK, _TRADES, _BEST)
    unasked = frozenset({"instrument", "ohlc", "status", "heartbeat"})
    rows = _ROWS
    limits = Limits(
        connections=150,
        window_secs=600.0,
        streams_per_connection=300,  # none is stated
        messages_per_sec=5.0,  # none is stated
        lifetime_secs=86_400.0,  # none is stated
    )
    keepalive = Keepalive('{"method":"ping"}', 30.0)
    opens_with_books = True
    rest = KrakenRest()
    checks: ClassVar = MappingProxyType({"book_delta": BookCheck(_DEPTH, _update, checksums.kraken)})
    symbol_pattern = re.compile(r"[A-Za-z0-9.]+/[A-Z0-9.]+")
    symbol_example = "BTC/USD"
    names = re.compile(rb'\A\{"channel":"(\w+)","type":"\w+","data":\[\{"symbol":"([^"]+)"')

    def channel_of(self, frame: bytes) -> str:
        """What the frame says; answers to requests name none."""
        if found := _CHANNEL.match(frame):
            return found[1].decode()
        channel = _HEAD.getters["channel"](_READ_HEAD(frame))
        return channel if isinstance(channel, str) else ""

    def control(self, frame: bytes) -> Control | None:
        """Answers have a `method` or an `error`; a refused request has `success` false."""
        try:
            head = _READ_HEAD(frame)
        except UNREADABLE:
            return noise(frame)
        channel, method, success, error = (get(head) for get in _HEAD.getters.values())
        if channel is not None:
            is_beat = isinstance(channel, str) and channel in _HEARTBEATS
            return Control(ControlKind.HEARTBEAT, channel) if is_beat else None
        if method == "pong":
            return Control(ControlKind.HEARTBEAT, "pong")
        if success is False or error is not None:
            return Control(ControlKind.ERROR, shown(str(error)))
        if method in {"subscribe", "unsubscribe"}:
            return Control(ControlKind.ACK, method)
        return noise(frame)

    def requests(self, verb: str, topics: Topics) -> list[Request]:
        """A request for each channel; each symbol is answered by itself."""
        return [
            Request(text({"method": verb, "params": {"channel": channel, "symbol": batch, **parameters}}), len(batch))
            for channel, symbols in by_channel(topics).items()
            for batch in batches(symbols, _SYMBOLS_IN_REQUEST)
            for parameters in [_PARAMETERS[channel] | ({"snapshot": True} if verb == "subscribe" else {})]
        ]
