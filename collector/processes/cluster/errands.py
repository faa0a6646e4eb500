"""What edges and the storage host do for each other beside the journals: symbols one way, requests for books the other."""

import asyncio
from typing import Final

from collector.bus.bus import Bus
from collector.bus.names import BOOKS, SYMBOLS, of_place_key, place_key, token
from collector.logs.limited import RateLimited
from collector.processes.cluster.bucket import WatchedBucket
from collector.processes.cluster.edge_share import EdgeShare
from collector.processes.cluster.handed_books import BooksAsked, BooksToAsk
from collector.processes.cluster.membership import Membership
from collector.processes.cluster.own_feeds import OwnFeeds
from collector.processes.cluster.told_symbols import ToldSymbols, packed
from collector.processes.context import Context

ERRAND_SECS: Final = 1.0


class Errands:
    """Of one host; what fails is tried again a second later."""

    def __init__(
        self, context: Context, bus: Bus, feeds: OwnFeeds, membership: Membership, share: EdgeShare | None
    ) -> None:
        """`share` is that of an edge; None on the storage host."""
        self._context = context
        self._bus = bus
        self._feeds = feeds
        self._membership = membership
        self._log = RateLimited(context.log, context.clock.monotonic)
        self._symbols = WatchedBucket(bus, SYMBOLS)
        self._books = WatchedBucket(bus, BOOKS)
        config = context.config
        self._told: dict[str, tuple[object, int]] = {}
        """By feed which symbols were told on which connection."""
        self._kept = ToldSymbols(config)
        names = [feed.name for feed in config.feed]
        self._choosing = [feed.name for feed in config.feed if feed.wanted.needs_list]
        self._to_ask = {} if share is not None else {name: BooksToAsk(config.data_dir, name) for name in names}
        self._asked = (
            {}
            if share is None
            else {
                name: BooksAsked(config.data_dir, name, lambda symbol, name=name: share.records(name, symbol))  # type: ignore[misc]
                for name in names
            }
        )

    async def run(self) -> None:
        """Go on for ever."""
        await asyncio.gather(self._symbols.follow(), self._books.follow(), self._work())

    async def forget(self, edge: str) -> None:
        """The edge is gone for good."""
        for key in [key for key in self._symbols.values if (place := of_place_key(key)) and place[0] == edge]:
            await self._symbols.remove(key)

    async def _work(self) -> None:
        while True:
            try:
                await (self._of_edge() if self._asked else self._of_storage())
            except OSError as error:
                self._log.warning("errand_failed", "", error=str(error))
            await asyncio.sleep(ERRAND_SECS)

    async def _of_edge(self) -> None:
        edge, symbols = self._context.config.host_name, self._feeds.symbols()
        for feed in self._choosing:
            found = symbols[feed]
            told = found, self._bus.connection
            if not found or self._told.get(feed) == told:
                continue
            if await self._symbols.tell(place_key(edge, feed), packed(found)) is not None:
                self._told[feed] = told
        for feed, asked in self._asked.items():
            asked.take(self._books.values.get(token(feed), b"[]"))

    async def _of_storage(self) -> None:
        told = {place: value for key, value in self._symbols.values.items() if (place := of_place_key(key)) is not None}
        self._kept.keep(told, self._membership.members)
        for feed, to_ask in self._to_ask.items():
            value = to_ask.newest(self._context.clock.monotonic())
            if value is not None and await self._books.tell(token(feed), value) is not None:
                to_ask.handed_on()
