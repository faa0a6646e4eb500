"""Which connections of each feed are open, and which of them bring the same streams."""

from collections.abc import Iterator, Mapping
from typing import Any

from collector.processes.writer.gaps.feed_state import ConnectionMemory
from collector.processes.writer.gaps.feed_table import FeedTable
from collector.processes.writer.streams import StreamState
from collector.storage.journal.format import FeedIdentity, connection_in_head


class OpenConnections:
    """The open connections of every feed, which the heads of records name by the lower bits of their numbers."""

    def __init__(self, feeds: FeedTable) -> None:
        self._feeds = feeds

    def memory_of(self, feed: str) -> dict[int, ConnectionMemory]:
        """What is known of the feed's open connections, by their numbers in the heads of records."""
        return self._feeds.state(feed).connections

    def forget(self, identity: FeedIdentity, info: Mapping[str, Any]) -> None:
        """Nothing is known of a connection that has opened or ended, as a record says."""
        number = connection_in_head(int(info["connection"]))
        self._feeds.state(identity.feed).connections.pop(number, None)

    def beside(self, feed: str, in_head: int) -> list[int]:
        """Other open connections with the same streams as the one that a record's head names as `in_head`."""
        number = self._named(feed, in_head)
        return self._feeds.state(feed).links.beside(number) if number else []

    def is_alone(self, feed: str, in_head: int) -> bool:
        """Whether the connection that a record's head names `in_head` is open, and no other one has the same streams."""
        return self._named(feed, in_head) > 0 and not self.beside(feed, in_head)

    def everywhere(self) -> Iterator[tuple[str, int]]:
        """Those of all feeds: incarnation of ingest, and number."""
        for state in self._feeds.states.values():
            for number in state.links.up:
                yield state.links.writer_id, number

    def begin_lines(self, stream: StreamState, in_head: int) -> None:
        """Note which lines carry a stream whose first message came over the connection that a record's head names so."""
        links = self._feeds.state(stream.feed).links
        plan = links.up.get(self._named(stream.feed, in_head))
        if plan is not None:
            standing = links.lines_of(plan)
            for line in standing:
                stream.begin_line(line, standing, alone=links.is_alone(plan, line))

    def _named(self, feed: str, in_head: int) -> int:
        """The number of the one that a record's head names so; 0 if there is none."""
        up = self._feeds.state(feed).links.up
        return next((number for number in up if connection_in_head(number) == in_head), 0)
