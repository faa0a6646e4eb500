"""Writes down what is missing: holes in ids, outages, refused and damaged stretches, frames that could not be read."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from collector.domain.gaps import GapStretch, event_gap
from collector.domain.records import UNKNOWN, Gap, StreamKey
from collector.domain.repair_protocol import is_rest_journal
from collector.domain.sequence.hole import REFUSED
from collector.domain.silence import Outage
from collector.exchanges.adapter import Adapter
from collector.processes.writer.batch import CommitBatch, Counts
from collector.processes.writer.feed_state_version_1 import carry_over
from collector.processes.writer.gaps.feed_state import FeedState
from collector.processes.writer.gaps.hole_rows import HoleRows
from collector.processes.writer.gaps.plans import Plans
from collector.processes.writer.gaps.rows import GapRows
from collector.processes.writer.gaps.silence_watch import SilenceWatch
from collector.processes.writer.gaps.stream_ownership import Member, StreamOwnership, Taken
from collector.processes.writer.repair_requests import RepairRequests
from collector.processes.writer.streams import StreamState, StreamTable
from collector.storage.journal.format import (
    FeedIdentity,
    JournalHeader,
    Record,
    RecordKind,
    connection_in_head,
    event_of,
)
from collector.storage.journal.reader import Damage

LOOK_US: Final = 5_000_000
"""How often, in received time, it is looked whether trouble is over, and who is silent."""

SILENT: Final = "silent"
"""How a connection that shows no sign of life ends."""


class GapLedger:
    """The gaps of every feed. It adds rows to the batch it was last given."""

    def __init__(
        self,
        streams: StreamTable,
        feeds: dict[str, FeedState],
        adapter_of: Callable[[str], Adapter],
        counts: Counts,
        asking: RepairRequests,
    ) -> None:
        self._asking = asking
        self.feeds = feeds
        self._counts = counts
        self._rows = GapRows(streams, counts)
        self.holes = HoleRows(streams, self._rows, asking)
        self._listening = SilenceWatch(self._rows)
        self._streams = streams
        self._plans = Plans(streams, adapter_of)
        self._first_word_us = streams.first_word_secs * 1e6
        self._belonging = StreamOwnership(streams, feeds, self._feed)
        self._identities: dict[str, FeedIdentity] = {}

    def begin(self, batch: CommitBatch) -> None:
        """Add to this batch from now on."""
        self._rows.batch = batch
        self._asking.begin(batch)

    def open_journal(self, header: JournalHeader) -> None:
        """A journal file is read; the first one of another incarnation of ingest ends what the one before left open."""
        identity, state = header.identity, self._feed(header.identity.feed)
        if not header.writer_id:
            state.trail.pass_headless(header.number)
            return
        self._identities[identity.feed] = identity
        is_same = header.writer_id == state.links.writer_id
        missing = state.trail.follow(header.number, same_writer=is_same)
        if missing is not None:
            self._vanished(header, missing)
        for stream in carry_over(state, identity, self._plans, self._belonging, is_same=is_same):
            self._rows.touch(stream)
        if is_same:
            return
        if not is_rest_journal(identity.feed):
            self._hand_over(identity, header.created_ns // 1_000)
        state.links.begin(header.writer_id)
        state.refusing_since_us = None

    def heard(self, feed: str, received_us: int) -> None:
        """Something of that feed was received."""
        state = self._feed(feed)
        state.links.newest_us = received_us
        if not 0 <= received_us - state.looked_us < LOOK_US:
            state.looked_us = received_us
            self._rows.end_stretches(state.stretches, received_us)
            self._look_for_silence(feed, state, received_us)
        self.holes.heard(feed, received_us)

    def event(self, identity: FeedIdentity, record: Record) -> None:
        """What happened to a connection or to the journal."""
        at_us, info = record.received_ns // 1_000, event_of(record)
        state = self._feed(identity.feed)
        if record.kind is RecordKind.CONNECT:
            plan = int(info["plan"])
            state.links.connect(int(info["connection"]), plan, at_us, record.line)
            self._begin_line(identity, plan, record.line)
            self._join(identity, plan, at_us)
            self._line_up(identity, plan, at_us)
        elif record.kind is RecordKind.DISCONNECT:
            self._ended(identity, int(info["connection"]), record.line, at_us, info)
        elif record.kind is RecordKind.REFUSING:
            self._refusing(identity, int(info["started_ns"]) // 1_000)
        elif record.kind is RecordKind.RESUMED:
            self._counts.refused += int(info["frames"])
            self._refused(identity, int(info["started_ns"]) // 1_000, at_us)

    def _ended(self, identity: FeedIdentity, connection: int, line: int, at_us: int, info: Mapping[str, Any]) -> None:
        links = self._feed(identity.feed).links
        plan = links.up.get(connection)
        if plan is None:
            return
        ended = links.disconnect(connection, self._died_us(identity, plan, at_us, info))
        self._begin_line(identity, plan, line)
        for since_us, until_us in ended.unheard:
            for member in self._members(identity, plan):
                self._tell_outage(identity, member, Outage(since_us, until_us, info["cause"]), at_us)
        if ended.stood_since_us is not None:
            self._left(identity, plan, ended.stood_since_us, ended.alive_us, info["cause"])

    def update(self, now_us: int) -> None:
        """Bring the row of whatever lasts up to date; for a seal, with which rows leave for good."""
        self.holes.update(now_us)
        for feed in list(self.feeds):
            self._rows.update_stretches(self._feed(feed).stretches, now_us)

    def close(self, now_us: int) -> None:
        """End the row of whatever lasts but silences; for a stop, once everything has been read.

        What then goes on is told anew; a stream that is silent stays so until it speaks.
        """
        self.holes.settle(now_us, all_due=True)
        self.holes.update(now_us)
        for feed in list(self.feeds):
            self._tell_refused(feed, now_us)
            self._rows.close_rows(self._feed(feed).stretches, now_us)

    def beside(self, feed: str, in_head: int) -> list[int]:
        """The connections that now bring the same as the one of which a record's head says this."""
        links = self._feed(feed).links
        number = next((number for number in links.up if connection_in_head(number) == in_head), 0)
        return links.beside(number) if number else []

    def damaged(self, header: JournalHeader, damage: Damage, now_us: int) -> None:
        """A stretch of a journal file is not what was written; nothing in it says when it was received."""
        state = self._feed(header.identity.feed)
        if not header.writer_id:
            state.trail.newest = header.number
        started_us = header.created_ns // 1_000 or state.links.newest_us or now_us
        self._damaged(header, f"{header.file_id}:{damage.offset}", min(started_us, now_us), now_us)

    def _vanished(self, header: JournalHeader, first_missing: int) -> None:
        """Files that ingest wrote before this one are gone, and nobody has read them."""
        until_us = header.created_ns // 1_000
        since_us = min(self._feed(header.identity.feed).links.newest_us or until_us, until_us)
        self._damaged(header, f"{header.identity.feed}/{first_missing}", since_us, until_us)

    def _damaged(self, header: JournalHeader, expected_id: str, since_us: int, until_us: int) -> None:
        identity = header.identity
        streams = self._plans.streams(identity) if header.writer_id else self._plans.recorded(identity.feed)
        exchange = identity.exchange if identity.exchange != UNKNOWN or not streams else streams[0].key.exchange
        place = StreamKey(exchange, UNKNOWN, UNKNOWN)
        gap = event_gap(place, "damaged", "disk", since_us, until_us, expected_id=expected_id)
        self._add_gap(identity.feed, place, gap, until_us)
        for stream in streams:
            stream.memory.suspect("disk")
            self._rows.touch(stream)

    def undecodable(self, identity: FeedIdentity, at_us: int) -> None:
        """A frame could not be read."""
        self._feed(identity.feed).undecodable_us = at_us
        self._trouble(identity.feed, StreamKey(identity.exchange, UNKNOWN, UNKNOWN), "undecodable", "parse", at_us)

    def conflict(self, stream: StreamState, at_us: int) -> None:
        """Two messages of one id differ."""
        self._trouble(stream.feed, stream.key, "duplicate_conflict", "exchange", at_us)

    def reset(self, stream: StreamState, message_id: int, at_us: int) -> None:
        """The exchange restarted the stream's ids."""
        series = stream.memory.progress.series
        gap = event_gap(stream.key, "reset", "exchange", at_us, at_us, series=series, actual_id=str(message_id))
        self._add_gap(stream.feed, stream.key, gap, at_us)
        self._asking.book(stream, stream.memory.progress.floor, at_us)
        self.holes.watch(stream)

    def stepped_back(self, stream: StreamState, message_id: int, at_us: int) -> None:
        """An id that should only rise is lower than the one before it on its line."""
        expected_id, actual_id = str(stream.memory.stepped_back_from), str(message_id)
        self._trouble(stream.feed, stream.key, "out_of_order", "exchange", at_us, expected_id, actual_id)

    def ahead(self, stream: StreamState) -> None:
        """A message left a hole before it."""
        hole = stream.memory.progress.holes[-1]
        if hole.cause == "exchange" and self._feed(stream.feed).undecodable_us >= hole.since_us:
            hole.cause = "parse"
        self.holes.watch(stream)

    def began(self, stream: StreamState, at_us: int) -> None:
        """A stream has spoken for the first time."""
        hearing = self._belonging.began(stream)
        if hearing is not None:
            self._listening.await_no_more(stream.key, hearing, at_us)

    def spoke(self, stream: StreamState, at_us: int) -> None:
        """A stream that was silent has spoken."""
        self._listening.spoke(stream, at_us)

    def _look_for_silence(self, feed: str, state: FeedState, now_us: int) -> None:
        identity = self._identities[feed]
        for plan, since_us in state.links.since.items():
            self._listening.look(self._plans.streams_of(identity, plan), since_us, now_us)
            if state.unspoken:
                keys = self._plans.keys_of(identity, plan)
                unspoken = {key: state.unspoken[key] for key in keys if key in state.unspoken}
                self._listening.await_first(unspoken, self._first_word_us, since_us, now_us)

    def _died_us(self, identity: FeedIdentity, plan: int, at_us: int, info: Mapping[str, Any]) -> int:
        """Since when what the connection should have brought may be lost: its last sign of life, unless it was closed in
        order. Version 1 of ingest knew only data as one, and only of a connection that fell silent.
        """
        alive_ns = info.get("alive_ns")
        if alive_ns is not None:
            return min(int(alive_ns) // 1_000, at_us)
        if info.get("reason") != SILENT:
            return at_us
        heard_us = (stream.heard_us for stream in self._plans.streams_of(identity, plan))
        return min(max(heard_us, default=at_us), at_us)

    def _hand_over(self, identity: FeedIdentity, begun_us: int) -> None:
        """What the incarnations before left open of each stream ends here, or goes on in the stream's own state."""
        for taken in self._belonging.hand_over(identity.feed, self._plans.keys(identity)):
            self._take_over(identity.feed, taken, begun_us)

    def _take_over(self, feed: str, taken: Taken, begun_us: int) -> None:
        key, stream, hearing = taken.member
        if stream is not None:
            self._rows.touch(stream)
        if taken.refused_since_us is not None:
            # The ingest that refused was killed before it could say how much.
            self._mark_suspect(taken.member, REFUSED)
            gap = event_gap(key, "budget", REFUSED, taken.refused_since_us, begun_us)
            self._add_gap(feed, key, gap, begun_us)
        if taken.is_left_out:
            until_us = self._feed(taken.before).links.newest_us
            if stream is None:
                self._listening.await_no_more(key, hearing, until_us)
            else:
                self._listening.leave(stream, until_us)
        if taken.before != feed:
            self._rows.close_stretches(self._feed(taken.before).stretches, begun_us)

    def _line_up(self, identity: FeedIdentity, plan: int, at_us: int) -> None:
        """Streams whose ids prove continuity get a row only if ids are missing; all others were silent."""
        for member in self._members(identity, plan):
            outage = member.hearing.come_back(at_us)
            if outage is None:
                continue
            self._mark_suspect(member, outage.cause)
            self._tell_outage(identity, member, outage, outage.until_us)

    def _tell_outage(self, identity: FeedIdentity, member: Member, outage: Outage, at_us: int) -> None:
        key, stream, hearing = member
        # Of a stream that never spoke there is no id that could prove anything.
        is_proven = stream is not None and stream.rule.proves_continuity
        if not is_proven and hearing.silent_since_us is None:
            gap = event_gap(key, "silence", outage.cause, outage.since_us, outage.until_us)
            self._add_gap(identity.feed, key, gap, at_us)

    def _left(self, identity: FeedIdentity, plan: int, stood_since_us: int, at_us: int, cause: str) -> None:
        """No connection carries the plan's streams any more."""
        for _, stream, hearing in self._members(identity, plan):
            hearing.pause(stood_since_us, at_us)
            hearing.leave(at_us, cause)
            if stream is not None:
                self._rows.touch(stream)

    def _members(self, identity: FeedIdentity, plan: int) -> Iterable[Member]:
        return self._belonging.members(identity.feed, self._plans.keys_of(identity, plan))

    def _refusing(self, identity: FeedIdentity, since_us: int) -> None:
        for _, stream, hearing in self._belonging.members(identity.feed, self._plans.keys(identity)):
            hearing.refused_since_us = since_us
            if stream is not None:
                self._rows.touch(stream)

    def _refused(self, identity: FeedIdentity, started_us: int, ended_us: int) -> None:
        for member in self._belonging.members(identity.feed, self._plans.keys(identity)):
            member.hearing.refused_since_us = None
            self._mark_suspect(member, REFUSED)
            gap = event_gap(member.key, "budget", REFUSED, started_us, ended_us)
            self._add_gap(identity.feed, member.key, gap, ended_us)

    def _tell_refused(self, feed: str, now_us: int) -> None:
        """The feed's ingest is gone and did not say how much it refused; the next one begins where this ends."""
        spoken = [(stream.key, stream.hearing) for stream in self._streams if stream.feed == feed]
        for key, hearing in [*spoken, *self._feed(feed).unspoken.items()]:
            if hearing.refused_since_us is not None:
                gap = event_gap(key, "budget", REFUSED, hearing.refused_since_us, now_us)
                self._add_gap(feed, key, gap, now_us)

    def _mark_suspect(self, member: Member, cause: str) -> None:
        if member.stream is not None:
            member.stream.memory.suspect(cause)
            self._rows.touch(member.stream)

    def _join(self, identity: FeedIdentity, plan: int, at_us: int) -> None:
        for stream in self._plans.streams_of(identity, plan):
            stream.memory.join(at_us)
            self._rows.touch(stream)

    def _begin_line(self, identity: FeedIdentity, plan: int, line: int) -> None:
        alone = self._feed(identity.feed).links.is_alone(plan, line)
        for stream in self._plans.streams_of(identity, plan):
            if stream.memory.begin_line(line, alone=alone):
                self._rows.touch(stream)

    def _trouble(
        self, feed: str, place: StreamKey, kind: str, cause: str, at_us: int,
        expected_id: str | None = None, actual_id: str | None = None,
    ) -> None:  # fmt: skip
        trouble = GapStretch(place, kind, cause, at_us, at_us, 1, expected_id, actual_id)
        self._rows.count(self._feed(feed).stretches, trouble)

    def _add_gap(self, feed: str, place: StreamKey, gap: Gap, at_us: int) -> None:
        self._rows.one_more(self._feed(feed).stretches, place, gap, at_us)

    def _feed(self, feed: str) -> FeedState:
        self._rows.batch.feeds.add(feed)
        return self.feeds.setdefault(feed, FeedState())
