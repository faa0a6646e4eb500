"""Which feeds can be repaired over REST, and how their exchanges' responses are read."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from collector.config import Config
from collector.domain.errors import UndecodableError
from collector.domain.records import INSTRUMENT, StreamKey
from collector.domain.repair_protocol import BOOK, TradesRequest
from collector.exchanges.adapter import Adapter
from collector.exchanges.rest_adapter import Hole, RestAdapter
from collector.storage.request_files import BOOKS_SUFFIX

Response = TypeVar("Response")


class RepairableFeeds(NamedTuple):
    """Which feed a stream's missing messages are requested for: the feed that is configured to record the stream now."""

    feed_of: Mapping[StreamKey, str]
    """The feed of each configured stream."""
    adapters: Mapping[str, RestAdapter]
    """The REST adapter of each feed that can be repaired."""
    speaking: Mapping[str, Adapter] = MappingProxyType({})
    """The adapter of each feed whose ingest can ask for books by subscribing again."""

    def folder_of_book(self, key: StreamKey) -> str | None:
        """The folder for the request of a whole book: repair's or ingest's; None if nobody can ask for it."""
        feed = self.feed_of.get(key)
        if feed is None or key.data_type != BOOK:
            return None
        rest, adapter = self.adapters.get(feed), self.speaking.get(feed)
        if rest is not None and rest.snapshot(key.symbol) is not None:
            return feed
        return f"{feed}{BOOKS_SUFFIX}" if adapter is not None and sends_book_again(adapter, key) else None


def sends_book_again(adapter: Adapter, key: StreamKey) -> bool:
    """Whether a whole book comes to whoever subscribes the stream again, and cannot be fetched over REST."""
    is_fetched = adapter.rest is not None and adapter.rest.snapshot(key.symbol) is not None
    return key.data_type == BOOK and not is_fetched and adapter.opens_with_books


def repairable_adapters(config: Config, adapter_of: Callable[[str], Adapter]) -> Mapping[str, RestAdapter]:
    """The REST adapter of each feed that can be repaired, by feed; empty if repair is off.

    A feed with a `ws_url` of its own but no `rest_url` is not repaired: the real exchange has other data.
    """
    if not config.repair.enabled:
        return {}
    feeds = [feed for feed in config.feed if feed.rest_url or not feed.ws_url]
    adapters = {feed.name: adapter_of(feed.exchange).rest for feed in feeds}
    return {name: adapter for name, adapter in adapters.items() if adapter is not None}


def asked_adapters(config: Config, adapter_of: Callable[[str], Adapter]) -> Mapping[str, RestAdapter]:
    """The REST adapter of each feed for which a repair process on this host asks something, by feed.

    An edge repairs nothing: it asks for the exchange's list alone, where a feed's symbols follow from it.
    """
    adapters = repairable_adapters(config, adapter_of)
    if config.role != "edge":
        return adapters
    choosing = {feed.name for feed in config.feed if feed.wanted.needs_list}
    return {name: adapter for name, adapter in adapters.items() if name in choosing}


class FeedOfStream(Mapping[StreamKey, str]):
    """The feed that records each stream. No two feeds may bring the same one, so what the exchange lists does not matter."""

    def __init__(self, config: Config) -> None:
        self._named = {key: feed.name for feed in config.feed for key in feed.streams(feed.wanted.exact)}
        self._choosing = [feed for feed in config.feed if feed.wanted.needs_list]

    def __getitem__(self, key: StreamKey) -> str:
        """Raises KeyError if no feed may bring the stream."""
        if key in self._named or not self._choosing:
            return self._named[key]
        for feed in self._choosing:
            if feed.may_bring(key):
                return feed.name
        raise KeyError(key)

    def __iter__(self) -> Iterator[StreamKey]:
        """The streams of exact symbols."""
        return iter(self._named)

    def __len__(self) -> int:
        """The number of streams of exact symbols."""
        return len(self._named)


def feeds_of_streams(config: Config) -> Mapping[StreamKey, str]:
    """The feed that records each stream; only those of exact symbols are listed, but all are found."""
    return FeedOfStream(config)


def polled_types(adapter: Adapter) -> set[str]:
    """The data types of an exchange that no connection brings."""
    rest = adapter.rest
    if rest is None:
        return set()
    return {*rest.polls, *({INSTRUMENT} if rest.lists() and INSTRUMENT in adapter.id_rules else ())}


def hole_of(request: TradesRequest) -> Hole:
    """The missing messages that a request is for."""
    return Hole(request.first, request.last, request.since_us, request.until_us)


def read_response(read: Callable[[], Response]) -> Response:
    """What one of a RestAdapter's methods reads. Raises UndecodableError, also for a fault of the adapter itself."""
    try:
        return read()
    except UndecodableError:
        raise
    except Exception as error:  # a fault of the adapter costs this one response, never the process
        raise UndecodableError(f"{type(error).__name__} in the adapter") from error
