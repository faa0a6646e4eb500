"""Writes down what is missing: holes in ids, outages, refused and damaged stretches, frames that could not be read."""

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from collector.domain.gaps import Stretch, event_gap
from collector.domain.outages import Links, Outage
from collector.domain.records import UNKNOWN, Gap, IdRule, StreamKey
from collector.domain.sequence.holes import REFUSED
from collector.exchanges.adapter import Adapter, Subscription
from collector.processes.asking import Asking
from collector.processes.batch import Batch, Counts
from collector.processes.streams import Stream, Streams
from collector.storage.journal_format import FeedIdentity, JournalHeader, Record, RecordKind, event_of
from collector.storage.journal_reader import Damage

SETTLE_US: Final = 250_000
"""How often, in received time, holes are looked at."""


class FeedState(msgspec.Struct):
    """What the writer remembers of a feed; it commits with the rows."""

    links: Links = msgspec.field(default_factory=Links)
    stretches: dict[str, Stretch] = {}
    refusing_since_us: int | None = None
    undecodable_us: int = 0
    """When the newest frame came that could not be read."""


class Ledger:
    """The gaps of every feed. It adds rows to the batch it was last given."""

    def __init__(
        self,
        streams: Streams,
        feeds: dict[str, FeedState],
        adapter_of: Callable[[str], Adapter],
        counts: Counts,
        asking: Asking,
    ) -> None:
        self._streams = streams
        self._asking = asking
        self.feeds = feeds
        self._adapter_of = adapter_of
        self._counts = counts
        self._batch = Batch()
        self._plans: dict[FeedIdentity, list[tuple[StreamKey, ...]]] = {}
        self._watched = {stream.stream_id: stream for stream in streams if stream.memory.unsettled}
        self._settled_us = 0

    def begin(self, batch: Batch) -> None:
        """Add to this batch from now on."""
        self._batch = batch
        self._asking.begin(batch)

    def open_journal(self, header: JournalHeader) -> None:
        """A journal file is read; the first one of another incarnation of ingest ends what the one before left open."""
        if header.writer_id in {"", self._feed(header.identity.feed).links.writer_id}:
            return
        state = self._feed(header.identity.feed)
        if state.links.begin(header.writer_id) and state.refusing_since_us is not None:
            # The ingest that refused was killed before it could say how much.
            self._refused(header.identity, state.refusing_since_us, header.created_ns // 1_000)

    def heard(self, feed: str, received_us: int) -> None:
        """Something of that feed was received."""
        state = self._feed(feed)
        state.links.newest_us = received_us
        if state.stretches:
            self._end_stretches(state, received_us)
        if self._watched and not 0 <= received_us - self._settled_us < SETTLE_US:
            self.settle(received_us)

    def event(self, identity: FeedIdentity, record: Record) -> None:
        """What happened to a connection or to the journal."""
        at_us, info = record.received_ns // 1_000, event_of(record)
        state = self._feed(identity.feed)
        if record.kind is RecordKind.CONNECT:
            outage = state.links.connect(int(info["connection"]), int(info["plan"]), at_us)
            if outage is not None:
                self._outage(identity, outage)
        elif record.kind is RecordKind.DISCONNECT:
            state.links.disconnect(int(info["connection"]), at_us, info["cause"])
        elif record.kind is RecordKind.REFUSING:
            state.refusing_since_us = int(info["started_ns"]) // 1_000
        elif record.kind is RecordKind.RESUMED:
            self._counts.refused += int(info["frames"])
            self._refused(identity, int(info["started_ns"]) // 1_000, at_us)

    def damaged(self, header: JournalHeader, damage: Damage, now_us: int) -> None:
        """A stretch of a journal file is not what was written; nothing in it says when it was received."""
        place = StreamKey(header.identity.exchange, UNKNOWN, UNKNOWN)
        expected_id = f"{header.file_id}:{damage.offset}"
        started_us = header.created_ns // 1_000 or now_us
        self._add(place, event_gap(place, "damaged", "disk", started_us, now_us, expected_id=expected_id))
        self._suspect(self._keys(header.identity), "disk")

    def undecodable(self, identity: FeedIdentity, at_us: int) -> None:
        """A frame could not be read."""
        self._feed(identity.feed).undecodable_us = at_us
        self._trouble(identity.feed, StreamKey(identity.exchange, UNKNOWN, UNKNOWN), "undecodable", "parse", at_us)

    def conflict(self, stream: Stream, at_us: int) -> None:
        """Two messages of one id differ."""
        self._trouble(stream.feed, stream.key, "duplicate_conflict", "exchange", at_us)

    def reset(self, stream: Stream, message_id: int, at_us: int) -> None:
        """The exchange restarted the stream's ids."""
        series = stream.memory.progress.series
        self._add(
            stream.key,
            event_gap(stream.key, "reset", "exchange", at_us, at_us, series=series, actual_id=str(message_id)),
        )
        self._asking.book(stream, stream.memory.progress.floor, at_us)
        self.watch(stream)

    def ahead(self, stream: Stream) -> None:
        """A message left a hole before it."""
        hole = stream.memory.progress.holes[-1]
        if hole.cause == "exchange" and self._feed(stream.feed).undecodable_us >= hole.since_us:
            hole.cause = "parse"
        if hole.cause == REFUSED:
            # No row of its own will ask for the book.
            self._asking.book(stream, hole.next_id, hole.until_us)
        self.watch(stream)

    def watch(self, stream: Stream) -> None:
        """Its holes have changed."""
        self._watched[stream.stream_id] = stream

    def settle(self, now_us: int, *, all_due: bool = False) -> None:
        """Write the rows that are due; for every look at the clock, and at the end with `all_due`."""
        self._settled_us = now_us
        for stream in list(self._watched.values()):
            for finding in stream.memory.settle(now_us, all_due=all_due):
                row = finding.row(stream.key, now_us, chained=stream.rule is IdRule.CHAINED)
                self._add(stream.key, self._asking.gap(stream, finding, row))
                self._batch.touched[stream.stream_id] = stream
            if not stream.memory.unsettled:
                del self._watched[stream.stream_id]

    def _outage(self, identity: FeedIdentity, outage: Outage) -> None:
        """Streams whose ids prove continuity get a row only if ids are missing; all others were silent."""
        plans = self._plans_of(identity)
        keys = plans[outage.plan] if outage.plan < len(plans) else ()
        self._suspect(keys, outage.cause)
        for key in keys:
            stream = self._streams.get(key)
            if stream is not None and not stream.rule.proves_continuity:
                self._add(key, event_gap(key, "silence", outage.cause, outage.since_us, outage.until_us))

    def _refused(self, identity: FeedIdentity, started_us: int, ended_us: int) -> None:
        self._feed(identity.feed).refusing_since_us = None
        keys = self._keys(identity)
        self._suspect(keys, REFUSED)
        for key in keys:
            self._add(key, event_gap(key, "budget", REFUSED, started_us, ended_us))

    def _suspect(self, keys: Iterable[StreamKey], cause: str) -> None:
        for stream in filter(None, map(self._streams.get, keys)):
            stream.memory.suspect(cause)
            self._batch.touched[stream.stream_id] = stream

    def _trouble(self, feed: str, place: StreamKey, kind: str, cause: str, at_us: int) -> None:
        name = f"{kind} {place.symbol} {place.data_type}"
        stretches = self._feed(feed).stretches
        known = stretches.get(name)
        if known is not None and not known.is_over(at_us):
            known.extend(at_us, 1)
            return
        if known is not None:
            self._add(place, known.closing(at_us))
        stretches[name] = Stretch(place, kind, cause, at_us, at_us, 1)
        self._add(place, stretches[name].opening())

    def _end_stretches(self, state: FeedState, now_us: int) -> None:
        for name in [name for name, stretch in state.stretches.items() if stretch.is_over(now_us)]:
            stretch = state.stretches.pop(name)
            self._add(stretch.place, stretch.closing(now_us))

    def _add(self, place: StreamKey, gap: Gap) -> None:
        self._batch.add_gap(place, gap)
        self._counts.gaps += 1
        self._counts.ledger[place.exchange, gap.stream_type, gap.kind, gap.status] += 1
        self._counts.newest_gaps.append((place.exchange, place.symbol, gap))
        stream = self._streams.get(place)
        if stream is not None:
            stream.gaps += 1

    def _feed(self, feed: str) -> FeedState:
        self._batch.feeds.add(feed)
        return self.feeds.setdefault(feed, FeedState())

    def _keys(self, identity: FeedIdentity) -> list[StreamKey]:
        return [key for keys in self._plans_of(identity) for key in keys]

    def _plans_of(self, identity: FeedIdentity) -> list[tuple[StreamKey, ...]]:
        known = self._plans.get(identity)
        if known is None:
            subscription = Subscription(identity.symbols, identity.data_types)
            known = [plan.keys for plan in self._adapter_of(identity.exchange).plan(subscription, "")]
            self._plans[identity] = known
        return known
