"""Binance's spot, USD-M and COIN-M markets, over combined JSON streams, subscribed in the URL and with SUBSCRIBE messages.

Sources: web-socket-streams.md in github.com/binance/binance-spot-api-docs (2026-07-21);
developers.binance.com/docs/derivatives, "Websocket Market Streams" of usds-margined-futures (with its "Important WebSocket
Change Notice" of 2026-03-06) and of coin-margined-futures. The futures' `@trade` is undocumented; its keys are those
recorded. Prices and sizes are decimals in quotes, times are integer milliseconds. Continuity rules and measured sequences:
docs/exchanges/binance.md.
"""

import re
from collections.abc import Sequence
from itertools import count
from types import MappingProxyType
from typing import Any, ClassVar, Final
from urllib.parse import quote

import msgspec

from collector.domain.decimals import to_double
from collector.domain.records import IdRule, StreamKey
from collector.exchanges.adapter import Control, ControlKind, Limits, Request
from collector.exchanges.binance_rest import REST_BOOK, BinanceRest, Brief, Endpoint, FuturesRest, always, contract_kind
from collector.exchanges.market import Channel, Market, Topics, batches, text
from collector.exchanges.places import Place
from collector.exchanges.reading import Read, after, several, shown, single
from collector.exchanges.rest_adapter import RestLimits
from collector.exchanges.routes import name_reader
from collector.exchanges.row_tables import row_table
from collector.exchanges.times import from_ms
from collector.exchanges.typed_rows import UNREADABLE, RowReaders

_NAMES_IN_URL: Final = 100
"""Keeps the URL below 8 KiB, beyond which many HTTP servers refuse it, even if every name is percent-encoded."""
_NAMES_IN_MESSAGE: Final = 200
_TAKERS: Final = {True: "sell", False: "buy"}
"""The taker's side of a trade, by whether the buyer is the maker."""
_KINDS: Final = MappingProxyType({"MARKET": "market", "INSURANCE_FUND": "insurance_fund", "ADL": "adl", "NA": "none"})


def _symbol_of(stream: str) -> str:
    return stream.partition("@")[0].upper()


def _previous(previous_id: int) -> int | None:
    """The previous message's id, which is -1 if there was no update before (recorded from a book with one level)."""
    return None if previous_id < 0 else previous_id


def _filter(kind: str, *names: str) -> Place:
    """A number of one of an instrument's filters."""

    def number(filters: list[dict[str, Any]]) -> float | None:
        found = (one.get(name) for one in filters if one.get("filterType") == kind for name in names)
        return next((to_double(str(value)) for value in found if value is not None), None)

    return ("filters",), number


def _message(data_type: str, *, time: str = "T", **named: Place) -> Read:
    return single(data_type, **{"symbol": "data.s", "sent": (f"data.{time}?", from_ms), **named})


_AGG_TRADE: Final = _message("agg_trade", id="data.a")
_TRADE: Final = _message("trade", id="data.t")
_DEPTH: Final = "depth20@100ms"
_DIFF: Final = "depth@100ms"
_RISING: Final = IdRule.RISING


def _channel(name: str, data_type: str, rule: IdRule, read: Read) -> Channel:
    return Channel(name, {data_type: rule}, read, f"{{symbol}}@{name}")


_SPOT: Final = (
    _channel(  # has neither symbol nor time
        _DEPTH, "book_snapshot", _RISING, single("book_snapshot", symbol=("stream", _symbol_of), id="data.lastUpdateId")
    ),
    _channel(_DIFF, "book_delta", IdRule.DENSE, _message("book_delta", id="data.u", first_id="data.U", time="E")),
    _channel("trade", "trade", IdRule.DENSE, _TRADE),
    _channel("aggTrade", "agg_trade", IdRule.DENSE, _AGG_TRADE),
    _channel("bookTicker", "book_ticker", _RISING, single("book_ticker", symbol="data.s", id="data.u")),  # has no time
)
_PUBLIC: Final = (
    _channel(_DEPTH, "book_snapshot", _RISING, _message("book_snapshot", id="data.u")),
    # All symbols share the update ids, so a diff's own ids, `U` to `u`, do not continue those of the previous diff. `pu`,
    # the previous diff's `u`, links them: a diff covers the ids after `pu`.
    _channel(
        _DIFF,
        "book_delta",
        IdRule.CHAINED,
        _message("book_delta", id="data.u", first_id=(("data.pu", "data.U"), after)),
    ),
    _channel("trade", "trade", IdRule.DENSE, _TRADE),
    _channel("bookTicker", "book_ticker", _RISING, _message("book_ticker", id="data.u")),
)
_MARKET: Final = (
    _channel("aggTrade", "agg_trade", IdRule.DENSE, _AGG_TRADE),
    Channel(
        "markPrice@1s",
        {"mark_price": IdRule.NONE, "funding_rate": IdRule.NONE},
        several(  # the rate of a contract with a delivery date is an empty text
            {"mark_price": "data.p", "funding_rate": "data.r"}, symbol="data.s", sent=("data.E?", from_ms)
        ),
        "{symbol}@markPrice@1s",
    ),
    _channel(  # at most the last one of each second
        "forceOrder", "liquidation", IdRule.NONE, single("liquidation", symbol="data.o.s", sent=("data.o.T?", from_ms))
    ),
)


def _trade(*, at: str = "data.", names: Sequence[str] = ("t", "p", "q", "m"), kind: Place | None = None) -> RowReaders:
    number, price, size, maker = (f"{at}{name}" for name in names)
    kind = kind or (maker, always("market"))
    return row_table("trade", trade_id=number, price=price, size=size, side=(maker, _TAKERS.get), kind=kind)


def _agg_trade(at: str) -> RowReaders:
    first, last, side = f"{at}f", f"{at}l", (f"{at}m", _TAKERS.get)
    ids: dict[str, Any] = {"trade_id": f"{at}a", "first_trade_id": first, "last_trade_id": last}
    return row_table("agg_trade", price=f"{at}p", size=f"{at}q", side=side, **ids)


def _futures_book(data_type: str) -> RowReaders:
    previous: Place = ("data.pu", _previous)
    return row_table(data_type, first_id="data.U", last_id="data.u", previous_id=previous, bids="data.b", asks="data.a")


_ROWS: Final = {
    "agg_trade": (_agg_trade("data."), _agg_trade("")),
    "book_ticker": (
        row_table(
            "book_ticker",
            update_id="data.u",
            bid_price="data.b",
            bid_size="data.B",
            ask_price="data.a",
            ask_size="data.A",
        ),
    ),
}
_INSTRUMENT: Final[dict[str, Any]] = {
    "base": "baseAsset?",
    "quote": "quoteAsset?",
    "tick_size": _filter("PRICE_FILTER", "tickSize"),
    "lot_size": _filter("LOT_SIZE", "stepSize"),
    "min_size": _filter("LOT_SIZE", "minQty"),
}
_SPOT_ROWS: Final = MappingProxyType(
    _ROWS
    | {
        "book_snapshot": (row_table("book_snapshot", last_id="data.lastUpdateId", bids="data.bids", asks="data.asks"),),
        "book_delta": (
            row_table("book_delta", first_id="data.U", last_id="data.u", bids="data.b", asks="data.a"),
            REST_BOOK,
        ),
        "trade": (_trade(), _trade(at="", names=("id", "price", "qty", "isBuyerMaker"))),
        "instrument": (
            row_table(
                "instrument",
                **_INSTRUMENT,
                status="status?",
                kind=("symbol", always("spot")),
                min_notional=_filter("NOTIONAL", "minNotional"),
            ),
        ),
    }
)


def _mark_kind(mark: object) -> str | None:
    """Trades are also fills of the insurance fund and of auto-deleveraging, and ids without a trade."""
    return _KINDS.get(mark, mark.lower()) if isinstance(mark, str) else None


def _expiry(contract_type: str, delivery_ms: object) -> int | None:
    """Perpetual contracts are listed with a date in the year 2100."""
    return None if contract_kind(contract_type) == "perpetual" else from_ms(delivery_ms)


_FUTURES_ROWS: Final = MappingProxyType(
    _ROWS
    | {
        "book_snapshot": (_futures_book("book_snapshot"),),
        "book_delta": (_futures_book("book_delta"), REST_BOOK),
        "trade": (_trade(kind=("data.X?", _mark_kind)),),
        "mark_price": (  # `P` means something only in the last hour before a settlement
            row_table("mark_price", mark_price="data.p", index_price="data.i?", settle_price="data.P?"),
        ),
        "funding_rate": (row_table("funding_rate", funding_rate="data.r", next_funding_at=("data.T?", from_ms)),),
        "open_interest": (row_table("open_interest", open_interest="openInterest"),),
        "liquidation": (
            row_table(
                "liquidation",
                side=("data.o.S", str.lower),
                price="data.o.p",
                size="data.o.q",
                average_price="data.o.ap?",
                status=("data.o.X?", str.lower),
            ),
        ),
        "instrument": (
            row_table(
                "instrument",
                **_INSTRUMENT,
                status="status|contractStatus",
                kind=("contractType", contract_kind),
                settle="marginAsset?",
                min_notional=_filter("MIN_NOTIONAL", "notional"),
                contract_size="contractSize?",
                listed_at=("onboardDate?", from_ms),
                expires_at=(("contractType", "deliveryDate?"), _expiry),
            ),
        ),
    }
)


class _Binance(Market):
    """Symbols are upper-case, as in exchangeInfo; stream names have them in lower case."""

    symbol_pattern = re.compile(r"[\w.-]+")
    symbol_example = "BTCUSDT"
    names = re.compile(rb'"stream"\s*:\s*"([^"]+)"')
    beginning = b'{"stream":"'
    route = ("stream",)
    _stream_of = staticmethod(name_reader(route))

    def channel_of(self, frame: bytes) -> str:
        """What stands behind a stream's symbol."""
        return self._stream_of(frame).partition("@")[2]

    def control(self, frame: bytes) -> Control | None:
        """Acks, errors and `serverShutdown`; keep-alives are WebSocket pings and never get here."""
        try:
            kind = _control_kind(msgspec.json.decode(frame))
        except UNREADABLE:
            kind = ControlKind.NOISE
        return None if kind is None else Control(kind, shown(frame.decode(errors="replace")))

    def is_spelled(self, symbol: str) -> bool:
        """Upper-case letters are those that lower case can be made of and taken back."""
        return super().is_spelled(symbol) and symbol.lower().upper() == symbol

    def wire_symbol(self, symbol: str) -> str:
        """In lower case."""
        return symbol.lower()

    def address(self, base: str, topics: Topics) -> tuple[str, Topics]:
        """The first streams stand in the URL."""
        first, rest = topics[:_NAMES_IN_URL], topics[_NAMES_IN_URL:]
        return f"{base}/stream?streams={'/'.join(quote(name, safe='@') for name, _ in first)}", rest

    def subscribe(self, topics: Topics) -> list[Request]:
        """In batches."""
        parts = batches([name for name, _ in topics], _NAMES_IN_MESSAGE)
        requests = zip(parts, count(1), strict=False)
        return [Request(text({"method": "SUBSCRIBE", "params": part, "id": number})) for part, number in requests]

    def apart(self, keys: Sequence[StreamKey]) -> tuple[Request, ...]:
        """None: no name is refused."""
        return ()


def _control_kind(fields: object) -> ControlKind | None:
    match fields:
        case {"stream": "!serverShutdown", "data": {"e": "serverShutdown"}}:
            return ControlKind.SHUTDOWN
        case {"stream": _}:
            return None
        case {"e": "serverShutdown"}:
            return ControlKind.SHUTDOWN
        case {"error": {"code": int(), "msg": str()}} | {"code": int(), "msg": str()}:
            return ControlKind.ERROR
        case {"result": _, "id": _}:
            return ControlKind.ACK
    return ControlKind.NOISE


_LIMITS: Final = Limits(
    connections=300,  # none is stated for futures; this is spot's
    window_secs=300.0,
    streams_per_connection=1024,
    messages_per_sec=4.0,  # spot allows 5, futures 10; pongs count among them
    lifetime_secs=86_400.0,
)


class Binance(_Binance):
    """Spot."""

    exchange = "binance"
    ws_url = "wss://stream.binance.com:9443"
    other_hosts = ("wss://data-stream.binance.vision",)
    channels = _SPOT
    rows = _SPOT_ROWS
    limits = _LIMITS
    rest = BinanceRest(
        RestLimits("https://api.binance.com", "binance", 6000, 60.0, "X-MBX-USED-WEIGHT-1M"),
        "/api/v3",
        levels=5000,
        depth=250,
        brief=Brief(100, 5),
        pages={"trade": Endpoint("historicalTrades", 25), "agg_trade": Endpoint("aggTrades", 4)},
        lists=20,
    )


class BinanceUsdm(_Binance):
    """USD-M: books, best prices and single trades are on `/public`, all other streams on `/market`.

    On any other path a stream is acknowledged, but silent.
    """

    exchange = "binance_usdm"
    ws_url = "wss://fstream.binance.com"
    channels: ClassVar = (
        *(channel._replace(path="/public", other_path="/market") for channel in _PUBLIC),
        *(channel._replace(path="/market", other_path="/public") for channel in _MARKET),
    )
    rows = _FUTURES_ROWS
    limits = _LIMITS._replace(messages_per_sec=8.0)
    rest = FuturesRest("https://fapi.binance.com", "binance_usdm", "/fapi/v1")


class BinanceCoinm(_Binance):
    """COIN-M: all streams are on one path, or on USD-M's. Sizes are contracts.

    A symbol without a delivery date is a pair; its streams are acknowledged, but silent.
    """

    exchange = "binance_coinm"
    ws_url = "wss://dstream.binance.com"
    channels: ClassVar = tuple(channel._replace(path="", other_path=channel.path) for channel in BinanceUsdm.channels)
    rows = _FUTURES_ROWS
    limits = BinanceUsdm.limits
    rest = FuturesRest("https://dapi.binance.com", "binance_coinm", "/dapi/v1")
    symbol_pattern = re.compile(r"[\w.-]+_(PERP|[0-9]{6})")
    symbol_example = "BTCUSD_PERP"
