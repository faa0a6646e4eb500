"""Turns what the journals hold into what the writer commits: rows, undecoded frames, gaps. No I/O but its arguments."""

import zlib
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import msgspec

from collector.domain.copies import Verdict
from collector.domain.errors import DamagedError, UndecodableError
from collector.domain.gaps import Stretch, event_gap
from collector.domain.records import UNDECODED, UNKNOWN, Envelope, Gap, IdRule, StoredMessage, StreamKey
from collector.exchanges.adapter import Adapter, Decode, Subscription
from collector.processes.streams import Stream, Streams
from collector.storage.journal_format import FeedIdentity, Frame, JournalHeader, Record, RecordKind, event_of, frames_of
from collector.storage.journal_reader import Chunk, Damage, Position

_OFFSET_BITS: Final = 36
"""A made id is the journal's number above the message's place in that file (below 64 GiB)."""


class FeedState(msgspec.Struct):
    """What the writer remembers of a feed; it commits with the rows."""

    stretches: dict[str, Stretch] = {}
    refusing_since_us: int | None = None
    refusing_file: str = ""


class Sample(NamedTuple):
    """An undecodable frame, for the log."""

    feed: str
    reason: str
    frame: bytes


class Batch:
    """What the next commit stores."""

    def __init__(self) -> None:
        self.messages: list[StoredMessage] = []
        self.reasons: list[tuple[int, str]] = []
        self.gaps: list[tuple[str, str, Gap]] = []
        self.positions: dict[str, Position] = {}
        self.touched: dict[int, Stream] = {}
        self.feeds: set[str] = set()
        self.size_bytes = 0

    def __bool__(self) -> bool:
        """Whether anything would be stored."""
        return bool(self.positions)


class Counts:
    """Of this incarnation."""

    def __init__(self) -> None:
        self.messages = 0
        self.duplicates = 0
        self.undecodable = 0
        self.control = 0
        self.refused = 0
        self.gaps = 0


class Intake:
    """Judges every frame of every feed, in the order read. The same input always gives the same rows."""

    def __init__(
        self, streams: Streams, feeds: dict[str, FeedState], adapter_of: Callable[[str], Adapter], next_row: int
    ) -> None:
        self._streams = streams
        self.feeds = feeds
        self._adapter_of = adapter_of
        self._decoders: dict[FeedIdentity, tuple[Decode, Adapter]] = {}
        self._next_row = next_row
        self.counts = Counts()
        self.sample: Sample | None = None
        self.batch = Batch()

    def begin(self, next_row: int) -> None:
        """Start a new batch, whose first message gets row `next_row`."""
        self.batch = Batch()
        self.sample = None
        self._next_row = next_row

    def take(self, chunk: Chunk, now_us: int, is_full: Callable[[], bool]) -> Iterator[None]:
        """Add everything a read found to the batch, pausing wherever `is_full` so that it can be committed.

        A batch ends where a record does. `now_us` dates damage, whose own time nothing tells.
        """
        position, header = chunk.position, chunk.header
        for record in chunk.records:
            self._record(header, record)
            if is_full() and record.end < position.offset:
                self.batch.positions[position.file_id] = position._replace(offset=record.end, ended=False)
                yield
        if chunk.damage is not None:
            self._damaged(header, chunk.damage, position.file_id, now_us)
        self.batch.positions[position.file_id] = position
        if is_full():
            yield

    def _damaged(self, header: JournalHeader, damage: Damage, file_id: str, now_us: int) -> None:
        place = StreamKey(header.identity.exchange, UNKNOWN, UNKNOWN)
        started_us = header.created_ns // 1_000 or now_us
        expected_id = f"{file_id}:{damage.offset}"
        self._add_gap(event_gap(place, "damaged", "disk", started_us, now_us, expected_id=expected_id), place)

    def _record(self, header: JournalHeader, record: Record) -> None:
        if record.kind is RecordKind.FRAMES:
            self._frames(header, record)
        elif record.kind is RecordKind.REFUSING:
            state = self._feed(header.identity.feed)
            state.refusing_since_us, state.refusing_file = record.received_ns // 1_000, header.file_id
        elif record.kind is RecordKind.RESUMED:
            info = event_of(record)
            self.counts.refused += int(info["frames"])
            self._refused(header.identity, int(info["started_ns"]) // 1_000, record.received_ns // 1_000)
        elif record.kind is RecordKind.CONNECT:
            state = self._feed(header.identity.feed)
            if state.refusing_since_us is not None and state.refusing_file != header.file_id:
                # The ingest that refused was killed before it could say how much: this line is its successor's.
                self._refused(header.identity, state.refusing_since_us, record.received_ns // 1_000)

    def _frames(self, header: JournalHeader, record: Record) -> None:
        decode, adapter = self._decoder(header.identity)
        received_us = record.received_ns // 1_000
        base = header.number << _OFFSET_BITS
        try:
            frames = frames_of(record)
        except DamagedError as error:
            self._undecoded(header, record.offset, received_us, record.line, record.payload, str(error))
            return
        for frame in frames:
            try:
                envelopes = _read(decode, frame)
            except UndecodableError as error:
                self._undecoded(header, frame.offset, received_us, record.line, frame.data, str(error))
                continue
            if not envelopes:
                self.counts.control += 1
            for index, envelope in enumerate(envelopes):
                self._message(header, adapter, envelope, base + frame.offset + index, received_us, record.line)
        self._end_stretches(header.identity.feed, received_us)

    def _message(
        self, header: JournalHeader, adapter: Adapter, envelope: Envelope, made_id: int, received_us: int, line: int
    ) -> None:
        key, message_id, exchange_us, payload = envelope
        stream = self._streams.get(key)
        if stream is None:
            stream = self._streams.add(key, header.identity.feed, adapter.id_rules[key.data_type])
        if message_id is None:
            message_id = made_id
        else:
            verdict = stream.memory.judge(message_id, exchange_us, received_us, zlib.crc32(payload))
            if verdict is Verdict.COPY:
                self.counts.duplicates += 1
                stream.last_received_us = received_us
                return
            if verdict is not Verdict.NEW:
                self._remark(verdict, stream, message_id, received_us)
        self._store(stream, message_id, received_us, exchange_us, line, payload)

    def _store(
        self, stream: Stream, message_id: int, received_us: int, exchange_us: int | None, line: int, payload: bytes
    ) -> None:
        batch = self.batch
        series = stream.memory.progress.series
        batch.messages.append(
            (self._next_row, stream.stream_id, series, message_id, received_us, exchange_us, line, payload)
        )
        self._next_row += 1
        batch.touched[stream.stream_id] = stream
        batch.size_bytes += len(payload)
        stream.messages += 1
        stream.last_received_us = received_us
        self.counts.messages += 1

    def _remark(self, verdict: Verdict, stream: Stream, message_id: int, received_us: int) -> None:
        place = stream.key
        if verdict is Verdict.CONFLICT:
            self._trouble(stream.feed, place, "duplicate_conflict", "exchange", received_us)
        else:
            gap = event_gap(
                place, "reset", "exchange", received_us, received_us,
                series=stream.memory.progress.series, actual_id=str(message_id),
            )  # fmt: skip
            self._add_gap(gap, place)

    def _undecoded(
        self, header: JournalHeader, offset: int, received_us: int, line: int, frame: bytes, reason: str
    ) -> None:
        exchange, feed = header.identity.exchange, header.identity.feed
        key = StreamKey(exchange, UNKNOWN, UNDECODED)
        stream = self._streams.get(key) or self._streams.add(key, feed, IdRule.NONE)
        self.batch.reasons.append((self._next_row, reason))
        self._store(stream, (header.number << _OFFSET_BITS) + offset, received_us, None, line, frame)
        self.counts.messages -= 1
        self.counts.undecodable += 1
        if self.sample is None:
            self.sample = Sample(feed, reason, frame[:200])
        self._trouble(feed, StreamKey(exchange, UNKNOWN, UNKNOWN), "undecodable", "parse", received_us)

    def _refused(self, identity: FeedIdentity, started_us: int, ended_us: int) -> None:
        state = self._feed(identity.feed)
        state.refusing_since_us, state.refusing_file = None, ""
        for symbol in identity.symbols:
            for data_type in identity.data_types:
                place = StreamKey(identity.exchange, symbol, data_type)
                self._add_gap(event_gap(place, "budget", "disk_budget", started_us, ended_us), place)

    def _trouble(self, feed: str, place: StreamKey, kind: str, cause: str, at_us: int) -> None:
        name = f"{kind} {place.symbol} {place.data_type}"
        stretches = self._feed(feed).stretches
        known = stretches.get(name)
        if known is not None and not known.is_over(at_us):
            known.extend(at_us, 1)
            return
        if known is not None:
            self._add_gap(known.closing(at_us), place)
        stretches[name] = Stretch(place, kind, cause, at_us, at_us, 1)
        self._add_gap(stretches[name].opening(), place)

    def _end_stretches(self, feed: str, now_us: int) -> None:
        state = self.feeds.get(feed)
        if state is None or not state.stretches:
            return
        for name in [name for name, stretch in state.stretches.items() if stretch.is_over(now_us)]:
            stretch = state.stretches.pop(name)
            self.batch.feeds.add(feed)
            self._add_gap(stretch.closing(now_us), stretch.place)

    def _add_gap(self, gap: Gap, place: StreamKey) -> None:
        self.batch.gaps.append((place.exchange, place.symbol, gap))
        self.counts.gaps += 1
        stream = self._streams.get(place)
        if stream is not None:
            stream.gaps += 1

    def _feed(self, feed: str) -> FeedState:
        self.batch.feeds.add(feed)
        return self.feeds.setdefault(feed, FeedState())

    def _decoder(self, identity: FeedIdentity) -> tuple[Decode, Adapter]:
        known = self._decoders.get(identity)
        if known is None:
            adapter = self._adapter_of(identity.exchange)
            # A data type that only another version knows leaves its frames undecoded, for that version to read.
            data_types = tuple(name for name in identity.data_types if name in adapter.id_rules)
            known = adapter.decoder(Subscription(identity.symbols, data_types)), adapter
            self._decoders[identity] = known
        return known


def _read(decode: Decode, frame: Frame) -> list[Envelope]:
    if frame.binary:
        raise UndecodableError("binary frame")
    try:
        return decode(frame.data)
    except UndecodableError:
        raise
    except Exception as error:  # a fault of ours in one message must cost that message its type, never the recording
        raise UndecodableError(f"{type(error).__name__} in the adapter") from error
