"""The gap ledger: everything that can lose a message, and the rows it causes.

Holes in ids (`sequence_gap_rows`), missing books (`book_rows`), outages (`outage_rows`), silence (`silence_watch`), refused frames
(`refusal_rows`), damaged journals (`damage_rows`), lost frames (`ticket_rows`), and, in this file, undecodable frames, conflicts, and ids that step
back or start again.
"""

from collections.abc import Callable, Iterable

from collector.domain.gap_stretches import GapStretch, event_gap
from collector.domain.records import UNKNOWN, StreamKey
from collector.domain.repair_protocol import is_rest_journal
from collector.domain.steps_back import has_passed
from collector.exchanges.adapter import Adapter
from collector.processes.writer.batch import CommitBatch, Counts
from collector.processes.writer.feed_state_version_1 import carry_over
from collector.processes.writer.gaps.book_rows import BookRows
from collector.processes.writer.gaps.damage_rows import DamageRows
from collector.processes.writer.gaps.feed_state import LOOK_US, FeedState
from collector.processes.writer.gaps.feed_table import FeedTable
from collector.processes.writer.gaps.open_connections import OpenConnections
from collector.processes.writer.gaps.outage_rows import OutageRows
from collector.processes.writer.gaps.pending_gap_rows import PendingGapRows
from collector.processes.writer.gaps.refusal_rows import RefusalRows
from collector.processes.writer.gaps.sequence_gap_rows import SequenceGapRows
from collector.processes.writer.gaps.silence_watch import SilenceWatch
from collector.processes.writer.gaps.source_rows import SourceRows
from collector.processes.writer.gaps.stream_ownership import Handover
from collector.processes.writer.gaps.ticket_rows import TicketRows
from collector.processes.writer.repair_requests import RepairRequests
from collector.processes.writer.streams import StreamState, StreamTable
from collector.storage.journal.format import FeedIdentity, JournalHeader, Record, RecordKind, event_of
from collector.storage.journal.journal_file import Damage
from collector.storage.journal.relayed import feed_of_source, is_source


class GapLedger:
    """The gaps of every feed. Rows are added to the current batch."""

    def __init__(
        self,
        streams: StreamTable,
        feeds: dict[str, FeedState],
        adapter_of: Callable[[str], Adapter],
        counts: Counts,
        requests: RepairRequests,
    ) -> None:
        self.feeds = feeds
        self._requests = requests
        self._rows = PendingGapRows(streams, counts)
        self._feeds = FeedTable(streams, feeds, adapter_of, self._rows)
        self.connections = OpenConnections(self._feeds)
        self.books = BookRows(streams, self._feeds, requests)
        self.holes = SequenceGapRows(streams, self._feeds, self._rows, requests, self.books)
        self._refusals = RefusalRows(self._feeds, streams, self.books, counts)
        self._outages = OutageRows(self._feeds, self.connections, self._refusals, self.books)
        self._sources = SourceRows(self._feeds, self._outages, self._refusals, self.books)
        self._silence = SilenceWatch(self._rows)
        self._damage = DamageRows(self._feeds)
        self.tickets = TicketRows(self._feeds, self.books, counts)
        self._first_message_limit_us = streams.first_message_limit_secs * 1e6
        self._identities: dict[str, FeedIdentity] = {}

    def begin(self, batch: CommitBatch) -> None:
        """Add to this batch from now on."""
        self._rows.batch = batch
        self._requests.begin(batch)

    def open_journal(self, header: JournalHeader, others: frozenset[int] = frozenset()) -> None:
        """Go on with a journal file. The first file of an incarnation of ingest ends what the previous one left open, unless it
        goes on with its numbers. `others` are the numbers of the feed's files that are present or were read.
        """
        identity, state = header.identity, self._feeds.state(header.identity.feed)
        if not header.writer_id:
            state.trail.pass_headless(header.number)
            return
        known, self._identities[identity.feed] = self._identities.get(identity.feed), identity
        is_same = header.writer_id == state.links.writer_id
        if is_source(identity.feed):
            feed, begun_us = feed_of_source(identity.feed), header.created_ns // 1_000
            for handover in self._sources.open(header, is_same=is_same, is_other=known != identity):
                self._take_over(feed, handover, begun_us)
            return
        missing = state.trail.follow(
            header.number,
            same_writer=is_same,
            incarnation=header.incarnation,
            previous=header.previous,
            others=others,
        )
        if missing is not None:
            self._damage.vanished(header, missing)
        if header.sources is not None:
            return  # it holds what edges sent, and no incarnation of this host's ingest
        for stream in carry_over(state, identity, self._feeds.plans, self._feeds.ownership, is_same=is_same):
            self._rows.touch(stream)
        if is_same:
            if identity.shares and known != identity:
                self._hand_over(identity, header.created_ns // 1_000, goes_on=True)
            return
        if not is_rest_journal(identity.feed):
            self._hand_over(identity, header.created_ns // 1_000)
        state.links.begin(header.writer_id)
        state.connections = {}
        state.refusing_since_us = None

    def clock_is_ahead(self, source: str, ahead_us: int) -> None:
        """Note how far the clock of a source's edge is ahead."""
        if self._feeds.states[source].ahead_us != ahead_us:
            self._feeds.state(source).ahead_us = ahead_us

    def met_us(self, source: str) -> int:
        """The newest time that was read of other sources when this one was first read."""
        return self._feeds.states[source].met_us

    def lost(self, header: JournalHeader, place: str, until_us: int) -> None:
        """Note that an edge lost what stood before a part of its journal, whose first record was received then."""
        self._sources.lost(header, place, until_us)

    def go_on(self, source: str, records: Iterable[Record]) -> None:
        """Note which connections of a source stand after all that may have ended in a lost part of its journal."""
        if self._feeds.states[source].links.doubted:
            self._outages.go_on(self._identities[source], records)

    def is_covered_elsewhere(self, source: str, at_us: int) -> bool:
        """Whether another source of the feed had a connection at that time."""
        return self._feeds.sources.had_connection(source, at_us)

    def record_received(self, feed: str, received_us: int) -> None:
        """Check for silence, finished stretches and due rows after a record of the feed, received at `received_us`."""
        state = self._feeds.state(feed)
        state.links.newest_us = received_us
        if is_source(feed):
            self._source_received(feed, state, received_us)
            return
        if not 0 <= received_us - state.looked_us < LOOK_US:
            if received_us > state.looked_us:  # else the clock was set back
                self.holes.grow_older(feed)
            state.looked_us = received_us
            self._rows.end_stretches(state.stretches, received_us)
            self._check_silence(feed, state, received_us)
            self.books.look(feed, received_us)
        self.holes.record_received(feed, received_us)

    def _source_received(self, source: str, state: FeedState, received_us: int) -> None:
        """As `record_received`, for a source: what all sources bring is judged when all have come so far."""
        feed, sources = feed_of_source(source), self._feeds.sources
        state.heard_us = sources.newest_us(feed)
        if not 0 <= received_us - state.looked_us < LOOK_US:
            state.looked_us = received_us
            judged_us, common = sources.judged_us(source, received_us), self._feeds.state(feed)
            if has_passed(LOOK_US, common.looked_us, judged_us):
                if judged_us > common.looked_us:
                    self.holes.grow_older(feed)
                common.looked_us = judged_us
                self._rows.end_stretches(common.stretches, judged_us)
            self._sources.gone(feed, judged_us)
            self._sources.read(self._identities[source], received_us)
            if not state.is_behind:
                self._check_silence(source, state, judged_us)
            self.books.look(feed, judged_us)
        self.holes.record_received(source, received_us)

    def quiet_us(self, feed: str) -> tuple[int, int]:
        """From which receive time to before which `record_received` only notes the time, as long as no hole is found."""
        looked_us = self._feeds.state(feed).looked_us
        since_us, until_us = self.holes.quiet_us(feed)
        return max(since_us, looked_us), min(until_us, looked_us + LOOK_US)

    def read_until(self, header: JournalHeader, received_us: int) -> None:
        """Note when the newest record read of an incarnation was received."""
        if header.sources is None:
            self._feeds.state(header.identity.feed).links.read_us[header.incarnation] = received_us

    def incarnation_ended(self, header: JournalHeader) -> None:
        """Note that an incarnation writes nothing more."""
        self._outages.incarnation_ended(header)

    def event(self, identity: FeedIdentity, record: Record, incarnation: str = "") -> None:
        """Process an incarnation's record about a connection or about refused frames."""
        at_us, info = record.received_ns // 1_000, event_of(record)
        match record.kind:
            case RecordKind.CONNECT:
                self.connections.forget(identity, info)
                self._outages.connected(identity, record.line, at_us, info, incarnation)
            case RecordKind.DISCONNECT:
                self.connections.forget(identity, info)
                self._outages.disconnected(identity, record.line, at_us, info)
            case RecordKind.REFUSING:
                self._refusals.begun(identity, info)
            case RecordKind.RESUMED:
                self._refusals.over(identity, at_us, info)
                if is_source(identity.feed):
                    self._outages.accepted(identity, at_us)
                self.tickets.begin_anew(identity.feed)

    def update(self, now_us: int) -> None:
        """Bring the rows of everything that lasts up to date before a seal, because they leave with the segment."""
        self.holes.update(now_us)
        self.books.update(now_us)
        for feed in list(self.feeds):
            self._rows.update_stretches(self._feeds.state(feed).stretches, now_us)

    def close(self, now_us: int) -> None:
        """End the rows of everything that lasts, except silences and missing books, for a stop, once everything has been read.

        If it continues after the restart it gets new rows; a silence lasts until the stream's next message, and a book is
        missing until one comes.
        """
        self.holes.settle(now_us, all_due=True)
        self.holes.update(now_us)
        self.books.update(now_us)
        for feed in list(self.feeds):
            self._refusals.stop(feed, now_us)
            self._rows.close_rows(self._feeds.state(feed).stretches, now_us)

    def checksum_differs(self, stream: StreamState, line: int, at_us: int) -> None:
        """Add a row because the book of a line is not what the exchange's checksum says, and request a fresh one."""
        gap = event_gap(stream.key, "checksum", "exchange", at_us, at_us, series=stream.dedup.progress.series)
        self._feeds.add_gap(stream.feed, stream.key, gap._replace(line=line), at_us)
        if stream.is_redundant:
            self._requests.request_book(stream, at_us, at_us)  # the book of all lines together may be right
        else:
            self.books.needed(stream, at_us, at_us, "exchange")

    def not_checked(self, stream: StreamState, at_us: int, *, lacks_book: bool) -> None:
        """Count a message of a book that no checksum was held against, though its exchange sends them.

        If only the book is lacking, as after a restart, request a fresh one; else books are not verified at all.
        """
        cause = "restart" if lacks_book else "unknown"
        self._count(stream.feed, stream.key, "checksum", cause, at_us)
        if lacks_book:
            self.books.lacking(stream, at_us)

    def damaged(self, header: JournalHeader, damage: Damage, now_us: int) -> None:
        """Add a row for a damaged part of a journal file."""
        feed = header.identity.feed
        if is_source(feed) and header.writer_id:
            place, until_us = f"{header.file_id}:{damage.offset}", self._feeds.sources.newest_us(feed_of_source(feed))
            self._sources.lost(header, place, until_us, "disk")
        else:
            self._damage.damaged(header, damage, now_us)

    def undecodable(self, identity: FeedIdentity, at_us: int) -> None:
        """Count an undecodable frame."""
        for name in {identity.feed, feed_of_source(identity.feed)}:
            self._feeds.state(name).undecodable_us = at_us
        self._count(identity.feed, StreamKey(identity.exchange, UNKNOWN, UNKNOWN), "undecodable", "parse", at_us)

    def conflict(self, stream: StreamState, at_us: int) -> None:
        """Count a message that differs from another one with the same id."""
        self._count(stream.feed, stream.key, "duplicate_conflict", "exchange", at_us)

    def reset(self, stream: StreamState, message_id: int, at_us: int) -> None:
        """Add a row because the exchange restarted the stream's ids."""
        series = stream.dedup.progress.series
        gap = event_gap(stream.key, "reset", "exchange", at_us, at_us, series=series, actual_id=str(message_id))
        self._feeds.add_gap(stream.feed, stream.key, gap, at_us)
        known_from_id = stream.dedup.progress.known_from_id
        if known_from_id <= message_id:  # else the series begins with a snapshot, which is a whole book
            self.books.needed(stream, known_from_id, at_us, "exchange")
        self.holes.series_ended(stream, at_us)

    def stepped_back(self, stream: StreamState, message_id: int, at_us: int) -> None:
        """Count a message whose id should be above the previous one on its line and is not."""
        expected_id, actual_id = str(stream.dedup.stepped_back_from), str(message_id)
        self._count(stream.feed, stream.key, "out_of_order", "exchange", at_us, expected_id, actual_id)

    def ahead(self, stream: StreamState) -> None:
        """Watch the hole before the stream's newest message."""
        hole = stream.dedup.progress.holes[-1]
        if hole.cause == "exchange" and self._feeds.state(stream.feed).undecodable_us >= hole.since_us:
            hole.cause = "parse"
        self.holes.watch(stream)

    def first_message(self, stream: StreamState, at_us: int) -> None:
        """Note a stream's first message: close its silence, if a row is open."""
        activity = self._feeds.ownership.first_message(stream)
        if activity is not None:
            self._silence.close_unspoken(stream.key, activity, at_us)

    def spoke(self, stream: StreamState, at_us: int) -> None:
        """Note that a stream that is silent, or awaits its book, has a message again: close its silence."""
        if stream.awaits_book:
            self.books.update_came(stream, at_us)
        if stream.is_silent:
            self._silence.end_silence(stream, at_us)

    def _check_silence(self, feed: str, state: FeedState, now_us: int) -> None:
        identity, plans = self._identities[feed], self._feeds.plans
        for plan, since_us in state.links.since.items():
            self._silence.check(plans.streams_of(identity, plan), since_us, now_us)
            if state.unspoken:
                keys = plans.keys_of(identity, plan)
                unspoken = {key: state.unspoken[key] for key in keys if key in state.unspoken}
                self._silence.check_unspoken(unspoken, self._first_message_limit_us, since_us, now_us)

    def _hand_over(self, identity: FeedIdentity, begun_us: int, *, goes_on: bool = False) -> None:
        """End what earlier incarnations left open of each stream, or continue it in the stream's own state.

        If the incarnation `goes_on`, with other streams than before, only those that joined and left are concerned.
        """
        keys = self._feeds.plans.keys(identity)
        for handover in self._feeds.ownership.hand_over(identity.feed, keys, goes_on=goes_on):
            self._take_over(identity.feed, handover, begun_us)

    def _take_over(self, feed: str, handover: Handover, begun_us: int) -> None:
        key, stream, activity = handover.member
        if stream is not None:
            stream.forget_lines()
            self._rows.touch(stream)
        if handover.refused_since_us is not None:
            self._refusals.cut_off(feed, handover.member, handover.refused_since_us, begun_us)
        if handover.is_dropped:
            until_us = self._feeds.state(handover.previous_feed).links.newest_us
            if stream is None:
                self._silence.close_unspoken(key, activity, until_us)
            else:
                self._silence.drop(stream, until_us)
                self.books.drop(stream, until_us)
        if handover.previous_feed != feed:
            self._rows.close_stretches(self._feeds.state(handover.previous_feed).stretches, begun_us)

    def _count(
        self, feed: str, place: StreamKey, kind: str, cause: str, at_us: int,
        expected_id: str | None = None, actual_id: str | None = None,
    ) -> None:  # fmt: skip
        """Count a message in the row of its stretch, one row for a run of such messages."""
        trouble = GapStretch(place, kind, cause, at_us, at_us, 1, expected_id, actual_id)
        self._feeds.count(feed, trouble)
