"""The writer process: one thread, one loop, from the journals into one SQLite transaction per batch.

The way of a frame: `reading_order` chooses the journal it is read from, `frame_processor` decodes it, `dedup` judges its
messages, `batch` collects them, `commit` and `segment_rotation` store them in the open segment.

Errors: a frame that cannot be decoded becomes an undecoded row. A commit that fails is rolled back and retried, and
nothing is read meanwhile. A segment that somebody reads is sealed later. Data of a newer version stops the writer.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from collector.channel.channel import SPACING_SECS
from collector.domain.clock import Every
from collector.domain.counts import RunCounts
from collector.exchanges.adapter import Adapter
from collector.exchanges.registry import adapter
from collector.processes.context import Context
from collector.processes.disk_space import free_bytes, is_too_full_to_write, wait_for_room
from collector.processes.line_overlap import overlap_secs
from collector.processes.rest_adapters import RepairableFeeds, feeds_of_streams, repairable_adapters
from collector.processes.writer.batch import Counts
from collector.processes.writer.batching import next_batch_limit
from collector.processes.writer.commit import Committer
from collector.processes.writer.early_seal import EarlySeal
from collector.processes.writer.frame_processor import FrameProcessor
from collector.processes.writer.journal_readers import open_readers
from collector.processes.writer.left_books import LeftBooks
from collector.processes.writer.reading_order import ReadingOrder
from collector.processes.writer.report import ReportBuilder
from collector.processes.writer.segment_rotation import SegmentRotation
from collector.processes.writer.state_trial import try_on_copy
from collector.processes.writer.stored_state import decode_counts, decode_feed, encode_feed
from collector.processes.writer.streams import StreamTable
from collector.reports import WriterReport
from collector.storage.journal.journal_file import Chunk
from collector.storage.request_files import BOOKS_SUFFIX, RequestFolder, request_folder

POLL_SECS: Final = 1.0
"""Seconds between checks of the journals while no notice comes."""

REPORT_SECS: Final = 1.0


def main(context: Context) -> None:
    """Run the writer process until it is told to stop. Raises StopError."""
    # On a full disk a segment cannot even be opened.
    wait_for_room(context, free_bytes, lambda: context.report(WriterReport()), lambda: None)
    if context.renewed():
        return
    if context.raises_formats:
        try_on_copy(context.config.data_dir, partial(new_table, context))
        context.log.info("state_tried_on_a_copy")
    Writer(context, adapter).run()


def new_table(context: Context) -> StreamTable:
    """A table without streams."""
    return StreamTable(overlap_secs(context.config), context.config.silence.bounds, context.run_id)


class Writer:
    """Stores the journals' contents. `run` returns after it was told to stop and everything is stored and sealed."""

    def __init__(
        self,
        context: Context,
        adapter_of: Callable[[str], Adapter],
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        self._context = context
        self._config = context.config
        self._clock = context.clock
        self._free = free
        self._limit = self._config.writer.max_batch_size
        self._batch_since: float | None = None
        self._is_reviewed = False
        self._reports = Every(REPORT_SECS, self._clock.monotonic, at_once=False)
        self._build_report: Callable[[int], WriterReport] = lambda _limit: WriterReport()
        """An empty report until the segment is restored."""
        self._rotation = SegmentRotation(context, self._report)
        self._streams = self._restored_streams()
        repaired = repairable_adapters(self._config, adapter_of)
        speaking = {feed.name: adapter_of(feed.exchange) for feed in self._config.feed}
        folders = [*repaired, *(f"{name}{BOOKS_SUFFIX}" for name in speaking)]
        self._requests = {name: RequestFolder(request_folder(self._config.data_dir, name)) for name in folders}
        feeds = RepairableFeeds(feeds_of_streams(self._config), repaired, speaking)
        self._processor = self._new_processor(adapter_of, feeds)
        self._left_books = LeftBooks(self._config.data_dir, context.log)
        self._left_books.take(self._processor.checks, self._rotation.state.positions)
        self._readers = open_readers(self._config, repaired, self._rotation.positions)
        self._order = ReadingOrder(self._readers)
        report = ReportBuilder(self._clock, self._streams, self._processor, self._rotation, self._readers)
        self._committer = Committer(
            context, self._streams, self._processor, self._rotation, report, self._requests, self._report
        )
        self._early_seal = EarlySeal(context, self._rotation, free)
        self._reports = Every(REPORT_SECS, self._clock.monotonic)
        self._build_report = report.build

    def run(self) -> None:
        """Read, commit and seal until told to stop and nothing is left to read.

        A successor goes on from the last commit, and reads again what came after it (`_leave_books` on what it verifies).
        """
        while True:
            stopping = self._context.stopping()
            wait_for_room(self._context, self._free, self._report, self._seal_if_possible)
            if self._context.renewed():
                break
            busy = self._read_all()
            if not busy:
                self._review()
                self._settle(stopping=stopping)
            if self._until_commit() <= 0 or (stopping and not busy):
                self._commit()
            if self._rotation.files_in_place() and (self._rotation.seal_due() or self._early_seal.due()):
                self._seal()
            self._report()
            if stopping and not busy:
                break
            if not busy:
                self._context.receiver.wait(min(POLL_SECS, self._until_commit()))
        self._close()

    def _read_all(self) -> bool:
        """Read once from every feed. Returns whether there may be more."""
        busy = False
        for feed, chunk in self._order.round():
            self._report()
            if chunk is None:
                self._settle(feed)
                continue
            busy = True
            if self._batch_since is None:
                self._batch_since = self._clock.monotonic() - self._untold_secs(chunk)
            self._process(chunk)
        return busy

    def _untold_secs(self, chunk: Chunk) -> float:
        """For how long these records were there already, as far as the notice may have been late."""
        if not chunk.records:
            return 0.0
        age_secs = (self._clock.now_ns() - chunk.records[0].received_ns) / 1e9
        return min(max(0.0, age_secs), SPACING_SECS)

    def _process(self, chunk: Chunk) -> None:
        rest: Chunk | None = chunk
        while rest is not None:
            rest = self._processor.process(rest, self._clock.now_us(), self._limit, self._report)
            if self._processor.batch.is_full(self._limit):
                self._commit()

    def _review(self) -> None:
        """Once, when everything has been read: request holes again that no waiting request covers."""
        if self._is_reviewed:
            return
        self._is_reviewed = True
        waiting = set()
        for folder in self._requests.values():
            for name in folder.names():
                waiting.add(name)
                self._report()
        self._processor.ledger.holes.review(waiting, self._report)

    def _settle(self, feed: str | None = None, *, stopping: bool = False) -> None:
        """Let holes become gaps while nothing comes; at a stop all of them, because nothing more is waited for."""
        ledger, now_us = self._processor.ledger, self._clock.now_us()
        if stopping:
            ledger.close(now_us)
        else:
            ledger.holes.settle(now_us, feed=feed)
        if self._processor.batch and self._batch_since is None:
            self._batch_since = self._clock.monotonic()

    def _until_commit(self) -> float:
        if self._batch_since is None:
            return POLL_SECS
        return max(0.0, self._batch_since + self._config.writer.batch_interval_secs - self._clock.monotonic())

    def _commit(self) -> None:
        batch = self._processor.batch
        if not batch:
            return
        commit_secs = self._committer.commit()
        if self._config.writer.adaptive:
            most = self._config.writer.max_batch_size
            self._limit = next_batch_limit(self._limit, commit_secs, batch.count, most)
        self._batch_since = None
        self._processor.begin(self._rotation.next_row)

    def _seal(self) -> None:
        self._processor.ledger.update(self._clock.now_us())
        self._commit()
        self._rotation.seal(self._streams, self._feed_states(), self._committer.counts)
        self._processor.begin(self._rotation.next_row)

    def _seal_if_possible(self) -> None:
        if self._early_seal.is_possible:
            self._seal()

    def _close(self) -> None:
        if self._context.renewed():
            self._leave_books()
            self._rotation.leave()
        else:
            self._rotation.close(self._streams, self._feed_states(), self._committer.counts)
        self._report(now=True)
        for reader in self._readers.values():
            reader.close()

    def _leave_books(self) -> None:
        """Leave the books that are verified to the successor, if what made them is committed or can be without a wait."""
        checks = self._processor.checks
        if (checks.books or checks.lost) and self._commits_at_once():
            self._left_books.leave(checks, self._rotation.positions)

    def _commits_at_once(self) -> bool:
        if not self._processor.batch:
            return True
        is_too_full = is_too_full_to_write(self._free(self._config.data_dir), self._config.journal)
        return not is_too_full and self._committer.commit_once()

    def _feed_states(self) -> dict[str, bytes]:
        return {name: encode_feed(state) for name, state in self._processor.ledger.feeds.items()}

    def _restored_streams(self) -> StreamTable:
        return self._rotation.restored(partial(new_table, self._context))

    def _new_processor(self, adapter_of: Callable[[str], Adapter], repaired: RepairableFeeds) -> FrameProcessor:
        state, run_id = self._rotation.state, self._context.run_id
        feeds = {name: decode_feed(blob) for name, blob in state.feeds.items()}
        # Counts continue from the earlier writers of this run; another run starts at zero.
        counts, beside = Counts(), decode_counts(state.counts)
        counts.resume(self._streams, beside if beside.run_id == run_id else RunCounts())
        return FrameProcessor(
            self._streams, feeds, adapter_of, repaired, self._rotation.next_row, counts,
            verify_checksums=self._config.book.verify_checksums,
        )  # fmt: skip

    def _report(self, *, now: bool = False) -> None:
        """Send a report if one is due. Called often: most calls only read the clock."""
        if self._reports.due() or now:
            self._context.report(self._build_report(self._limit))
