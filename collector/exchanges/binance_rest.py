"""The REST side of Binance's markets: the same requests under different paths, with different weights.

Sources: rest-api.md in github.com/binance/binance-spot-api-docs (2026-07-21); developers.binance.com/docs/derivatives,
"Market Data Endpoints" of usds-margined-futures and of coin-margined-futures; that the hosts share no budget:
dev.binance.vision/t/request-limit-on-the-api-endpoints/9275.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from collector.domain.records import Envelope, StreamKey
from collector.exchanges.reading import message_reader
from collector.exchanges.rest_adapter import Get, Hole, Listing, ListPage, Page, Poll, RestLimits
from collector.exchanges.rest_market import RestMarket
from collector.exchanges.rest_reading import book, message, messages, name, number, read_time, readable
from collector.exchanges.row_tables import row_table
from collector.exchanges.times import from_ms

_PAGE: Final = 1000


def always(value: object) -> Callable[[Any], Any]:
    """Makes this of any value that is there."""
    return lambda _: value


def contract_kind(contract_type: object) -> str:
    """The kind of an instrument; spot has no type of contract."""
    if contract_type is None:
        return "spot"
    return "perpetual" if str(contract_type).endswith("PERPETUAL") else "future"


REST_BOOK: Final = row_table(
    "book_delta", last_id="lastUpdateId", is_snapshot=("lastUpdateId", always(value=True)), bids="bids", asks="asks"
)


class Endpoint(NamedTuple):
    """A path below the market's root, and the weight of one request."""

    name: str
    weight: int


_READ_BOOK: Final = message_reader(symbol=("lastUpdateId", always("")), id="lastUpdateId")
_READ_TIMED_BOOK: Final = message_reader(symbol=("lastUpdateId", always("")), id="lastUpdateId", sent=("T?", from_ms))
_READ_ITEMS: Final = MappingProxyType(
    {
        "trade": message_reader(symbol=("id", always("")), id="id", sent=("time?", from_ms)),
        "agg_trade": message_reader(symbol=("a", always("")), id="a", sent=("T?", from_ms)),
    }
)
_READ_INTEREST: Final = message_reader(symbol="symbol", sent=("time?", from_ms))


class Brief(NamedTuple):
    """A book of few levels, and the weight of a request for it."""

    levels: int
    weight: int


class BinanceRest(RestMarket):
    """The same requests under different paths, with different weights, which each host counts for itself."""

    def __init__(
        self,
        limits: RestLimits,
        root: str,
        levels: int,
        depth: int,
        brief: Brief,
        pages: Mapping[str, Endpoint],
        lists: int,
    ) -> None:
        """`levels` is the most levels a side of a snapshot, `depth` and `lists` the weights of a snapshot and of the list of
        instruments. `pages` are by data type; all take `fromId` and need no key.
        """
        self.limits, self._brief = limits, brief
        self._root, self._levels, self._depth, self._pages, self._lists = root, levels, depth, pages, lists

    def snapshot(self, symbol: str) -> Get | None:
        """A request for the best levels; those beyond stay unknown until they change."""
        return self._get("depth", self._depth, symbol=symbol, limit=self._levels)

    def brief_snapshot(self, symbol: str) -> Get | None:
        """As many levels as the smallest weight gives."""
        return self._get("depth", self._brief.weight, symbol=symbol, limit=self._brief.levels)

    def read_snapshot(self, stream: StreamKey, body: bytes) -> Envelope:
        """See `RestAdapter.read_snapshot`."""
        return book(stream, _READ_BOOK, REST_BOOK, body)

    def page(self, stream: StreamKey, hole: Hole, cursor: str) -> Get | None:
        """A request for up to 1,000 messages from an id on, which is the cursor."""
        endpoint = self._pages.get(stream.data_type)
        if endpoint is None:
            return None
        return self._get(*endpoint, symbol=stream.symbol, fromId=cursor or hole.first, limit=_PAGE)

    def read_page(self, stream: StreamKey, hole: Hole, cursor: str, body: bytes) -> Page:
        """A page that begins with a higher id than the cursor means that those between never existed, or are gone."""
        found = messages(stream, _READ_ITEMS[stream.data_type], body, "")
        asked_from = int(cursor or hole.first)
        newest = max((message.id for message in found if message.id is not None), default=asked_from - 1)
        return Page(found, None if newest >= hole.last else str(max(newest + 1, asked_from)))

    def lists(self) -> tuple[Get, ...]:
        """All instruments in one answer."""
        return (self._get("exchangeInfo", self._lists),)

    def read_list(self, get: Get, body: bytes) -> ListPage:
        """See `RestAdapter.read_list`."""
        found = readable(body, "symbols", ("symbol", name), "contractType?", "status|contractStatus")
        listings = [
            Listing(symbol, contract_kind(contract), status == "TRADING", item)
            for item, symbol, contract, status in found.entries
        ]
        return ListPage(listings, unread=found.unread)

    def volumes(self) -> tuple[Get, ...]:
        """The tickers of all symbols."""
        return (self._get("ticker/24hr", 80 if self._root.startswith("/api") else 40),)

    def read_volumes(self, get: Get, body: bytes) -> Mapping[str, float]:
        """In the quote currency; COIN-M tells the base currency's amount and its average price."""
        told = (("quoteVolume|baseVolume", number), "quoteVolume?", ("weightedAvgPrice?", number))
        return {
            symbol: amount * (price if quote_volume is None else 1.0)
            for _, symbol, amount, quote_volume, price in readable(body, "", ("symbol", name), *told).entries
            if quote_volume is not None or price is not None
        }

    def clock(self) -> Get:
        """A request for the server's time, which is in milliseconds."""
        return self._get("time", 1)

    def read_clock(self, body: bytes) -> int:
        """See `RestAdapter.read_clock`."""
        return read_time(body, ("serverTime", from_ms))

    def _get(self, name: str, weight: int, **query: str | int) -> Get:
        path = f"{self._root}/{name}"
        return Get(f"{path}?{urlencode(query)}" if query else path, weight)


class FuturesRest(BinanceRest):
    """Aggregates of the last 24 hours; single trades need an API key."""

    def __init__(self, url: str, budget: str, root: str) -> None:
        """Both markets have the same weights."""
        limits = RestLimits(url, budget, 2400, 60.0, "X-MBX-USED-WEIGHT-1M")
        super().__init__(
            limits,
            root,
            levels=1000,
            depth=20,
            brief=Brief(50, 2),
            pages={"agg_trade": Endpoint("aggTrades", 20)},
            lists=1,
        )

    def read_snapshot(self, stream: StreamKey, body: bytes) -> Envelope:
        """With the matching engine's time."""
        return book(stream, _READ_TIMED_BOOK, REST_BOOK, body)

    @property
    def polls(self) -> Mapping[str, Poll]:  # type: ignore[override]  # read only
        """Open interest, each minute."""
        return {"open_interest": Poll(60.0, lambda symbol: self._get("openInterest", 1, symbol=symbol))}

    def read_poll(self, stream: StreamKey, body: bytes) -> Envelope | None:
        """See `RestAdapter.read_poll`."""
        return message(stream, _READ_INTEREST, body)
