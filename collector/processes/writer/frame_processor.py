"""Turns journal records into what the writer commits: decodes frames, drops copies, and feeds the gap ledger. No I/O."""

from collections.abc import Callable

from collector.domain.errors import DamagedError, UndecodableError
from collector.domain.records import BACKFILLED_LINE, Envelope
from collector.exchanges.adapter import Adapter, Decode, Subscription
from collector.processes.rest_adapters import RepairableFeeds
from collector.processes.writer.batch import CommitBatch, Counts
from collector.processes.writer.gaps.feed_state import FeedState
from collector.processes.writer.gaps.ledger import GapLedger
from collector.processes.writer.message_intake import (
    MessageIntake,
    UndecodedSample,
    incarnation_of,
    receipt_of,
)
from collector.processes.writer.repair_requests import RepairRequests
from collector.processes.writer.streams import StreamTable
from collector.storage.journal.format import FeedIdentity, Frame, JournalHeader, Record, RecordKind, frames_of
from collector.storage.journal.reader import Chunk


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
        self._adapter_of = adapter_of
        self._decoders: dict[FeedIdentity, tuple[Decode, Adapter]] = {}
        self.counts = counts
        requests = RepairRequests(repaired)
        self.ledger = GapLedger(streams, feeds, adapter_of, self.counts, requests)
        self._intake = MessageIntake(streams, self.ledger, requests, self.counts)
        self._incarnation = 0
        self.begin(next_row)

    @property
    def sample(self) -> UndecodedSample | None:
        """The first undecodable frame of the batch."""
        return self._intake.sample

    def begin(self, next_row: int) -> None:
        """Start a new batch, whose first message gets row `next_row`."""
        self.batch = CommitBatch()
        self._intake.begin(self.batch, next_row)
        self.ledger.begin(self.batch)

    def process(self, chunk: Chunk, now_us: int, batch_limit: int, on_progress: Callable[[], None]) -> Chunk | None:
        """Add a chunk's records to the batch until it is full. Returns the rest of the chunk, or None if none is left.

        A batch ends at the end of a record, and is full with `batch_limit` messages or `MAX_BATCH_BYTES`. `now_us` is the
        time given to damage, which has none of its own. `on_progress` is called for each record, because one may hold
        many messages.
        """
        position, header = chunk.position, chunk.header
        self._incarnation = incarnation_of(header)
        self._intake.connections_changed()
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
            self._intake.connections_changed()
            self.ledger.event(header.identity, record)
        self.ledger.record_received(header.identity.feed, record.received_ns // 1_000)

    def _frames(self, header: JournalHeader, record: Record) -> None:
        decode, adapter = self._decoder(header.identity)
        receipt = receipt_of(header, self._incarnation, record)
        try:
            frames = frames_of(record)
        except DamagedError as error:
            self._intake.undecoded(receipt, record.offset, record.payload, UndecodableError(str(error)))
            return
        for frame in frames:
            try:
                if record.line == BACKFILLED_LINE:
                    self._intake.answer(adapter, frame.data, receipt.received_us)
                else:
                    self._intake.frame(receipt, adapter, frame.offset, _read(decode, frame))
            except UndecodableError as error:
                self._intake.undecoded(receipt, frame.offset, frame.data, error)

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
