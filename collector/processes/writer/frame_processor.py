"""Turns journal records into what the writer commits: decodes frames, drops copies, and feeds the gap ledger. No I/O."""

import zlib
from collections.abc import Callable
from typing import Final, NamedTuple

from collector.domain.errors import DamagedError, UndecodableError
from collector.domain.records import BACKFILLED_LINE, UNDECODED, UNKNOWN, Envelope, IdRule, StreamKey
from collector.domain.sequence.dedup import Verdict
from collector.domain.times import EARLIEST_US, LONGEST_AHEAD_US
from collector.exchanges.adapter import Adapter, Decode, Subscription
from collector.processes.rest_adapters import RepairableFeeds
from collector.processes.writer.backfill import Backfill
from collector.processes.writer.batch import CommitBatch, Counts
from collector.processes.writer.gaps.feed_state import FeedState
from collector.processes.writer.gaps.ledger import GapLedger
from collector.processes.writer.repair_requests import RepairRequests
from collector.processes.writer.streams import StreamState, StreamTable
from collector.storage.journal.format import (
    FeedIdentity,
    Frame,
    JournalHeader,
    Record,
    RecordKind,
    connection_in_head,
    frames_of,
)
from collector.storage.journal.reader import Chunk

_OFFSET_BITS: Final = 36
"""A message without an id gets one: the journal's number in the upper bits, its offset in the file (below 64 GiB) below."""

_CONNECTION_BITS: Final = 17
"""A connection is identified by its incarnation of ingest in the upper bits and its number below; an older journal does
not name the connection, so its line is used instead of the number."""

_NUMBER_MASK: Final = (1 << _CONNECTION_BITS) - 1
_UNNUMBERED: Final = 1 << 16

_PLAIN: Final = frozenset({Verdict.NEW, Verdict.COPY})


class UndecodedSample(NamedTuple):
    """The first undecodable frame of a batch, for the log."""

    feed: str
    reason: str
    frame: bytes


class FrameProcessor:
    """Processes every frame of every feed, in the order read. The same input always gives the same rows."""

    def __init__(
        self,
        streams: StreamTable,
        feeds: dict[str, FeedState],
        adapter_of: Callable[[str], Adapter],
        repaired: RepairableFeeds,
        next_row: int,
        counts: Counts,
    ) -> None:
        """`counts` are the counts of this run so far."""
        self._streams = streams
        self._adapter_of = adapter_of
        self._decoders: dict[FeedIdentity, tuple[Decode, Adapter]] = {}
        self.counts = counts
        self._requests = RepairRequests(repaired)
        self.ledger = GapLedger(streams, feeds, adapter_of, self.counts, self._requests)
        self._backfill = Backfill(streams, self.ledger)
        self._incarnation = 0
        self._beside: dict[int, list[int]] = {}
        """Per connection, the other open connections with the same streams."""
        self.begin(next_row)

    def begin(self, next_row: int) -> None:
        """Start a new batch, whose first message gets row `next_row`."""
        self.batch = CommitBatch()
        self.sample: UndecodedSample | None = None
        self._next_row = next_row
        self.ledger.begin(self.batch)

    def process(self, chunk: Chunk, now_us: int, batch_limit: int, on_progress: Callable[[], None]) -> Chunk | None:
        """Add a chunk's records to the batch until it is full. Returns the rest of the chunk, or None if none is left.

        A batch ends at the end of a record, and is full with `batch_limit` messages or `MAX_BATCH_BYTES`. `now_us` is the
        time given to damage, which has none of its own. `on_progress` is called for each record, because one may hold
        many messages.
        """
        position, header = chunk.position, chunk.header
        self._incarnation, self._beside = zlib.crc32(header.writer_id.encode()) << _CONNECTION_BITS, {}
        self.ledger.open_journal(header)
        for number, record in enumerate(chunk.records, 1):
            on_progress()
            self._record(header, record)
            if record.end < position.offset and self.batch.is_full(batch_limit):
                self.batch.positions[position.file_id] = position._replace(offset=record.end, ended=False)
                return chunk._replace(records=chunk.records[number:])
        if chunk.damage is not None:
            self.ledger.damaged(header, chunk.damage, now_us)
        self.batch.positions[position.file_id] = position
        return None

    def _record(self, header: JournalHeader, record: Record) -> None:
        if record.kind is RecordKind.FRAMES:
            self._frames(header, record)
        else:
            self._beside = {}
            self.ledger.event(header.identity, record)
        self.ledger.record_received(header.identity.feed, record.received_ns // 1_000)

    def _frames(self, header: JournalHeader, record: Record) -> None:
        decode, adapter = self._decoder(header.identity)
        received_us = record.received_ns // 1_000
        base = header.number << _OFFSET_BITS
        connection = self._incarnation | (record.connection or _UNNUMBERED + record.line)
        try:
            frames = frames_of(record)
        except DamagedError as error:
            self._undecoded(header, record.offset, received_us, record.line, record.payload, str(error), connection)
            return
        for frame in frames:
            try:
                if record.line == BACKFILLED_LINE:
                    self._answer(adapter, frame, received_us)
                    continue
                envelopes = _read(decode, frame)
            except UndecodableError as error:
                self._undecoded(header, frame.offset, received_us, record.line, frame.data, str(error), connection)
                continue
            if not envelopes:
                self.counts.control += 1
            for index, envelope in enumerate(envelopes):
                self._message(
                    header, adapter, envelope, base + frame.offset + index, received_us, record.line, connection
                )

    def _answer(self, adapter: Adapter, frame: Frame, received_us: int) -> None:
        for stream, (_, message_id, _, exchange_us, payload) in self._backfill.take(adapter, frame.data):
            if message_id is not None:
                self._store(stream, message_id, received_us, exchange_us, BACKFILLED_LINE, payload)
                self.counts.messages += 1

    def _message(
        self, header: JournalHeader, adapter: Adapter, envelope: Envelope, made_id: int, received_us: int, line: int,
        connection: int,
    ) -> None:  # fmt: skip
        key, message_id, first_id, exchange_us, payload = envelope
        stream = self._streams.get(key)
        if stream is None:
            stream = self._streams.add(key, header.identity.feed, adapter.id_rules[key.data_type])
            self.ledger.first_message(stream, received_us)
            if message_id is not None:
                self._requests.request_book(stream, message_id if first_id is None else first_id, received_us)
        if message_id is None:
            message_id = made_id
            if self._is_echo(stream, header.identity.feed, payload, received_us, connection):
                self._copy(stream, payload, received_us)
                return
        else:
            sent_us = exchange_us
            # The same as `sound_us`, inlined to save a call per message.
            if sent_us is not None and not EARLIEST_US <= sent_us <= received_us + LONGEST_AHEAD_US:
                sent_us = None
            digest = zlib.crc32(payload)
            verdict = stream.dedup.judge(message_id, first_id, sent_us, received_us, digest, line, connection)
            if verdict not in _PLAIN:
                self._note_verdict(verdict, stream, message_id, received_us)
            elif verdict is Verdict.COPY:
                self._copy(stream, payload, received_us)
                return
        if stream.is_silent:
            self.ledger.end_silence(stream, received_us)
        self._store(stream, message_id, received_us, exchange_us, line, payload)
        stream.last_received_us = received_us
        self.counts.messages += 1

    def _copy(self, stream: StreamState, payload: bytes, received_us: int) -> None:
        self.counts.duplicates += 1
        stream.duplicates += 1
        stream.duplicate_bytes += len(payload)
        stream.last_received_us = received_us
        self.batch.touched[stream.stream_id] = stream

    def _is_echo(self, stream: StreamState, feed: str, payload: bytes, received_us: int, connection: int) -> bool:
        beside = self._beside.get(connection)
        if beside is None:
            numbers = self.ledger.beside(feed, connection & _NUMBER_MASK)
            beside = self._beside[connection] = [self._incarnation | connection_in_head(number) for number in numbers]
        return stream.dedup.is_echo(payload, received_us, connection, beside)

    def _store(
        self, stream: StreamState, message_id: int, received_us: int, exchange_us: int | None, line: int, payload: bytes
    ) -> None:
        batch = self.batch
        messages = batch.messages_of(stream, backfilled=line == BACKFILLED_LINE)
        messages.rows.append(self._next_row)
        messages.ids.append(message_id)
        messages.received_us.append(received_us)
        messages.exchange_us.append(exchange_us)
        messages.lines.append(line)
        messages.payloads.append(payload)
        stream.last_row, stream.last_id = self._next_row, message_id
        self._next_row += 1
        batch.count += 1
        size_bytes = len(payload)
        batch.size_bytes += size_bytes
        stream.messages += 1
        stream.bytes += size_bytes

    def _note_verdict(self, verdict: Verdict, stream: StreamState, message_id: int, received_us: int) -> None:
        if verdict is Verdict.CONFLICT:
            self.ledger.conflict(stream, received_us)
        elif verdict is Verdict.RESET:
            self.ledger.reset(stream, message_id, received_us)
        elif verdict is Verdict.BACK:
            self.ledger.stepped_back(stream, message_id, received_us)
        elif verdict is Verdict.AHEAD:
            self.ledger.ahead(stream)
        else:
            self.counts.late += 1
            stream.late += 1
            self.ledger.holes.watch(stream)

    def _undecoded(
        self,
        header: JournalHeader,
        offset: int,
        received_us: int,
        line: int,
        frame: bytes,
        reason: str,
        connection: int,
    ) -> None:
        identity = header.identity
        key = StreamKey(identity.exchange, UNKNOWN, UNDECODED)
        stream = self._streams.get(key) or self._streams.add(key, identity.feed, IdRule.NONE)
        if self._is_echo(stream, identity.feed, frame, received_us, connection):
            self._copy(stream, frame, received_us)
            return
        self.batch.reasons.append((self._next_row, reason))
        self._store(stream, (header.number << _OFFSET_BITS) + offset, received_us, None, line, frame)
        stream.last_received_us = received_us
        self.counts.undecodable += 1
        if self.sample is None:
            self.sample = UndecodedSample(identity.feed, reason, frame[:200])
        self.ledger.undecodable(identity, received_us)

    def _decoder(self, identity: FeedIdentity) -> tuple[Decode, Adapter]:
        known = self._decoders.get(identity)
        if known is None:
            adapter = self._adapter_of(identity.exchange)
            known = adapter.decoder(Subscription(identity.symbols, identity.data_types)), adapter
            self._decoders[identity] = known
        return known


def _read(decode: Decode, frame: Frame) -> list[Envelope]:
    if frame.binary:
        raise UndecodableError("binary frame")
    try:
        return decode(frame.data)
    except UndecodableError:
        raise
    except Exception as error:  # a bug in an adapter must not stop the recording: the frame is stored undecoded
        raise UndecodableError(f"{type(error).__name__} in the adapter") from error
