"""What begins and ends with a source as a whole: its incarnations, and that nothing comes of it while other hosts go on.

A source that is gone covers nothing from its newest record on, as if its connections had ended there. If it goes on from
that record after all, nothing of it was missed: then it covers again from there.
"""

from typing import Final

from collector.domain.coverage import EVER
from collector.domain.gap_stretches import event_gap
from collector.domain.records import UNKNOWN, StreamKey
from collector.domain.silence import LEFT
from collector.processes.writer.gaps.book_rows import BookRows
from collector.processes.writer.gaps.feed_table import FeedTable
from collector.processes.writer.gaps.outage_rows import OutageRows, cause_of_end, coverage_of
from collector.processes.writer.gaps.refusal_rows import RefusalRows
from collector.processes.writer.gaps.stream_ownership import Handover, Member
from collector.storage.journal.format import FeedIdentity, JournalHeader
from collector.storage.journal.relayed import LINES_OF_SLOT, feed_of_source

NO_LINES: Final = range(0)

LOST: Final = "edge"
"""Why messages are missing that an edge alone had."""


class SourceRows:
    """Follows the sources of every feed."""

    def __init__(self, feeds: FeedTable, outages: OutageRows, refusals: RefusalRows, books: BookRows) -> None:
        self._feeds = feeds
        self._books = books
        self._outages = outages
        self._refusals = refusals

    def open(self, header: JournalHeader, *, is_same: bool, is_other: bool) -> list[Handover]:
        """Go on with a file of a source, of the same incarnation or another one; `is_other`: with other streams.

        That no file is missing is the relay's to prove. Returns as `begin`.
        """
        identity, state = header.identity, self._feeds.state(header.identity.feed)
        if state.is_gone and is_same:
            self.returned(identity)
        found = self.begin(identity, goes_on=is_same) if not is_same or (identity.shares and is_other) else []
        if not state.links.writer_id:
            state.met_us = self._feeds.sources.newest_us(feed_of_source(identity.feed))
        if not is_same:
            state.links.begin(header.writer_id)
            state.connections, state.is_gone, state.is_refusing = {}, False, False
            # What this host itself recorded of the feed has ended.
            self._feeds.state(feed_of_source(identity.feed)).links.begin("")
        return found

    def read(self, identity: FeedIdentity, at_us: int) -> None:
        """Note how far a source has come; to be called now and then."""
        state = self._feeds.state(identity.feed)
        was_behind, state.is_behind = state.is_behind, self._feeds.sources.is_behind(identity.feed, at_us)
        if was_behind and not state.is_behind:
            self._caught_up(identity, at_us)

    def _caught_up(self, identity: FeedIdentity, at_us: int) -> None:
        """Settle the outages that a source which was read late has covered."""
        state = self._feeds.state(identity.feed)
        for plan in state.links.since:
            for member in self._feeds.members(identity, plan):
                coverage = coverage_of(member)
                if coverage.stands(identity.feed):
                    self._outages.covered_late(member, (coverage.sources[identity.feed], at_us), at_us)
                if member.stream is not None:
                    for line in range(state.first_line, state.first_line + LINES_OF_SLOT):
                        # What it brought late is not counted as skipped.
                        member.stream.dedup.progress.lines.forget(line)
                    self._feeds.rows.touch(member.stream)

    def lost(self, header: JournalHeader, place: str, until_us: int, cause: str = LOST) -> None:
        """Note that an edge lost a part of its journal. What no other source covered meanwhile is missing.

        A connection may have ended in that part: it covers again from its next frames on.
        """
        identity = header.identity
        since_us = min(self._feeds.state(identity.feed).links.newest_us or until_us, until_us)
        self._outages.doubt(identity)
        missed = [
            member
            for member in self._feeds.all_members(identity)
            if member.is_missed_without(identity.feed, since_us, until_us)
        ]
        if not missed:
            return
        key = StreamKey(identity.exchange, UNKNOWN, UNKNOWN)
        gap = event_gap(key, "damaged", cause, since_us, until_us, expected_id=place)
        self._feeds.add_gap(identity.feed, key, gap, until_us)
        for member in missed:
            self._feeds.mark_suspect(member, cause)
            if member.stream is not None:
                self._books.lost(member.stream, until_us, cause)

    def begin(self, identity: FeedIdentity, *, goes_on: bool) -> list[Handover]:
        """Note the streams that a source subscribes from now on, with a new incarnation or the one that `goes_on`.

        Returns what is handed over to the feed, or dropped because no source subscribes it any more.
        """
        feed, keys = feed_of_source(identity.feed), dict.fromkeys(self._feeds.plans.keys(identity))
        found = []
        for previous_feed, member in self._feeds.ownership.known(feed, keys):
            is_subscribed = member.key in keys
            if is_subscribed and (previous_feed != feed or member.activity.coverage is None):
                found.append(self._feeds.ownership.take_over(previous_feed, member, feed))
            elif not goes_on or not is_subscribed:
                found += self._leave(identity, member, is_subscribed=is_subscribed, goes_on=goes_on)
        for member in self._feeds.ownership.members(feed, keys):
            coverage = coverage_of(member)
            if identity.feed not in coverage.sources:
                coverage.sources[identity.feed] = 0
                self._share(member)
        return found

    def gone(self, feed: str, now_us: int) -> None:
        """Take streams offline that only sources carry of which nothing comes any more while others go on."""
        for source in list(self._feeds.sources.newly_gone(feed)):
            state = self._feeds.state(source)
            state.is_gone = True
            for _, member in self._feeds.ownership.known(feed, ()):
                coverage = member.activity.coverage
                if coverage is not None and coverage.stands(source):
                    dead = [(state.links.newest_us, EVER)]
                    self._outages.missed(source, member, dead, cause_of_end(source), now_us)

    def returned(self, identity: FeedIdentity) -> None:
        """Note that a source that was gone goes on from its newest record."""
        state = self._feeds.state(identity.feed)
        state.is_gone, state.is_behind = False, True
        for plan in set(state.links.up.values()):
            for member in self._feeds.members(identity, plan):
                self._outages.carried(identity, member, state.links.newest_us)
                self._share(member)

    def _leave(self, identity: FeedIdentity, member: Member, *, is_subscribed: bool, goes_on: bool) -> list[Handover]:
        source, coverage = identity.feed, member.activity.coverage
        if coverage is None or source not in coverage.sources:
            return []
        state = self._feeds.state(source)
        if member.stream is not None:
            first = state.first_line
            member.stream.forget_lines(NO_LINES if first < 0 else range(first, first + LINES_OF_SLOT))
        is_last = not is_subscribed and len(coverage.sources) == 1
        cause = LEFT if goes_on and is_last else cause_of_end(source)
        ended_us = state.links.newest_us
        self._outages.missed(source, member, [(ended_us, EVER)], cause, ended_us)
        if state.is_refusing and not coverage.others(source):
            self._refusals.covered(source, member, ended_us)
            member.activity.go_offline(ended_us, cause)
        if is_subscribed:
            return []
        coverage.leave(source)
        self._share(member)
        return [self._feeds.ownership.drop(feed_of_source(source), member)] if is_last else []

    def _share(self, member: Member) -> None:
        if member.stream is not None:
            member.stream.share(member.activity.coverage)
            self._feeds.rows.touch(member.stream)
