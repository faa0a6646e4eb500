"""Takes messages into the batch one by one: gives each its stream, drops copies, and tells the gap ledger of trouble."""

import zlib
from collections.abc import Callable
from typing import NamedTuple

from collector.domain.errors import UndecodableError
from collector.domain.records import UNDECODED, UNKNOWN, Envelope, IdRule, StreamKey
from collector.domain.sequence.stretch import Stretch
from collector.domain.sequence.verdict import Verdict
from collector.domain.times import EARLIEST_US, LONGEST_AHEAD_US, sound_us
from collector.exchanges.adapter import Adapter
from collector.exchanges.together import Outcome
from collector.processes.writer.batch import CommitBatch, Counts, Origin
from collector.processes.writer.book_checks import BookChecks, Checked
from collector.processes.writer.frame_reading import is_control
from collector.processes.writer.gaps.ledger import GapLedger
from collector.processes.writer.late_messages import LateMessages
from collector.processes.writer.receipt import NUMBER_MASK, Receipt
from collector.processes.writer.streams import StreamState, StreamTable
from collector.storage.journal.relayed import feed_of_source, is_source


class UndecodedSample(NamedTuple):
    """The first undecodable frame of a batch, for the log."""

    feed: str
    reason: str
    frame: bytes


def _whole(frame: bytes) -> bytes:
    """What nobody can read is compared whole."""
    return frame


class MessageIntake:
    """Judges and takes one message after another, in the order of receipt."""

    def __init__(self, streams: StreamTable, ledger: GapLedger, counts: Counts, checks: BookChecks) -> None:
        self._checks = checks
        self._streams = streams
        self._ledger = ledger
        self._counts = counts
        self._late = LateMessages(ledger, streams.overlap_secs)
        self._source = ""
        self._ahead_us = 0
        self._take = self._message
        self._beside: dict[tuple[int, int], list[int]] = {}
        """Per connection, the other open connections with the same streams; if there are several sources, per stream, too."""

    def begin(self, batch: CommitBatch, next_row: int) -> None:
        """Take into this batch from now on; its first message gets row `next_row`."""
        self.batch = batch
        self.next_row = next_row
        self.sample: UndecodedSample | None = None

    def begin_chunk(self, feed: str, ahead_us: int) -> None:
        """Take records of that feed or source from now on; of one whose clock is ahead the times are stored as it told them."""
        self._ahead_us = ahead_us
        self._source = feed if is_source(feed) else ""
        self._take = self._of_source if self._source else self._message
        self.connections_changed()

    def is_late(self, stream: StreamState, received_us: int) -> bool:
        """Whether a message of a source comes so late that only what is missing is wanted."""
        return bool(self._source) and self._late.is_late(stream, received_us, self._source)

    def connections_changed(self) -> None:
        """Note that connections may have opened or ended, or that another journal follows."""
        self._beside = {}
        if self._checks.books or self._checks.lost:
            self._checks.keep_only(self._ledger.connections.everywhere())

    def frame(self, receipt: Receipt, adapter: Adapter, offset: int, frame: bytes, found: Outcome) -> None:
        """Take what was found in a frame at that offset of its journal file; of a compressed one, `frame` is its text."""
        if isinstance(found, UndecodableError):
            self.undecoded(receipt, offset, frame, str(found))
            return
        if not found:
            self._count_empty(adapter, frame)
        take = self._checked if adapter.checks else self._take
        for made_id, envelope in enumerate(found, receipt.made_ids + offset):
            take(receipt, adapter, envelope, made_id)

    def _checked(self, receipt: Receipt, adapter: Adapter, envelope: Envelope, made_id: int) -> None:
        """As `_message`, for an exchange that sends checksums of books."""
        check = adapter.checks.get(envelope.stream.data_type)
        checked = Checked.SOUND if check is None else self._checks.checked(check, receipt.connection, envelope)
        self._take(receipt, adapter, envelope, made_id)
        stream = None if checked is Checked.SOUND else self._streams.get(envelope.stream)
        if stream is None:
            return
        if checked is Checked.WRONG:
            self._ledger.checksum_differs(stream, receipt.line, receipt.received_us)
        else:
            self._ledger.not_checked(stream, receipt.received_us, lacks_book=checked is Checked.LACKING)

    def frames_refused(self, incarnation: int) -> None:
        """Note that frames were refused, of whichever connections of that incarnation."""
        self._checks.lose(lambda connection: connection & ~NUMBER_MASK == incarnation)

    def undecoded(self, receipt: Receipt, offset: int, frame: bytes, reason: str) -> None:
        """Take a frame that cannot be decoded, and count it in the ledger."""
        identity, received_us = receipt.identity, receipt.received_us
        key = StreamKey(identity.exchange, UNKNOWN, UNDECODED)
        stream = self._streams.get(key) or self._streams.add(key, feed_of_source(identity.feed), IdRule.NONE)
        is_late = self.is_late(stream, received_us)
        if is_late and self._ledger.is_covered_elsewhere(identity.feed, received_us):
            self._late_copy(stream, frame)
            return
        if not is_late and self._is_echo(stream, receipt, frame, _whole):
            self.copy(stream, frame, received_us)
            return
        self.batch.reasons.append((self.next_row, reason))
        self.store(stream, receipt.made_ids + offset, received_us, None, receipt.line, frame)
        stream.last_received_us = max(received_us, stream.last_message_us) if is_late else received_us
        self._counts.undecodable += 1
        if self.sample is None:
            self.sample = UndecodedSample(identity.feed, reason, frame[:200])
        self._ledger.undecodable(identity, received_us)

    def all_new(self, stream: StreamState, stretch: Stretch, rows: list[int]) -> None:
        """Take messages with these rows that were judged together; `next_row` is the caller's to move on."""
        batch, count, size_bytes = self.batch, len(stretch.ids), sum(map(len, stretch.payloads))
        messages = batch.messages_of(stream)
        messages.rows += rows
        messages.ids += stretch.ids
        messages.received_us += self._told(stretch.received_us) if self._ahead_us else stretch.received_us
        messages.exchange_us += stretch.exchange_us
        messages.lines += [stretch.line] * count
        messages.payloads += stretch.payloads
        stream.last_row, stream.last_id, stream.last_received_us = rows[-1], stretch.ids[-1], stretch.received_us[-1]
        stream.messages += count
        stream.bytes += size_bytes
        batch.count += count
        batch.size_bytes += size_bytes
        self._counts.messages += count

    def _message(self, receipt: Receipt, adapter: Adapter, envelope: Envelope, made_id: int) -> None:
        key, message_id, first_id, exchange_us, payload, is_snapshot = envelope
        _, received_us, line, connection, _ = receipt
        stream = self._streams.get(key)
        if not payload:
            self._witness(stream, envelope, received_us)
            return
        if stream is None:
            stream = self._begin_stream(receipt, adapter, envelope)
        if message_id is None:
            message_id = made_id
            if self._is_repeated(stream, receipt, payload, adapter.content, is_book=is_snapshot):
                self.copy(stream, payload, received_us)
                return
        else:
            sent_us = exchange_us
            # The same as `sound_us`, inlined to save a call per message.
            if sent_us is not None and not EARLIEST_US <= sent_us <= received_us + LONGEST_AHEAD_US:
                sent_us = None
            digest = zlib.crc32(payload)
            if is_snapshot:
                verdict = self._judge_snapshot(stream, receipt, message_id, sent_us, digest)
            else:
                verdict = stream.judge(message_id, first_id, sent_us, received_us, digest, line, connection)
            if verdict is Verdict.COPY:
                self.copy(stream, payload, received_us)
                return
            if verdict is not Verdict.NEW:
                self._note_verdict(verdict, stream, message_id, received_us)
        if stream.is_silent or stream.awaits_book or stream.is_at_border:
            self._note_next(stream, receipt, message_id, adapter.content, payload)
        self.store(stream, message_id, received_us, exchange_us, line, payload)
        stream.last_received_us = received_us
        self._counts.messages += 1

    def _of_source(self, receipt: Receipt, adapter: Adapter, envelope: Envelope, made_id: int) -> None:
        """As `_message`, for a source, which may be read late."""
        stream = self._streams.get(envelope.stream)
        if stream is not None and envelope.payload and self.is_late(stream, receipt.received_us):
            is_missing = self._late.are_missing(stream, receipt, envelope, adapter.content)
            if is_missing is not None:
                self._take_late(stream, receipt, envelope, made_id, is_missing=is_missing)
                return
        self._message(receipt, adapter, envelope, made_id)

    def _note_next(
        self, stream: StreamState, receipt: Receipt, message_id: int, content: Callable[[bytes], bytes], payload: bytes
    ) -> None:
        """Note the first message of a stream that was silent, or one soon after an outage."""
        if stream.is_silent or stream.awaits_book:
            self._ledger.spoke(stream, receipt.received_us)
        if stream.is_at_border:
            self._late.note_next(stream, receipt.received_us, message_id, content(payload))

    def _take_late(
        self, stream: StreamState, receipt: Receipt, envelope: Envelope, made_id: int, *, is_missing: bool
    ) -> None:
        """Store or count a late message. Nothing else of its stream changes, because that is long past."""
        if not is_missing:
            self._late_copy(stream, envelope.payload)
            return
        message_id = made_id if envelope.id is None else envelope.id
        newest_id = stream.last_id
        self.store(
            stream, message_id, receipt.received_us, envelope.exchange_us, receipt.line, envelope.payload, Origin.LATE
        )
        stream.last_id = newest_id
        self._counts.messages += 1
        self._counts.late += 1
        stream.late += 1

    def _late_copy(self, stream: StreamState, payload: bytes) -> None:
        self._counts.duplicates += 1
        stream.duplicates += 1
        stream.duplicate_bytes += len(payload)
        self.batch.touched[stream.stream_id] = stream

    def _judge_snapshot(
        self, stream: StreamState, receipt: Receipt, message_id: int, sent_us: int | None, digest: int
    ) -> Verdict:
        received_us, connection = receipt.received_us, receipt.connection
        alone = self._ledger.connections.is_alone(receipt.identity.feed, connection & NUMBER_MASK, stream)
        verdict = stream.dedup.judge_snapshot(message_id, sent_us, received_us, digest, connection, alone=alone)
        self._ledger.books.came(stream, received_us, message_id)
        return verdict

    def _begin_stream(self, receipt: Receipt, adapter: Adapter, envelope: Envelope) -> StreamState:
        """Add the stream of its first message, and request a book unless that is one."""
        key, message_id, first_id, _, _, is_snapshot = envelope
        source = receipt.identity.feed
        stream = self._streams.add(key, feed_of_source(source), adapter.id_rules[key.data_type])
        self._ledger.first_message(stream, receipt.received_us)
        self._ledger.connections.begin_lines(source, stream, receipt.connection & NUMBER_MASK)
        if message_id is not None and not is_snapshot:
            from_id = message_id if first_id is None else first_id
            self._ledger.books.needed(stream, from_id, receipt.received_us, "restart")
        return stream

    def _witness(self, stream: StreamState | None, envelope: Envelope, received_us: int) -> None:
        """Note that a message exists. What a stream without any message had before is not known, so nothing is missing."""
        if stream is None or envelope.id is None:
            return
        sent_us = sound_us(envelope.exchange_us, received_us)
        if stream.dedup.witness(envelope.id, sent_us, received_us):
            self._ledger.ahead(stream)
            self.batch.touched[stream.stream_id] = stream

    def _count_empty(self, adapter: Adapter, frame: bytes) -> None:
        if is_control(adapter, frame):
            self._counts.control += 1
        else:
            self._counts.unasked += 1

    def copy(self, stream: StreamState, payload: bytes, received_us: int) -> None:
        """Count a copy of a message."""
        self._counts.duplicates += 1
        stream.duplicates += 1
        stream.duplicate_bytes += len(payload)
        stream.last_received_us = received_us
        self.batch.touched[stream.stream_id] = stream

    def _is_repeated(
        self, stream: StreamState, receipt: Receipt, payload: bytes, content: Callable[[bytes], bytes], *, is_book: bool
    ) -> bool:
        """Whether a message without an id is a copy; a whole book is none, because each connection begins with one."""
        if is_book:
            self._ledger.books.came(stream, receipt.received_us, None)
        return not is_book and self._is_echo(stream, receipt, payload, content)

    def _is_echo(
        self, stream: StreamState, receipt: Receipt, payload: bytes, content: Callable[[bytes], bytes]
    ) -> bool:
        """Whether another connection brought the same content; it is only looked at while two may bring the stream."""
        connection = receipt.connection
        place = connection, stream.stream_id if self._source else 0
        beside = self._beside.get(place)
        if beside is None:
            beside = self._ledger.connections.beside(receipt.identity.feed, connection & NUMBER_MASK, stream)
            self._beside[place] = beside
        if not beside and not stream.dedup.progress.echoes:
            return False
        return stream.dedup.is_echo(content(payload), receipt.received_us, connection, beside)

    def store(
        self, stream: StreamState, message_id: int, received_us: int, exchange_us: int | None, line: int, payload: bytes,
        origin: Origin = Origin.LIVE,
    ) -> None:  # fmt: skip
        """Store a message in the batch."""
        batch = self.batch
        messages = batch.messages_of(stream, origin)
        messages.rows.append(self.next_row)
        messages.ids.append(message_id)
        messages.received_us.append(received_us + self._ahead_us)
        messages.exchange_us.append(exchange_us)
        messages.lines.append(line)
        messages.payloads.append(payload)
        stream.last_row, stream.last_id = self.next_row, message_id
        self.next_row += 1
        batch.count += 1
        size_bytes = len(payload)
        batch.size_bytes += size_bytes
        stream.messages += 1
        stream.bytes += size_bytes

    def _told(self, received_us: list[int]) -> list[int]:
        """These times as the edge told them."""
        return [at_us + self._ahead_us for at_us in received_us]

    def _note_verdict(self, verdict: Verdict, stream: StreamState, message_id: int, received_us: int) -> None:
        if verdict is Verdict.CONFLICT:
            self._ledger.conflict(stream, received_us)
        elif verdict is Verdict.RESET:
            self._ledger.reset(stream, message_id, received_us)
        elif verdict is Verdict.BACK:
            self._ledger.stepped_back(stream, message_id, received_us)
        elif verdict is Verdict.AHEAD:
            self._ledger.ahead(stream)
        else:
            self._counts.late += 1
            stream.late += 1
            self._ledger.holes.watch(stream)
