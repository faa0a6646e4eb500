"""What begins and ends with a source as a whole: its incarnations, and that nothing comes of it while other hosts go on.

A source that is gone covers nothing from its newest record on, as if its connections had ended there. If it goes on from
that record after all, nothing of it was missed: then it covers again from there.
"""

from typing import Final

from collector.domain.coverage import EVER
from collector.domain.silence import LEFT
from collector.processes.writer.gaps.feed_table import FeedTable
from collector.processes.writer.gaps.outage_rows import OutageRows, cause_of_end, coverage_of
from collector.processes.writer.gaps.refusal_rows import RefusalRows
from collector.processes.writer.gaps.stream_ownership import Handover, Member
from collector.storage.journal.format import FeedIdentity
from collector.storage.journal.relayed import LINES_OF_SLOT, feed_of_source

NO_LINES: Final = range(0)


class SourceRows:
    """Follows the sources of every feed."""

    def __init__(self, feeds: FeedTable, outages: OutageRows, refusals: RefusalRows) -> None:
        self._feeds = feeds
        self._outages = outages
        self._refusals = refusals

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
        state.is_gone = False
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
