"""The writer: journals in, one SQLite transaction out. One thread, one loop.

The fate of its errors: a frame it cannot read becomes an undecoded row; a commit that fails is rolled back and tried
again, with nothing read meanwhile; a segment somebody reads is sealed later; data of a newer version stops it.
"""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from collector.channel.channel import Notice
from collector.domain.clock import Every
from collector.domain.counts import RunCounts
from collector.domain.errors import CommitError
from collector.domain.records import UNKNOWN
from collector.domain.repair_protocol import Request, feed_of_rest_journal, is_rest_journal, rest_journal
from collector.exchanges.adapter import Adapter
from collector.exchanges.registry import adapter
from collector.logs import RateLimited
from collector.processes.context import Context
from collector.processes.disk_space import free_bytes, gets_short, wait_for_room
from collector.processes.rest_adapters import Mended, feeds_of_streams, repairable_feeds
from collector.processes.roles import is_journal_abandoned
from collector.processes.writer.batch import Counts
from collector.processes.writer.batching import next_batch_limit
from collector.processes.writer.frame_processor import FrameProcessor
from collector.processes.writer.reading_order import ReadingOrder
from collector.processes.writer.report import ReportBuilder
from collector.processes.writer.segment_rotation import SegmentRotation
from collector.processes.writer.stored_state import decode_counts, decode_feed, encode_counts
from collector.processes.writer.streams import StreamTable
from collector.reports import WriterReport
from collector.storage.journal.reader import Chunk, JournalReader
from collector.storage.repair_requests import RequestFolder, request_folder
from collector.storage.segment.state import Commit

POLL_SECS: Final = 1.0
"""How often the files are looked at when no notice comes."""

LATE_LINE_SECS: Final = 10.0
"""How much longer than a silent connection's life the ids of those beside it are remembered."""

REPORT_SECS: Final = 1.0
RETRY_SECS: Final = 1.0
LOOK_SECS: Final = 2.0
"""How often it is asked whether a seal would make room."""

_encode = msgspec.msgpack.Encoder().encode


def main(context: Context) -> None:
    """Be the writer process. Raises StopError."""
    # On a full disk not even a segment can be opened.
    wait_for_room(context, free_bytes, lambda: context.report(WriterReport()), lambda: None)
    Writer(context, adapter, partial(is_journal_abandoned, context.config.data_dir)).run()


class Writer:
    """`run` returns once it was told to stop and has stored and sealed everything the journals hold."""

    def __init__(
        self,
        context: Context,
        adapter_of: Callable[[str], Adapter],
        ingest_gone: Callable[[str], bool],
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        self._context = context
        self._config = context.config
        self._clock = context.clock
        self._free = free
        self._limited = RateLimited(context.log, context.clock.monotonic)
        self._reports = Every(REPORT_SECS, self._clock.monotonic, at_once=False)
        self._told: Callable[[], WriterReport] = WriterReport
        """What a report says; nothing until there are numbers."""
        self._shelf = SegmentRotation(context, self._report)
        # One that brings nothing is closed after stale_timeout_secs: until then it may still bring what it held.
        overlap_secs = self._config.ingest.stale_timeout_secs + LATE_LINE_SECS
        self._streams = StreamTable(overlap_secs, self._config.silence.bounds, context.run_id)
        self._shelf.restore(self._streams)
        self._counted = self._shelf.state.counts
        """What was counted beside the streams, as it is committed."""
        feeds = {name: decode_feed(blob) for name, blob in self._shelf.state.feeds.items()}
        sides = repairable_feeds(self._config, adapter_of)
        self._requests = {name: RequestFolder(request_folder(self._config.data_dir, name)) for name in sides}
        mended = Mended(feeds_of_streams(self._config), sides)
        self._intake = FrameProcessor(self._streams, feeds, adapter_of, mended, self._shelf.next_row, self._counts())
        self._is_reviewed = False
        exchanges = {feed.name: feed.exchange for feed in self._config.feed}
        exchanges |= {rest_journal(name): exchange for name, exchange in exchanges.items()}
        self._readers = {
            name: self._reader(name, exchanges.get(name, UNKNOWN), ingest_gone) for name in self._feed_names()
        }
        self._order = ReadingOrder(self._readers)
        self._limit = self._config.writer.max_batch_size
        self._batch_since: float | None = None
        self._reports = Every(REPORT_SECS, self._clock.monotonic)
        self._space_checks = Every(LOOK_SECS, self._clock.monotonic)
        self._report_builder = ReportBuilder(self._clock, self._streams, self._intake, self._shelf, self._readers)
        self._told = lambda: self._report_builder.build(self._limit)

    def run(self) -> None:
        """Work until told to stop, then until nothing is left to read."""
        while True:
            stopping = self._context.stopping()
            wait_for_room(self._context, self._free, self._report, self._seal_messages)
            busy = self._read_all()
            if not busy:
                self._review()
                self._settle(stopping=stopping)
            if self._until_commit() <= 0 or (stopping and not busy):
                self._commit()
            if self._shelf.kept() and (self._shelf.seal_due() or self._seal_makes_room()):
                self._seal()
            self._report()
            if stopping and not busy:
                break
            if not busy:
                self._context.receiver.wait(min(POLL_SECS, self._until_commit()))
        self._shelf.close(self._streams, self._feed_states(), self._counted)
        self._report(now=True)
        for reader in self._readers.values():
            reader.close()

    def _feed_names(self) -> list[str]:
        journals = self._config.data_dir / "journal"
        waiting = [path.name for path in journals.iterdir() if path.is_dir()] if journals.is_dir() else []
        mended = map(rest_journal, self._requests)
        names = {*waiting, *mended, *(feed.name for feed in self._config.feed)}
        return sorted(names | {feed_of_rest_journal(name) for name in names if is_rest_journal(name)})

    def _reader(self, feed: str, exchange: str, ingest_gone: Callable[[str], bool]) -> JournalReader:
        folder = self._config.data_dir / "journal" / feed
        return JournalReader(folder, feed, self._shelf.positions, lambda: ingest_gone(feed), exchange)

    def _counts(self) -> Counts:
        """What the writers of this run before this one have committed."""
        counts, beside = Counts(), decode_counts(self._counted)
        counts.resume(self._streams, beside if beside.run_id == self._context.run_id else RunCounts())
        return counts

    def _feed_states(self) -> dict[str, bytes]:
        return {name: _encode(state) for name, state in self._intake.ledger.feeds.items()}

    def _read_all(self) -> bool:
        """Read once from every feed; true if there may be more."""
        busy = False
        for feed, chunk in self._order.round():
            self._report()
            if chunk is None:
                self._settle(feed)
                continue
            busy = True
            if self._batch_since is None:
                self._batch_since = self._clock.monotonic()
            self._process(chunk)
        return busy

    def _process(self, chunk: Chunk) -> None:
        rest: Chunk | None = chunk
        while rest is not None:
            rest = self._intake.process(rest, self._clock.now_us(), self._limit, self._report)
            if self._intake.batch.is_full(self._limit):
                self._commit()

    def _review(self) -> None:
        """Once: what was left to ask when this writer began is known only when everything has been read."""
        if self._is_reviewed:
            return
        self._is_reviewed = True
        waiting = set()
        for folder in self._requests.values():
            for name in folder.names():
                waiting.add(name)
                self._report()
        self._intake.ledger.holes.review(waiting, self._report)

    def _settle(self, feed: str | None = None, *, stopping: bool = False) -> None:
        """Let holes become gaps also while nothing comes; at the end nothing waits any more."""
        ledger, now_us = self._intake.ledger, self._clock.now_us()
        if stopping:
            ledger.close(now_us)
        else:
            ledger.holes.settle(now_us, feed=feed)
        if self._intake.batch and self._batch_since is None:
            self._batch_since = self._clock.monotonic()

    def _until_commit(self) -> float:
        if self._batch_since is None:
            return POLL_SECS
        return max(0.0, self._batch_since + self._config.writer.batch_interval_secs - self._clock.monotonic())

    def _commit(self) -> None:
        batch = self._intake.batch
        if not batch:
            return
        self._log_undecodable()
        self._log_gaps()
        counted = encode_counts(self._intake.counts.beside(self._context.run_id))
        commit = Commit(
            batch.messages,
            batch.reasons,
            batch.gaps,
            self._streams.rows(batch.touched.values(), self._report),
            {name: _encode(self._intake.ledger.feeds[name]) for name in batch.feeds},
            list(batch.positions.values()),
            "" if counted == self._counted else counted,
        )
        commit_secs = self._report_builder.commit_secs = self._store(commit, batch.requests, batch.withdrawn)
        if batch.requests:
            self._context.sender.offer(Notice(self._context.role, "asked", 0, 0))
        durable_us = self._clock.now_us()
        for stream in batch.touched.values():
            stream.note_stored(durable_us)
        self._intake.counts.note_stored(batch)
        self._counted = counted
        self._report_builder.timings.note(batch, durable_us, commit_secs, self._clock.monotonic())
        self._context.log.debug(
            "committed", messages=len(batch.messages), gaps=len(batch.gaps), secs=round(commit_secs, 6)
        )
        if self._config.writer.adaptive:
            most = self._config.writer.max_batch_size
            self._limit = next_batch_limit(self._limit, commit_secs, len(batch.messages), most)
        self._batch_since = None
        self._intake.begin(self._shelf.next_row)

    def _store(
        self, commit: Commit, requests: Mapping[str, list[Request]], withdrawn: Mapping[str, Collection[str]]
    ) -> float:
        """Store it, trying for as long as it takes: it stays in the journal, and nothing more is read meanwhile."""
        failed = False
        unasked = dict(requests)
        while True:
            started = self._clock.monotonic()
            try:
                # First: a request that is there twice brings copies, one that is missing brings nothing.
                self._put(unasked, withdrawn)
                self._shelf.store(commit)
            except CommitError as error:
                if not failed:
                    self._context.log.warning("commit_failed", error=str(error), messages=len(commit.messages))
                failed = True
                self._report_builder.commit_failures += 1
                self._clock.sleep(RETRY_SECS)
                self._report()
            else:
                if failed:
                    self._context.log.info("commit_recovered", messages=len(commit.messages))
                return self._clock.monotonic() - started

    def _put(self, unasked: dict[str, list[Request]], withdrawn: Mapping[str, Collection[str]]) -> None:
        """Takes out what it has put: put again, it would begin anew."""
        try:
            for feed in list(unasked):
                self._requests[feed].put(unasked[feed], self._report)
                del unasked[feed]
            for feed, names in withdrawn.items():
                self._requests[feed].withdraw(names)
        except OSError as error:
            raise CommitError(f"requests cannot be kept: {error}") from error

    def _seal(self) -> None:
        self._intake.ledger.update(self._clock.now_us())
        self._commit()
        self._shelf.seal(self._streams, self._feed_states(), self._counted)
        self._intake.begin(self._shelf.next_row)

    def _seal_messages(self) -> None:
        """Seal, so that journals go and the archiver has something to make small."""
        if self._can_seal():
            self._seal()

    def _can_seal(self) -> bool:
        """Whether there are messages, and room to fold their segment's log into it, which takes as much again."""
        logs = (self._config.data_dir / "segments").glob("*.open.db-wal")
        room = self._free(self._config.data_dir)
        return self._shelf.next_row > 1 and room > sum(path.stat().st_size for path in logs)

    def _seal_makes_room(self) -> bool:
        """Whether the disk gets short and a seal would remove journals, all of whose rows are committed."""
        if not self._space_checks.due():
            return False
        is_short = gets_short(self._free(self._config.data_dir), self._config.journal)
        return is_short and self._can_seal() and self._shelf.has_read_journals()

    def _log_undecodable(self) -> None:
        sample = self._intake.sample
        if sample is not None:
            text = sample.frame.decode(errors="backslashreplace")
            self._limited.warning("frame_undecodable", sample.feed, reason=sample.reason, sample=text)

    def _log_gaps(self) -> None:
        for exchange, symbol, gap in self._intake.batch.gaps:
            place = f"{exchange} {symbol} {gap.stream_type} {gap.kind}"
            about = {"cause": gap.cause, "status": gap.status, "missing": gap.missing, "expected_id": gap.expected_id}
            self._limited.warning("gap", place, **about, gap_id=gap.gap_id)

    def _report(self, *, now: bool = False) -> None:
        """Give a sign of life; often called, and seldom more than a look at the clock."""
        if self._reports.due() or now:
            self._context.report(self._told())
