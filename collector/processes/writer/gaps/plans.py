"""Which streams each plan of a feed carries; the adapter divides them."""

from collections.abc import Callable, Iterable

from collector.domain.records import StreamKey
from collector.exchanges.adapter import Adapter, Subscription
from collector.processes.writer.streams import StreamState, StreamTable
from collector.storage.journal.format import FeedIdentity


class Plans:
    """The plans of each feed configuration found in a journal, computed once."""

    def __init__(self, streams: StreamTable, adapter_of: Callable[[str], Adapter]) -> None:
        self._streams = streams
        self._adapter_of = adapter_of
        self._known: dict[FeedIdentity, list[tuple[StreamKey, ...]]] = {}

    def keys(self, identity: FeedIdentity) -> list[StreamKey]:
        """All streams that the feed subscribes."""
        return [key for keys in self._of(identity) for key in keys]

    def streams(self, identity: FeedIdentity) -> list[StreamState]:
        """Those of `keys` that have had a message."""
        return self._spoken(self.keys(identity))

    def streams_of(self, identity: FeedIdentity, plan: int) -> list[StreamState]:
        """Those of `keys_of` that have had a message."""
        return self._spoken(self.keys_of(identity, plan))

    def count(self, identity: FeedIdentity) -> int:
        """Number of plans."""
        return len(self._of(identity))

    def keys_of(self, identity: FeedIdentity, plan: int) -> tuple[StreamKey, ...]:
        """All streams of one plan; none for a plan that is not a share of the feed's streams, such as a second try."""
        plans = self._of(identity)
        return plans[plan] if 0 <= plan < len(plans) else ()

    def recorded(self, feed: str) -> list[StreamState]:
        """The feed's streams that were ever stored; that is all that is known if a journal's head cannot be read."""
        return [stream for stream in self._streams if stream.feed == feed]

    def _spoken(self, keys: Iterable[StreamKey]) -> list[StreamState]:
        return [stream for stream in map(self._streams.get, keys) if stream is not None]

    def _of(self, identity: FeedIdentity) -> list[tuple[StreamKey, ...]]:
        known = self._known.get(identity)
        if known is None:
            subscription = Subscription(identity.symbols, identity.data_types)
            known = self._adapter_of(identity.exchange).shares(subscription)
            self._known[identity] = known
        return known
