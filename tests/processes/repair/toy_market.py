"""An exchange with trades only, and REST interfaces of the kinds that real exchanges have, without their names."""

from collections.abc import Mapping, Sequence
from typing import ClassVar
from urllib.parse import urlencode

import msgspec

from collector.domain.records import Envelope, IdRule, StreamKey
from collector.exchanges.adapter import Control, ControlKind, Limits, Request
from collector.exchanges.market import Channel, Market
from collector.exchanges.reading import message_reader, single
from collector.exchanges.rest_adapter import Get, Hole, Listing, ListPage, Page, Poll, Refusal, RestLimits
from collector.exchanges.rest_market import RestMarket
from collector.exchanges.rest_reading import items, messages, read_json, readable
from collector.exchanges.row_tables import row_table
from collector.exchanges.times import from_ms

_HEAD = msgspec.json.Decoder(dict[str, msgspec.Raw])


class ToyMarket(Market):
    """See `trade` for its frames."""

    exchange = "toy"
    ws_url = "ws://127.0.0.1:1"
    channels = (
        Channel("trade", {"trade": IdRule.DENSE}, single("trade", symbol="s", id="i", sent=("T", from_ms)), "{symbol}"),
    )
    rows: ClassVar = {
        "trade": (row_table("trade", trade_id="i", price="p"),),
        "open_interest": (row_table("open_interest", open_interest="interest"),),
        "instrument": (row_table("instrument", status="status"),),
    }
    limits = Limits(100, 60.0, 100, 10.0, 86_400.0)

    def channel_of(self, frame: bytes) -> str:
        return "trade" if "i" in _HEAD.decode(frame) else ""

    def control(self, frame: bytes) -> Control | None:
        return Control(ControlKind.NOISE, "")

    def subscribe(self, topics: Sequence[tuple[str, StreamKey]]) -> list[Request]:
        return [Request(topic) for topic, _ in topics]


def toy_market(rest: RestMarket) -> Market:
    """The exchange with that REST interface."""
    market: Market = type("Toy", (ToyMarket,), {"rest": rest})()
    return market


def trade(id_: int, symbol: str = "BTC-USD") -> bytes:
    """A frame. Trade number `n` is of the `n`-th second."""
    return b'{"s":"%b","i":%d,"p":"1.5","T":%d}' % (symbol.encode(), id_, time_ms(id_))


def time_ms(id_: int) -> int:
    """When a trade was made."""
    return 1_700_000_000_000 + id_ * 1_000


class Downward(RestMarket):
    """Pages go down by id, newest first, as Coinbase's and OKX's: `after` is the id before which to begin."""

    limits = RestLimits("http://127.0.0.1:1", "toy", 1_000_000, 60.0)

    def page(self, stream: StreamKey, hole: Hole, cursor: str) -> Get | None:
        query = {"limit": 10, "after": cursor or hole.last + 1}
        return Get(f"/products/{stream.symbol}/trades?{urlencode(query)}", 1)

    def read_page(self, stream: StreamKey, hole: Hole, cursor: str, body: bytes) -> Page:
        found = messages(stream, message_reader(id="i", sent=("T", from_ms)), body, "")
        oldest = min((message.id or 0 for message in found), default=None)
        if oldest is None:
            return Page(found, cursor)
        return Page(found, None if oldest <= hole.first else str(oldest))


_CODES = {"busy": Refusal.PASSING, "too many": Refusal.LIMITED}


class ByTime(RestMarket):
    """Pages go up by time, as Kraken's: `since` is in ns, `last` where to go on, and errors come with status 200."""

    limits = RestLimits("http://127.0.0.1:1", "toy", 1_000_000, 60.0)

    def page(self, stream: StreamKey, hole: Hole, cursor: str) -> Get | None:
        if hole.since_us is None:
            return None
        query = {"pair": stream.symbol, "since": cursor or (hole.since_us - 60_000_000) * 1_000}
        return Get(f"/0/public/Trades?{urlencode(query)}", 1)

    def read_page(self, stream: StreamKey, hole: Hole, cursor: str, body: bytes) -> Page:
        found = messages(stream, message_reader(id="i", sent=("T", from_ms)), body, "result.trades")
        (last,) = read_json(body, "result.last")
        newest = max((message.id or 0 for message in found), default=0)
        return Page(found, None if newest >= hole.last else str(last))

    def refusal(self, body: bytes) -> tuple[Refusal, str] | None:
        (errors,) = read_json(body, "error?")
        return (_CODES.get(errors[0], Refusal.FINAL), errors[0]) if errors else None


class Listed(RestMarket):
    """A list of instruments in pages, as Bybit's, turnover apart, and open interest that is polled."""

    limits = RestLimits("http://127.0.0.1:1", "toy", 1_000_000, 60.0)
    polls: ClassVar = {"open_interest": Poll(60.0, lambda symbol: Get(f"/interest?symbol={symbol}", 1))}

    def lists(self) -> tuple[Get, ...]:
        return (Get("/list?cursor=", 1),)

    def read_list(self, get: Get, body: bytes) -> ListPage:
        found = readable(body, "list", "symbol", "status")
        listings = [Listing(symbol, "spot", status == "Trading", text) for text, symbol, status in found.entries]
        (cursor,) = read_json(body, "next?")
        return ListPage(listings, Get(f"/list?cursor={cursor}", 1) if cursor else None, found.unread)

    def volumes(self) -> tuple[Get, ...]:
        return (Get("/volumes", 1),)

    def read_volumes(self, get: Get, body: bytes) -> Mapping[str, float]:
        return {symbol: float(value) for _, symbol, value in items(body, "", "symbol", "value")}

    def read_poll(self, stream: StreamKey, body: bytes) -> Envelope | None:
        interest, sent_us = read_json(body, "interest?", ("T?", from_ms))
        return None if interest is None else Envelope(stream, None, None, sent_us, body)

    def refusal(self, body: bytes) -> tuple[Refusal, str] | None:
        (code,) = read_json(body, "code?")
        return None if code is None else (Refusal.FINAL, f"code {code}")
