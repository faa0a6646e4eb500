"""The writer's report: its counts, how far it is behind, and the newest rows of the gap ledger."""

from collections import Counter, deque
from collections.abc import Mapping
from typing import Final

from collector.domain.clock import Clock
from collector.domain.records import Gap
from collector.processes.writer.frame_processor import FrameProcessor
from collector.processes.writer.latency import Latencies
from collector.processes.writer.segment_rotation import SegmentRotation
from collector.processes.writer.streams import StreamTable
from collector.reports import JournalLag, SegmentsReport, WriterReport
from collector.storage.journal.reader import JournalReader

GAP_REPORTS: Final = 10
"""Number of reports that repeat each ledger row, so that a reader who misses a report misses no row."""


class ReportBuilder:
    """Builds the writer's report. The writer sets the public attributes; they cover this incarnation of the writer."""

    def __init__(
        self,
        clock: Clock,
        streams: StreamTable,
        processor: FrameProcessor,
        rotation: SegmentRotation,
        readers: Mapping[str, JournalReader],
    ) -> None:
        self._clock = clock
        self._streams = streams
        self._processor = processor
        self._rotation = rotation
        self._readers = readers
        self._recent_gap_rows: deque[list[tuple[str, str, Gap]]] = deque(maxlen=GAP_REPORTS)
        self.timings = Latencies()
        self.commit_secs = 0.0
        """Duration of the last commit."""
        self.commit_failures = 0

    def build(self, batch_limit: int) -> WriterReport:
        """The report as of now."""
        counts = self._processor.counts
        now = self._clock.monotonic()
        return WriterReport(
            batch_size=self._processor.batch.count,
            batch_limit=batch_limit,
            commit_secs=self.commit_secs,
            messages=counts.messages,
            stored=counts.stored,
            duplicates=counts.duplicates,
            undecodable=counts.undecodable,
            refused=counts.refused,
            late=counts.late,
            unasked=counts.unasked,
            frame_holes=counts.frame_holes,
            book_checks=list(self._processor.checks.counts.items()),
            gaps=counts.gaps,
            ledger=[(*labels, count) for labels, count in counts.ledger.items()],
            first=self._first(),
            gap_rows=self._gap_rows(),
            commit_failures=self.commit_failures,
            to_receive=self.timings.to_receive(),
            to_durable=self.timings.to_durable(),
            commits=self.timings.commits(),
            clock_offsets_us=self.timings.clock_offsets_us(now),
            streams=[stream.numbers() for stream in self._streams],
            journals=[self._lag(feed, reader) for feed, reader in self._readers.items()],
            segments_removed=self._rotation.removed_lately,
            segments=SegmentsReport(
                open=1, open_bytes=self._rotation.open_bytes(), sealed=self._rotation.sealed_waiting()
            ),
        )

    def _gap_rows(self) -> list[tuple[str, str, Gap]]:
        """The ledger rows of the last GAP_REPORTS reports, oldest first."""
        newest = self._processor.counts.newest_gaps
        self._recent_gap_rows.append(list(newest))
        newest.clear()
        return [row for rows in self._recent_gap_rows for row in rows]

    def _first(self) -> list[tuple[str, int, int]]:
        """How many messages each line of a feed brought first."""
        counts = Counter[tuple[str, int]]()
        for stream in self._streams:
            for line, count in stream.first.items():
                counts[stream.feed, line] += count
        return [(*feed_and_line, count) for feed_and_line, count in counts.items()]

    def _lag(self, feed: str, reader: JournalReader) -> JournalLag:
        lag = reader.lag()
        lag_ns = 0 if lag.since_ns is None else self._clock.now_ns() - lag.since_ns
        return JournalLag(
            feed=feed,
            lag_bytes=lag.bytes,
            lag_secs=max(0, lag_ns) / 1e9,
            unread_files=lag.unread_files,
            files=lag.files,
        )
