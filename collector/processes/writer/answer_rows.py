"""Takes what repair fetched or polled into the batch."""

from collector.domain.errors import UndecodableError
from collector.domain.records import BACKFILLED_LINE
from collector.domain.repair_protocol import RepairAnswer, decode_answer
from collector.exchanges.adapter import Adapter
from collector.processes.writer.backfill import Backfill
from collector.processes.writer.batch import Counts, Origin
from collector.processes.writer.gaps.ledger import GapLedger
from collector.processes.writer.message_intake import MessageIntake
from collector.processes.writer.polled_rows import POLLED_LINE, PolledRows
from collector.processes.writer.receipt import Receipt
from collector.processes.writer.streams import StreamTable


class AnswerRows:
    """Takes one answer after another, in the order of receipt."""

    def __init__(self, streams: StreamTable, ledger: GapLedger, counts: Counts, intake: MessageIntake) -> None:
        self._ledger = ledger
        self._counts = counts
        self._intake = intake
        self._backfill = Backfill(streams, ledger)
        self._polled = PolledRows(streams, ledger.first_message)

    def take(self, receipt: Receipt, adapter: Adapter, offset: int, answer: bytes) -> None:
        """Take what repair fetched."""
        try:
            about, body = decode_answer(answer)
            if about.answer == "poll":
                self._poll(receipt, adapter, offset, about, body)
                return
            for stream, (_, message_id, _, exchange_us, payload, _) in self._backfill.take(adapter, about, body):
                if message_id is not None:
                    self._intake.store(
                        stream, message_id, receipt.received_us, exchange_us, BACKFILLED_LINE, payload, Origin.FETCHED
                    )
                    self._counts.messages += 1
                    if about.answer == "snapshot":
                        self._ledger.books.came(stream, receipt.received_us, message_id)
        except UndecodableError as error:
            self._intake.undecoded(receipt, offset, answer, str(error))

    def _poll(self, receipt: Receipt, adapter: Adapter, offset: int, about: RepairAnswer, body: bytes) -> None:
        received_us = receipt.received_us
        found = self._polled.take(adapter, receipt.identity.feed, about, body, received_us)
        if found is None:
            self._counts.control += 1
            return
        stream, message = found
        if not self._polled.is_new(stream, message.payload):
            self._intake.copy(stream, message.payload, received_us)
            return
        made_id = receipt.made_ids + offset
        self._intake.store(
            stream, made_id, received_us, message.exchange_us, POLLED_LINE, message.payload, Origin.FETCHED
        )
        stream.last_received_us = received_us
        self._counts.messages += 1
