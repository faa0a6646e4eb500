"""Which connections of each feed are open, and which of them bring the same streams."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from collector.domain.records import UNDECODED
from collector.domain.sequence.echoes import inherit
from collector.processes.writer.gaps.connection_log import ConnectionLog
from collector.processes.writer.gaps.feed_state import ConnectionMemory
from collector.processes.writer.gaps.feed_table import FeedTable
from collector.processes.writer.receipt import incarnation_of
from collector.processes.writer.streams import StreamState
from collector.storage.journal.format import FeedIdentity, connection_in_head
from collector.storage.journal.relayed import is_source

CLOCKS_US: Final = 2_000_000
"""A connection may bring what another one received so long before it opened, by its own host's clock."""


class OpenConnections:
    """The open connections of every feed and source, which the heads of records name by the lower bits of their numbers."""

    def __init__(self, feeds: FeedTable) -> None:
        self._feeds = feeds

    def memory_of(self, feed: str) -> dict[int, ConnectionMemory]:
        """What is known of the feed's open connections, by their numbers in the heads of records."""
        return self._feeds.state(feed).connections

    def forget(self, identity: FeedIdentity, info: Mapping[str, Any]) -> None:
        """Nothing is known of a connection that has opened or ended, as a record says."""
        number = connection_in_head(int(info["connection"]))
        self._feeds.state(identity.feed).connections.pop(number, None)

    def beside(self, feed: str, in_head: int, stream: StreamState) -> list[int]:
        """Other open connections that bring a stream which the one does that a record's head names as `in_head`; each as a
        receipt names it. Of another source, and of a line that has none, it is also the next one, which may have opened already.
        """
        found = self.beside_in_source(feed, in_head)
        links, number = self._feeds.state(feed).links, self._named(feed, in_head)
        if number and links.lacking.get(links.up[number]):
            found.append(_next_of(feed))
        for source in self._sources_beside(feed, stream, even_gone=True):
            links, connections = self._bringing(source, stream)
            found += [*_receipts(links, connections), _next_of(source)]
        return found

    def beside_in_source(self, feed: str, in_head: int) -> list[int]:
        """As `beside`, of the same source alone."""
        links, number = self._feeds.state(feed).links, self._named(feed, in_head)
        return _receipts(links, links.beside(number)) if number else []

    def is_alone(self, feed: str, in_head: int, stream: StreamState) -> bool:
        """Whether the connection that a record's head names `in_head` is open, and no other one brings the stream."""
        if not self._named(feed, in_head) or self.beside_in_source(feed, in_head):
            return False
        return not any(connections for _, connections in self._elsewhere(feed, stream))

    def everywhere(self) -> set[int]:
        """Those of all feeds, as receipts name them."""
        return {number for state in self._feeds.states.values() for number in _receipts(state.links, state.links.up)}

    def inherit(self, identity: FeedIdentity, number: int, at_us: int) -> None:
        """Expect of a connection, of which is known only now that it opened then, what others have brought since, and just
        before: an exchange does not serve all connections at once.
        """
        links = self._feeds.state(identity.feed).links
        (successor,) = _receipts(links, [number])
        for stream in self._feeds.plans.streams_of(identity, links.up[number]):
            if stream.dedup.progress.echoes:
                inherit(stream.dedup.progress.echoes, successor, _next_of(identity.feed), at_us - CLOCKS_US)

    def begin_lines(self, feed: str, stream: StreamState, in_head: int) -> None:
        """Note which lines carry a stream whose first message came over the connection that a record's head names so."""
        links = self._feeds.state(feed).links
        plan = links.up.get(self._named(feed, in_head))
        if plan is not None:
            own, elsewhere = links.lines_of(plan), self.lines_elsewhere(feed, stream)
            for line in own:
                stream.begin_line(line, own | elsewhere, alone=links.is_alone(plan, line))

    def lines_elsewhere(self, feed: str, stream: StreamState) -> set[int]:
        """The lines of the feed's other sources that carry a stream now."""
        found = self._elsewhere(feed, stream)
        return {links.lines.get(connection, 0) for links, connections in found for connection in connections}

    def _elsewhere(self, feed: str, stream: StreamState) -> Iterator[tuple[ConnectionLog, list[int]]]:
        """The open connections of other sources that bring a stream."""
        return (self._bringing(source, stream) for source in self._sources_beside(feed, stream, even_gone=False))

    def _bringing(self, source: str, stream: StreamState) -> tuple[ConnectionLog, list[int]]:
        """The open connections of a source that bring a stream; all if nothing of it was read yet."""
        links, plans = self._feeds.states[source].links, self._feeds.plans.of_stream(source, stream.key)
        is_each = plans is None or stream.key.data_type == UNDECODED
        return links, [number for number, plan in links.up.items() if is_each or plan in (plans or ())]

    def _sources_beside(self, feed: str, stream: StreamState, *, even_gone: bool) -> list[str]:
        coverage = stream.dedup.progress.activity.coverage
        if coverage is not None:
            return [other for other in coverage.sources if other != feed] if even_gone else coverage.others(feed)
        # Frames that nobody can read are no stream of any plan.
        is_of_none = is_source(feed) and stream.key.data_type == UNDECODED
        return [other for other in self._feeds.sources.of(stream.feed) if other != feed] if is_of_none else []

    def _named(self, feed: str, in_head: int) -> int:
        """The number of the one that a record's head names so; 0 if there is none."""
        up = self._feeds.state(feed).links.up
        return next((number for number in up if connection_in_head(number) == in_head), 0)


def _receipts(links: ConnectionLog, numbers: Iterable[int]) -> list[int]:
    incarnation = incarnation_of(links.writer_id)
    return [incarnation | connection_in_head(number) for number in numbers]


def _next_of(source: str) -> int:
    """Stands for the next connection of a feed or source, until it is read that it has opened."""
    return incarnation_of(source)
