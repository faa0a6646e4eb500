"""Turns journal records into what the writer commits: decodes frames, drops copies, and feeds the gap ledger. No I/O."""

from collections.abc import Callable
from typing import Final

from collector.domain.errors import DamagedError, UndecodableError
from collector.domain.records import BACKFILLED_LINE
from collector.exchanges.adapter import Adapter
from collector.exchanges.together import decode_together, outcome
from collector.processes.rest_adapters import RepairableFeeds
from collector.processes.writer.answer_rows import AnswerRows
from collector.processes.writer.batch import CommitBatch, Counts
from collector.processes.writer.book_checks import BookChecks
from collector.processes.writer.decoders import Decoders
from collector.processes.writer.frame_reading import read_compressed, ticket_of
from collector.processes.writer.gaps.feed_state import FeedState
from collector.processes.writer.gaps.ledger import GapLedger
from collector.processes.writer.message_intake import MessageIntake, UndecodedSample
from collector.processes.writer.receipt import Receipt, incarnation_of, receipt_of
from collector.processes.writer.repair_requests import RepairRequests
from collector.processes.writer.run_intake import RunIntake
from collector.processes.writer.runs import Bounds, Run, run_from
from collector.processes.writer.streams import StreamTable
from collector.storage.journal.format import FeedIdentity, JournalHeader, Record, RecordKind, frames_of
from collector.storage.journal.journal_file import Chunk

MIN_TOGETHER: Final = 4
"""Fewer frames take less time one by one."""

MIN_ALIKE_SHARE: Final = 0.1
"""Where fewer frames of a run are decoded together, the attempt takes more time than it saves."""

APART_TIMES: Final = 16
"""So many times as many bytes are then taken one by one before the next attempt."""


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
        *,
        together: bool = True,
        verify_checksums: bool = True,
    ) -> None:
        """`counts` are the counts of this run so far. Without `together` each message is decoded and judged by itself, which
        gives the same, but takes longer.
        """
        self.checks = BookChecks(enabled=verify_checksums)
        self._together = together
        self.counts = counts
        requests = RepairRequests(repaired)
        self.ledger = GapLedger(streams, feeds, adapter_of, self.counts, requests)
        self._decoders = Decoders(adapter_of, self.ledger.connections.memory_of)
        self._intake = MessageIntake(streams, self.ledger, self.counts, self.checks)
        self._answers = AnswerRows(streams, self.ledger, self.counts, self._intake)
        self._runs = RunIntake(streams, self._intake, self._record_received)
        self._number = 0
        self._incarnation = 0
        self._apart: dict[str, int] = {}
        """Bytes of a feed still to be taken one by one, because its last run had few frames of any one stream."""
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
        time given to damage, which has none of its own. `on_progress` is called for each record, or for each
        stream of records that are processed together, because they may hold many messages.
        """
        header = chunk.header
        self._number = chunk.position.number
        self._incarnation = incarnation_of(header.writer_id)
        self._intake.begin_chunk(header.identity.feed, chunk.ahead_us)
        self.ledger.open_journal(header, chunk.others)
        if chunk.source is not None:
            self.ledger.clock_is_ahead(header.identity.feed, chunk.ahead_us)
        if chunk.source is not None and chunk.source.lost:
            until_us = chunk.records[0].received_ns // 1_000 if chunk.records else now_us
            self.ledger.lost(header, f"{header.file_id}:{chunk.source.start}", until_us)
        if chunk.source is not None and header.writer_id:
            self.ledger.go_on(header.identity.feed, chunk.records)
        try:
            return self._take(chunk, now_us, batch_limit, on_progress)
        finally:
            self._decoders.note_heard()

    def _take(self, chunk: Chunk, now_us: int, batch_limit: int, on_progress: Callable[[], None]) -> Chunk | None:
        position, header = chunk.position, chunk.header
        done = 0
        while done < len(chunk.records):
            on_progress()
            done += self._next(header, chunk.records, done, batch_limit, on_progress)
            last = chunk.records[done - 1]
            self.ledger.read_until(header, last.received_ns // 1_000)
            end = last.end
            if end < position.offset and self.batch.is_full(batch_limit):
                self.batch.positions[position.file_id] = position._replace(offset=end, ended=False)
                return chunk._replace(records=chunk.records[done:])
        if chunk.damage is not None:
            self.ledger.damaged(header, chunk.damage, now_us)
        if chunk.is_last:
            self._intake.connections_changed()
            self.ledger.incarnation_ended(header)
        self.batch.positions[position.file_id] = position
        return None

    def _next(
        self,
        header: JournalHeader,
        records: list[Record],
        start: int,
        batch_limit: int,
        on_progress: Callable[[], None],
    ) -> int:
        """Process a run of records, or one. Returns how many."""
        identity = header.identity
        apart = self._apart.get(identity.feed, 0)
        if apart > 0:
            self._apart[identity.feed] = apart - len(records[start].payload)
        elif self._together:
            bounds = Bounds(*self.batch.room(batch_limit), *self.ledger.quiet_us(identity.feed))
            by_connection = self._decoders.of_feed(identity).is_by_connection
            run = run_from(records, start, bounds, by_connection=by_connection)
            if len(run.frames) >= MIN_TOGETHER and self._follows(identity, run):
                self._run(header, run, on_progress)
                return len(run.records)
        self._record(header, records[start])
        return 1

    def _follows(self, identity: FeedIdentity, run: Run) -> bool:
        """Whether no frame is missing before or in a run, as far as frames have numbers; if not, it is taken one by one."""
        adapter = self._decoders.of_feed(identity).adapter
        # A record may be empty: the last frame came with the last one that is not.
        last = next(record for record, count in zip(run.records[::-1], run.counts()[::-1], strict=True) if count)
        if not adapter.has_tickets or not last.connection:
            return True
        tickets = [ticket_of(adapter, frame) for frame in run.frames]
        if self.ledger.tickets.follow_all(identity, last.connection, tickets, last.received_ns // 1_000):
            return True
        self._apart[identity.feed] = sum(len(record.payload) for record in run.records[1:])
        return False

    def _run(self, header: JournalHeader, run: Run, on_progress: Callable[[], None]) -> None:
        adapter = self._decoders.of_feed(header.identity).adapter
        decode = self._decoders.of_connection(header.identity, run.records[0].connection)
        receipts = [receipt_of(header, self._number, self._incarnation, record) for record in run.records]
        decoded = decode_together(decode, run.frames)
        if sum(len(column.ids) for column in decoded.columns) < len(run.frames) * MIN_ALIKE_SHARE:
            self._apart[header.identity.feed] = APART_TIMES * sum(len(record.payload) for record in run.records)
        self._runs.take(run, receipts, decoded, adapter, on_progress)
        self._record_received(receipts[-1])

    def _record_received(self, receipt: Receipt) -> None:
        self.ledger.record_received(receipt.identity.feed, receipt.received_us)

    def _record(self, header: JournalHeader, record: Record) -> None:
        if record.kind is RecordKind.FRAMES:
            self._frames(header, record)
        else:
            self._intake.connections_changed()
            self.ledger.event(header.identity, record, header.incarnation)
            if record.kind is RecordKind.RESUMED:
                self._intake.frames_refused(self._incarnation)
        self.ledger.record_received(header.identity.feed, record.received_ns // 1_000)

    def _frames(self, header: JournalHeader, record: Record) -> None:
        adapter = self._decoders.of_feed(header.identity).adapter
        receipt = receipt_of(header, self._number, self._incarnation, record)
        try:
            frames = frames_of(record)
        except DamagedError as error:
            self._intake.undecoded(receipt, record.offset, record.payload, str(error))
            return
        if record.line == BACKFILLED_LINE:
            for frame in frames:
                self._answers.take(receipt, adapter, frame.offset, frame.data)
            return
        decode = self._decoders.of_connection(header.identity, record.connection)
        is_numbered = adapter.has_tickets and record.connection > 0
        for frame in frames:
            if frame.binary:
                text, found = read_compressed(adapter, decode, frame.data)
            else:
                text, found = frame.data, outcome(decode, frame.data)
            if is_numbered:
                ticket = ticket_of(adapter, text)
                self.ledger.tickets.follow(header.identity, record.connection, record.line, ticket, receipt.received_us)
                if ticket is None and not isinstance(found, UndecodableError) and found:
                    keys = {message.stream for message in found}
                    self.ledger.tickets.not_numbered(header.identity, record.connection, keys, receipt.received_us)
            if frame.binary and isinstance(found, UndecodableError):
                text = frame.data
            self._intake.frame(receipt, adapter, frame.offset, text, found)
