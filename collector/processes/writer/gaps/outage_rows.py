"""Gaps from outages: times in which no connection carried a stream."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from collector.domain.coverage import EVER, Coverage, Stretch, without
from collector.domain.gap_stretches import event_gap
from collector.domain.silence import LEFT, Outage
from collector.processes.writer.gaps.book_rows import BookRows
from collector.processes.writer.gaps.feed_table import FeedTable
from collector.processes.writer.gaps.open_connections import OpenConnections
from collector.processes.writer.gaps.refusal_rows import RefusalRows
from collector.processes.writer.gaps.stream_ownership import Member
from collector.storage.journal.format import FeedIdentity, JournalHeader, Record, RecordKind, connection_in_head
from collector.storage.journal.relayed import LINES_OF_SLOT, is_source

SILENT: Final = "silent"
"""`reason` of a connection that was closed because it showed no sign of life."""

RENEWED: Final = "renewed"
"""`reason` of a connection that was closed because another one brings what it brought."""


class OutageRows:
    """Follows the connections of every feed as they open and end."""

    def __init__(self, feeds: FeedTable, connections: OpenConnections, refusals: RefusalRows, books: BookRows) -> None:
        self._feeds = feeds
        self._connections = connections
        self._refusals = refusals
        self._books = books

    def connected(
        self, identity: FeedIdentity, line: int, at_us: int, info: Mapping[str, Any], incarnation: str = ""
    ) -> None:
        """Note that an incarnation has opened a connection, which ends the outages of its streams.

        Streams whose ids prove continuity get a row only if ids are missing; all others get a row for the outage.
        """
        self._end_what_the_dead_left(identity)
        plan = int(info["plan"])
        state = self._feeds.state(identity.feed)
        state.links.connect(int(info["connection"]), plan, at_us, line, incarnation)
        if is_source(identity.feed):
            state.first_line = line - line % LINES_OF_SLOT
        self._connections.inherit(identity, int(info["connection"]), at_us)
        self._begin_line(identity, plan, line)
        self._join(identity, plan, at_us)
        for member in self._feeds.members(identity, plan):
            self.carried(identity, member, at_us)

    def carried(self, identity: FeedIdentity, member: Member, at_us: int) -> None:
        """Note that the feed, or a source of it, carries a stream from then on; that ends its outage."""
        if is_source(identity.feed):
            if self._feeds.state(identity.feed).is_refusing:
                return
            coverage = coverage_of(member)
            ended_us = -coverage.sources.get(identity.feed, 0)
            coverage.begin(identity.feed, at_us)
            if ended_us > 0 and member.activity.offline is None:
                self._note_unread(identity.feed, member, (ended_us, at_us))
            self._refusals.covered(identity.feed, member, at_us)
        outage = member.activity.come_online(at_us)
        # A source that is read late may have carried it all the time.
        if outage is not None and (outage.until_us > outage.since_us or not is_source(identity.feed)):
            self._feeds.mark_suspect(member, outage.cause)
            if outage.cause != LEFT:
                self._add_row(identity.feed, member, outage, outage.until_us)
            if member.stream is not None:
                self._books.lost(member.stream, at_us, outage.cause)

    def accepted(self, identity: FeedIdentity, at_us: int) -> None:
        """Note that a source takes the frames of its connections again, which it refused."""
        connected = self._feeds.connected(identity)
        for member in self._feeds.all_members(identity):
            if member.key in connected:
                self.carried(identity, member, at_us)
            elif not coverage_of(member).others(identity.feed):
                member.activity.go_offline(at_us, "disconnect")

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
            links.give_up(plan, line)
            self._forget_line(identity, plan, line)
        dead = ended.dead_stretches
        if ended.stood_since_us is not None:
            dead = [*dead, (ended.alive_us, EVER)]
        for member in self._feeds.members(identity, plan) if dead else ():
            self.missed(identity.feed, member, dead, cause, at_us, ended.stood_since_us)

    def missed(
        self, feed: str, member: Member, dead: list[Stretch], cause: str, at_us: int, stood_since_us: int | None = None
    ) -> None:
        """Note that the feed, or a source of it, did not carry a stream in these stretches; the last may last.

        What other sources covered is no outage. Before a stretch that lasts it had stood since `stood_since_us`.
        """
        coverage = member.activity.coverage
        if coverage is not None and member.activity.past_outages and coverage.stands(feed):
            self.covered_late(member, (coverage.sources[feed], dead[0][0]), at_us)
        found = dead if coverage is None else coverage.end(feed, dead)
        for stretch in dead if coverage is not None else ():
            if stretch[1] < EVER:
                self._note_unread(feed, member, stretch)
        for since_us, until_us in found:
            if until_us < EVER:
                if any(outage.has_row_of(since_us, until_us) for outage in member.activity.past_outages):
                    continue
                self._add_row(feed, member, Outage(since_us, until_us, cause), at_us)
                continue
            if stood_since_us is not None:
                member.activity.add_quiet_time(stood_since_us, since_us)
            member.activity.go_offline(since_us, cause)
        if member.stream is not None and (coverage is not None or dead[-1][1] == EVER):
            self._feeds.rows.touch(member.stream)

    def _note_unread(self, feed: str, member: Member, stretch: Stretch) -> None:
        """Remember what a source missed and only sources may have covered that are not read so far."""
        coverage = member.activity.coverage
        if coverage is None or not self._feeds.sources.lags(feed, stretch[1]):
            return
        read = [
            (coverage.sources[other], EVER)
            for other in coverage.others(feed)
            if not self._feeds.sources.lags_itself(other, stretch[1])
        ]
        for part in without(stretch, [*coverage.lives, *read]):
            self._feeds.note_outage(member, event_gap(member.key, "silence", "disconnect", *part), has_row=False)

    def covered_late(self, member: Member, stretch: Stretch, at_us: int) -> None:
        """Note that a source which is read late carried a stream: what was an outage of it may have been none."""
        for outage in member.activity.past_outages:
            if outage.cover(stretch) and outage.has_row:
                status = "partly_repaired" if outage.left else "repaired"
                gap = event_gap(member.key, outage.kind, outage.cause, outage.since_us, outage.until_us)
                row = gap._replace(status=status, repaired_by="late", detected_at=max(at_us, outage.until_us + 1))
                self._feeds.rows.add(member.key, row)

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
            info = {"connection": connection, "cause": cause_of_end(identity.feed)}
            self.disconnected(identity, links.lines.get(connection, 0), lived_until_us, info)
        links.dead = {}

    def doubt(self, identity: FeedIdentity) -> None:
        """End all connections of a source with its newest record, because it lost what stood behind that: their ends, perhaps."""
        links = self._feeds.state(identity.feed).links
        for connection, (_, line, _) in links.doubt_all().items():
            info = {"connection": connection, "cause": cause_of_end(identity.feed)}
            self.disconnected(identity, line, links.newest_us, info)

    def go_on(self, identity: FeedIdentity, records: Iterable[Record]) -> None:
        """Note that doubted connections stand after all, of which one of these records has frames."""
        links = self._feeds.state(identity.feed).links
        doubted = {connection_in_head(number): number for number in links.doubted}
        for record in records:
            number = doubted.pop(record.connection, 0) if record.kind is RecordKind.FRAMES else 0
            if number:
                plan, line, owner = links.doubted[number]
                info = {"connection": number, "plan": plan}
                self.connected(identity, line, record.received_ns // 1_000, info, owner)

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

    def _add_row(self, feed: str, member: Member, outage: Outage, at_us: int) -> None:
        key, stream, activity = member
        # A stream without any message has no id that could prove continuity.
        is_proven = stream is not None and stream.proves_continuity
        if not is_proven and activity.silent_since_us is None:
            gap = event_gap(key, "silence", outage.cause, outage.since_us, outage.until_us)
            self._feeds.add_gap(feed, key, gap, at_us)
            self._feeds.note_outage(member, gap)

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
            elsewhere = self._connections.lines_elsewhere(identity.feed, stream)
            if stream.begin_line(line, standing | elsewhere, alone=alone):
                self._feeds.rows.touch(stream)


def cause_of_end(feed: str) -> str:
    """Why a stream is offline that ingest brought, on this host or on an edge, which ended without a word."""
    return "edge" if is_source(feed) else "restart"


def coverage_of(member: Member) -> Coverage:
    """Which sources carry a stream, as far as is known."""
    coverage = member.activity.coverage
    if coverage is None:
        coverage = member.activity.coverage = Coverage()
    return coverage
