"""The state of every feed, the streams of its plans, and adding a feed's gaps to the ledger."""

from collections.abc import Callable, Iterator

from collector.domain.gap_stretches import GapStretch
from collector.domain.past_outage import OUTAGES_KEPT, PastOutage, borders
from collector.domain.records import Gap, StreamKey
from collector.exchanges.adapter import Adapter
from collector.processes.writer.gaps.feed_state import FeedState
from collector.processes.writer.gaps.pending_gap_rows import PendingGapRows
from collector.processes.writer.gaps.plans import Plans
from collector.processes.writer.gaps.sources import Sources
from collector.processes.writer.gaps.stream_ownership import Member, StreamOwnership
from collector.processes.writer.streams import StreamTable
from collector.storage.journal.format import FeedIdentity
from collector.storage.journal.relayed import feed_of_source


class FeedTable:
    """The feeds, as shared by all parts of the ledger."""

    def __init__(
        self,
        streams: StreamTable,
        states: dict[str, FeedState],
        adapter_of: Callable[[str], Adapter],
        rows: PendingGapRows,
    ) -> None:
        self.states = states
        self.rows = rows
        self.plans = Plans(streams, adapter_of)
        self.sources = Sources(states, streams.overlap_secs)
        self.ownership = StreamOwnership(streams, states, self.state)

    def state(self, feed: str) -> FeedState:
        """The state of a feed or source; it is part of the next commit."""
        self.rows.batch.feeds.add(feed)
        known = self.states.get(feed)
        if known is None:
            known = self.states[feed] = FeedState()
            self.sources.add(feed)
        return known

    def members(self, identity: FeedIdentity, plan: int) -> Iterator[Member]:
        """The streams of one plan."""
        return self.ownership.members(feed_of_source(identity.feed), self.plans.keys_of(identity, plan))

    def all_members(self, identity: FeedIdentity) -> Iterator[Member]:
        """Every stream the feed subscribes."""
        return self.ownership.members(feed_of_source(identity.feed), self.plans.keys(identity))

    def connected(self, identity: FeedIdentity) -> set[StreamKey]:
        """The streams of the plans that have an open connection."""
        since = self.state(identity.feed).links.since
        return {key for plan in since for key in self.plans.keys_of(identity, plan)}

    def add_gap(self, feed: str, place: StreamKey, gap: Gap, at_us: int) -> None:
        """Add a gap with a row of its own, or count it in a row that many gaps share. Sources of a feed share rows."""
        self.rows.add_or_count(self.state(feed_of_source(feed)).stretches, place, gap, at_us)

    def count(self, feed: str, trouble: GapStretch) -> None:
        """Count a message in the row of its stretch, one row for a run of such messages. Sources of a feed share rows."""
        self.rows.count(self.state(feed_of_source(feed)).stretches, trouble)

    def note_outage(self, member: Member, gap: Gap, *, has_row: bool = True) -> None:
        """Remember an outage, if a source that is read late may have covered it."""
        stream, activity = member.stream, member.activity
        since_us, until_us = gap.started_at, gap.ended_at or gap.started_at
        if stream is None or activity.coverage is None or not self.sources.lags(stream.feed, until_us):
            return
        if stream.proves_continuity or since_us >= until_us:
            return
        for outage in activity.past_outages:
            if (outage.since_us, outage.until_us) == (since_us, until_us):
                outage.kind, outage.cause, outage.has_row = gap.kind, gap.cause, outage.has_row or has_row
                return
        before, after = borders(stream.dedup.known(), since_us, until_us)
        outage = PastOutage(
            gap.kind, gap.cause, since_us, until_us, [(since_us, until_us)], before, after, not after, has_row=has_row
        )
        activity.past_outages = [*activity.past_outages, outage][-OUTAGES_KEPT:]
        stream.is_at_border = stream.is_at_border or outage.is_open

    def mark_suspect(self, member: Member, cause: str) -> None:
        """Make this the cause of a hole before the stream's next message, if there is one."""
        if member.stream is not None:
            member.stream.dedup.suspect(cause)
            self.rows.touch(member.stream)
