"""Gaps from outages: times in which no connection carried a stream."""

from collections.abc import Mapping
from typing import Any, Final

from collector.domain.gap_stretches import event_gap
from collector.domain.silence import LEFT, Outage
from collector.processes.writer.gaps.book_rows import BookRows
from collector.processes.writer.gaps.feed_table import FeedTable
from collector.processes.writer.gaps.stream_ownership import Member
from collector.storage.journal.format import FeedIdentity, JournalHeader, connection_in_head

SILENT: Final = "silent"
"""`reason` of a connection that was closed because it showed no sign of life."""

RENEWED: Final = "renewed"
"""`reason` of a connection that was closed because another one brings what it brought."""


class OutageRows:
    """Follows the connections of every feed as they open and end."""

    def __init__(self, feeds: FeedTable, books: BookRows) -> None:
        self._feeds = feeds
        self._books = books

    def connected(
        self, identity: FeedIdentity, line: int, at_us: int, info: Mapping[str, Any], incarnation: str = ""
    ) -> None:
        """Note that an incarnation has opened a connection, which ends the outages of its streams.

        Streams whose ids prove continuity get a row only if ids are missing; all others get a row for the outage.
        """
        self._end_what_the_dead_left(identity)
        plan = int(info["plan"])
        self._feeds.state(identity.feed).links.connect(int(info["connection"]), plan, at_us, line, incarnation)
        self._begin_line(identity, plan, line)
        self._join(identity, plan, at_us)
        for member in self._feeds.members(identity, plan):
            outage = member.activity.come_online(at_us)
            if outage is not None:
                self._feeds.mark_suspect(member, outage.cause)
                if outage.cause != LEFT:
                    self._add_row(identity, member, outage, outage.until_us)
                if member.stream is not None:
                    self._books.lost(member.stream, at_us, outage.cause)

    def disconnected(self, identity: FeedIdentity, line: int, at_us: int, info: Mapping[str, Any]) -> None:
        """Note that a connection has ended; it may have been dead for some time before."""
        connection, cause = int(info["connection"]), info["cause"]
        links = self._feeds.state(identity.feed).links
        plan = links.up.get(connection)
        if plan is None:
            return
        ended = links.disconnect(connection, self._alive_us(identity, plan, at_us, info))
        self._begin_line(identity, plan, line)
        if info.get("reason") == RENEWED and line not in links.lines_of(plan):
            self._forget_line(identity, plan, line)
        for since_us, until_us in ended.dead_stretches:
            for member in self._feeds.members(identity, plan):
                self._add_row(identity, member, Outage(since_us, until_us, cause), at_us)
        if ended.stood_since_us is not None:
            self._leave(identity, plan, ended.stood_since_us, ended.alive_us, cause)

    def incarnation_ended(self, header: JournalHeader) -> None:
        """Note that an incarnation writes nothing more. If another one goes on beside it, what it left open ends.

        If none does, the next one's first file ends it, or its first connection.
        """
        links = self._feeds.state(header.identity.feed).links
        if header.writer_id == links.writer_id:
            links.end_incarnation(header.incarnation)
            if links.has_living():
                self._end_what_the_dead_left(header.identity)

    def _end_what_the_dead_left(self, identity: FeedIdentity) -> None:
        state = self._feeds.state(identity.feed)
        links = state.links
        for connection, lived_until_us in links.left_by_the_dead().items():
            state.connections.pop(connection_in_head(connection), None)
            info = {"connection": connection, "cause": "restart"}
            self.disconnected(identity, links.lines.get(connection, 0), lived_until_us, info)
        links.dead = {}

    def _alive_us(self, identity: FeedIdentity, plan: int, at_us: int, info: Mapping[str, Any]) -> int:
        """Until when the connection was alive: its last sign of life, or its end if it was closed properly.

        Messages it should have delivered later may be lost. Version 1 of ingest wrote no sign of life: then, for a
        connection closed as silent, the newest message counts.
        """
        alive_ns = info.get("alive_ns")
        if alive_ns is not None:
            return min(int(alive_ns) // 1_000, at_us)
        if info.get("reason") != SILENT:
            return at_us
        last_message_us = (stream.last_message_us for stream in self._feeds.plans.streams_of(identity, plan))
        return min(max(last_message_us, default=at_us), at_us)

    def _add_row(self, identity: FeedIdentity, member: Member, outage: Outage, at_us: int) -> None:
        key, stream, activity = member
        # A stream without any message has no id that could prove continuity.
        is_proven = stream is not None and stream.proves_continuity
        if not is_proven and activity.silent_since_us is None:
            gap = event_gap(key, "silence", outage.cause, outage.since_us, outage.until_us)
            self._feeds.add_gap(identity.feed, key, gap, at_us)

    def _leave(self, identity: FeedIdentity, plan: int, stood_since_us: int, at_us: int, cause: str) -> None:
        """Take the plan's streams offline, because no connection carries them any more."""
        for _, stream, activity in self._feeds.members(identity, plan):
            activity.add_quiet_time(stood_since_us, at_us)
            activity.go_offline(at_us, cause)
            if stream is not None:
                self._feeds.rows.touch(stream)

    def _join(self, identity: FeedIdentity, plan: int, at_us: int) -> None:
        for stream in self._feeds.plans.streams_of(identity, plan):
            stream.dedup.join(at_us)
            self._feeds.rows.touch(stream)

    def _forget_line(self, identity: FeedIdentity, plan: int, line: int) -> None:
        """Without a successor, a line whose last connection was replaced is not wanted any more."""
        for stream in self._feeds.plans.streams_of(identity, plan):
            stream.dedup.progress.lines.forget(line)
            self._feeds.rows.touch(stream)

    def _begin_line(self, identity: FeedIdentity, plan: int, line: int) -> None:
        links = self._feeds.state(identity.feed).links
        alone, standing = links.is_alone(plan, line), links.lines_of(plan)
        for stream in self._feeds.plans.streams_of(identity, plan):
            if stream.begin_line(line, standing, alone=alone):
                self._feeds.rows.touch(stream)
