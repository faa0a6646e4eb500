"""Which streams each plan of a feed carries: as the journal's head says, or else as the adapter divides them."""

from collections.abc import Callable, Iterable

from collector.domain.records import StreamKey
from collector.exchanges.adapter import Adapter, Subscription
from collector.processes.writer.streams import StreamState, StreamTable
from collector.storage.journal.format import FeedIdentity
from collector.storage.journal.relayed import feed_of_source


class Plans:
    """The plans of each feed, by what the journal that is being read says of its subscription."""

    def __init__(self, streams: StreamTable, adapter_of: Callable[[str], Adapter]) -> None:
        self._streams = streams
        self._adapter_of = adapter_of
        self._known: dict[str, tuple[FeedIdentity, dict[int, tuple[StreamKey, ...]]]] = {}
        """Of each feed those of the newest identity asked for."""
        self._by_key: dict[str, tuple[FeedIdentity, dict[StreamKey, frozenset[int]]]] = {}

    def keys(self, identity: FeedIdentity) -> list[StreamKey]:
        """All streams that the feed subscribes."""
        return [key for keys in self._of(identity).values() for key in keys]

    def streams(self, identity: FeedIdentity) -> list[StreamState]:
        """Those of `keys` that have had a message."""
        return self._spoken(self.keys(identity))

    def streams_of(self, identity: FeedIdentity, plan: int) -> list[StreamState]:
        """Those of `keys_of` that have had a message."""
        return self._spoken(self.keys_of(identity, plan))

    def numbers(self, identity: FeedIdentity) -> Iterable[int]:
        """The number of each plan."""
        return self._of(identity)

    def keys_of(self, identity: FeedIdentity, plan: int) -> tuple[StreamKey, ...]:
        """All streams of one plan; none for a plan that is not a share of the feed's streams, such as a second try."""
        return self._of(identity).get(plan, ())

    def of_stream(self, feed: str, key: StreamKey) -> frozenset[int] | None:
        """The plans of a feed or source that carry a stream; None if nothing of it was read yet."""
        known = self._known.get(feed)
        if known is None:
            return None
        by_key = self._by_key.get(feed)
        if by_key is None or by_key[0] is not known[0]:
            found: dict[StreamKey, frozenset[int]] = {}
            for plan, keys in known[1].items():
                found.update((one, found.get(one, frozenset()) | {plan}) for one in keys)
            by_key = self._by_key[feed] = known[0], found
        return by_key[1].get(key, frozenset())

    def recorded(self, feed: str) -> list[StreamState]:
        """The feed's streams that were ever stored; that is all that is known if a journal's head cannot be read."""
        return [stream for stream in self._streams if stream.feed == feed_of_source(feed)]

    def _spoken(self, keys: Iterable[StreamKey]) -> list[StreamState]:
        return [stream for stream in map(self._streams.get, keys) if stream is not None]

    def _of(self, identity: FeedIdentity) -> dict[int, tuple[StreamKey, ...]]:
        known = self._known.get(identity.feed)
        if known is not None and (known[0] is identity or known[0] == identity):
            return known[1]
        plans = _as_said(identity) if identity.shares else self._as_divided(identity)
        self._known[identity.feed] = identity, plans
        return plans

    def _as_divided(self, identity: FeedIdentity) -> dict[int, tuple[StreamKey, ...]]:
        subscription = Subscription(identity.symbols, identity.data_types)
        return dict(enumerate(self._adapter_of(identity.exchange).shares(subscription)))


def _as_said(identity: FeedIdentity) -> dict[int, tuple[StreamKey, ...]]:
    plans: dict[int, tuple[StreamKey, ...]] = {}
    for plan, symbols, data_types in identity.shares:
        keys = (StreamKey(identity.exchange, symbol, data_type) for symbol in symbols for data_type in data_types)
        plans[plan] = (*plans.get(plan, ()), *keys)
    return plans
