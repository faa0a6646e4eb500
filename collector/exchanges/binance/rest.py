"""The REST adapter of Binance's markets: the same requests under different paths, with different weights.

Sources: rest-api.md in github.com/binance/binance-spot-api-docs (2026-07-21); developers.binance.com/docs/derivatives,
"Market Data Endpoints" of usds-margined-futures and of coin-margined-futures; that the hosts share no budget:
dev.binance.vision/t/request-limit-on-the-api-endpoints/9275.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from msgspec import Raw, Struct, ValidationError, field
from msgspec.json import Decoder

from collector.domain.errors import UndecodableError
from collector.domain.records import Envelope, StreamKey
from collector.exchanges.binance.decoding import shown
from collector.exchanges.binance.message_readers import MessageReaders, Millis, exchange_us
from collector.exchanges.rest_adapter import Get, Hole, Page, RestLimits
from collector.exchanges.rest_market import RestMarket
from collector.exchanges.typed_rows import UNREADABLE, is_finite

BOOK: Final = "book_delta"
"""The data type that book snapshots are stored as."""

_PAGE: Final = 1000


class Endpoint(NamedTuple):
    """A path below the market's root, and the weight of one request."""

    name: str
    weight: int


class _Time(Struct):
    exchange_ms: Millis = field(name="serverTime")


_LIST: Final = Decoder(list[Raw])
_TIME: Final = Decoder(_Time)


class BinanceRest(RestMarket):
    """See `RestAdapter`. Weights are counted by host, so each market has a budget of its own."""

    def __init__(
        self,
        *,
        limits: RestLimits,
        root: str,
        levels: int,
        depth: Endpoint,
        pages: Mapping[str, Endpoint],
        readers: Mapping[str, MessageReaders],
    ) -> None:
        """`levels` is the most levels a side of a snapshot. `pages` and `readers` are by data type; all pages take `fromId`
        and need no key.
        """
        self.limits = limits
        self.root, self.levels, self.depth, self.pages, self.readers = root, levels, depth, pages, readers

    def snapshot(self, symbol: str) -> Get | None:
        """A request for the best levels; those beyond stay unknown until they change."""
        return self._get(self.depth, symbol=symbol, limit=self.levels)

    def page(self, stream: StreamKey, hole: Hole, cursor: str) -> Get | None:
        """A request for up to 1,000 messages from an id on, which is the cursor."""
        endpoint = self.pages.get(stream.data_type)
        if endpoint is None:
            return None
        return self._get(endpoint, symbol=stream.symbol, fromId=cursor or hole.first, limit=_PAGE)

    def read_page(self, stream: StreamKey, hole: Hole, cursor: str, body: bytes) -> Page:
        """A page that begins with a higher id than the cursor means that those between never existed, or are gone."""
        readers = self.readers[stream.data_type]
        try:
            body.decode()
            messages = [_envelope(stream, readers, bytes(text)) for text in _LIST.decode(body)]
        except UNREADABLE as error:
            raise _undecodable(error, body) from error
        asked_from = int(cursor or hole.first)
        newest = max((message.id for message in messages if message.id is not None), default=asked_from - 1)
        return Page(messages, None if newest >= hole.last else str(max(newest + 1, asked_from)))

    def read_snapshot(self, stream: StreamKey, body: bytes) -> Envelope:
        """See `RestAdapter.read_snapshot`."""
        try:
            body.decode()
            return _book(stream, self.readers[stream.data_type], body)
        except UNREADABLE as error:
            raise _undecodable(error, body) from error

    def clock(self) -> Get:
        """A request for the server's time, which is in milliseconds."""
        return self._get(Endpoint("time", 1))

    def read_clock(self, body: bytes) -> int:
        """See `RestAdapter.read_clock`."""
        try:
            return _TIME.decode(body).exchange_ms * 1000
        except UNREADABLE as error:
            raise _undecodable(error, body) from error

    def _get(self, endpoint: Endpoint, **query: str | int) -> Get:
        path = f"{self.root}/{endpoint.name}"
        return Get(f"{path}?{urlencode(query)}" if query else path, endpoint.weight)


def _envelope(stream: StreamKey, readers: MessageReaders, payload: bytes) -> Envelope:
    message: Any = readers.minimal(payload)
    return Envelope(stream, message.id, None, exchange_us(message), payload)


def _book(stream: StreamKey, readers: MessageReaders, body: bytes) -> Envelope:
    """A book with an unreadable level is refused as a whole: unlike a page of trades, the rest of it would be useless."""
    if not is_finite(readers.rows, readers.rows.doubles(body)):
        raise ValidationError("a level is not a finite number")
    return _envelope(stream, readers, body)._replace(is_snapshot=True)


def _undecodable(error: Exception, body: bytes) -> UndecodableError:
    if isinstance(error, ValidationError):
        return UndecodableError(f"not the expected response: {shown(body.decode(errors='replace'))}")
    return UndecodableError("malformed JSON")
