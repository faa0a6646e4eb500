"""What ingest reports of its feed."""

from collections.abc import Iterable
from typing import NamedTuple

from collector.domain.records import StreamKey
from collector.processes.disk_space import Space
from collector.processes.ingest.feed_context import CounterSet
from collector.processes.ingest.first_data import FirstDataWatch
from collector.processes.ingest.journal_gate import JournalGate
from collector.processes.ingest.line_readers import LineReaders
from collector.reports import IngestReport, JournalReport
from collector.storage.journal.writer import JournalWriter


class FeedReport(NamedTuple):
    """Where the numbers are counted."""

    feed: str
    journal: JournalWriter
    gate: JournalGate
    counters: CounterSet
    first_data: FirstDataWatch
    readers: LineReaders

    def numbers(
        self, space: Space, *, journal_removed: bool, symbols_trouble: str, config_number: int, share_number: int,
        unheard: Iterable[StreamKey] = (),
    ) -> IngestReport:  # fmt: skip
        """All of them as they are now."""
        journal, gate, counters = self.journal, self.gate, self.counters
        return IngestReport(
            config_number=config_number,
            feed=self.feed,
            frames=gate.frames,
            bytes=gate.bytes,
            refused=gate.refused,
            refused_bytes=gate.refused_bytes,
            journal_removed=journal_removed,
            control=counters["control"],
            subscriptions_refused=counters["subscriptions_refused"],
            reconnects=counters["reconnects"],
            connect_failures=counters["connect_failures"],
            never_spoke=self.first_data.never_spoke,
            symbols_trouble=symbols_trouble,
            share_number=share_number,
            disconnects=counters.by_label("disconnects"),
            unheard=[(key.symbol, key.data_type) for key in unheard],
            lines=self.readers.states(),
            journal=JournalReport(
                number=journal.number, position=journal.position, files=space.journal_files, bytes=space.journal_bytes
            ),
        )
