"""Which connections of each feed are open, and which of them bring the same streams."""

from collections.abc import Iterator, Mapping
from typing import Any

from collector.processes.writer.gaps.connection_log import ConnectionLog
from collector.processes.writer.gaps.feed_state import ConnectionMemory
from collector.processes.writer.gaps.feed_table import FeedTable
from collector.processes.writer.receipt import incarnation_of
from collector.processes.writer.streams import StreamState
from collector.storage.journal.format import FeedIdentity, connection_in_head


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
        receipt names it.
        """
        links, number = self._feeds.state(feed).links, self._named(feed, in_head)
        found = _receipts(links, links.beside(number)) if number else []
        for other, connections in self._elsewhere(feed, stream):
            found += _receipts(other, connections)
        return found

    def is_alone(self, feed: str, in_head: int, stream: StreamState) -> bool:
        """Whether the connection that a record's head names `in_head` is open, and no other one brings the stream."""
        return self._named(feed, in_head) > 0 and not self.beside(feed, in_head, stream)

    def everywhere(self) -> Iterator[tuple[str, int]]:
        """Those of all feeds: incarnation of ingest, and number."""
        for state in self._feeds.states.values():
            for number in state.links.up:
                yield state.links.writer_id, number

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
        """The open connections of other sources that bring a stream; all of a source of which nothing was read yet."""
        coverage = stream.dedup.progress.activity.coverage
        for source in () if coverage is None else coverage.others(feed):
            links, plans = self._feeds.states[source].links, self._feeds.plans.of_stream(source, stream.key)
            yield links, [number for number, plan in links.up.items() if plans is None or plan in plans]

    def _named(self, feed: str, in_head: int) -> int:
        """The number of the one that a record's head names so; 0 if there is none."""
        up = self._feeds.state(feed).links.up
        return next((number for number in up if connection_in_head(number) == in_head), 0)


def _receipts(links: ConnectionLog, numbers: list[int]) -> list[int]:
    incarnation = incarnation_of(links.writer_id)
    return [incarnation | connection_in_head(number) for number in numbers]
