"""Commits a batch: first the requests to repair, then rows, gaps, stream state and positions in one transaction."""

from collections.abc import Callable, Collection, Mapping
from typing import Final

from collector.channel.channel import Notice
from collector.domain.errors import CommitError
from collector.domain.repair_protocol import Request
from collector.logs import RateLimited
from collector.processes.context import Context
from collector.processes.writer.batch import CommitBatch
from collector.processes.writer.frame_processor import FrameProcessor
from collector.processes.writer.recents import SlowStreams
from collector.processes.writer.report import ReportBuilder
from collector.processes.writer.segment_rotation import SegmentRotation
from collector.processes.writer.stored_state import encode_counts, encode_feed
from collector.processes.writer.streams import StreamTable
from collector.storage.request_files import RequestFolder
from collector.storage.segment.state import Commit

RETRY_SECS: Final = 1.0


class Committer:
    """Makes the processor's batch durable, then updates streams, counts and report."""

    def __init__(
        self,
        context: Context,
        streams: StreamTable,
        processor: FrameProcessor,
        rotation: SegmentRotation,
        report: ReportBuilder,
        requests: Mapping[str, RequestFolder],
        on_progress: Callable[[], None],
    ) -> None:
        """`requests` by the name of each repaired feed; `on_progress` is called during everything that may take long."""
        self._context = context
        self._streams = streams
        self._processor = processor
        self._rotation = rotation
        self._report = report
        self._requests = requests
        self._on_progress = on_progress
        self._slow = SlowStreams(streams, rotation.next_row - 1)
        self._limited = RateLimited(context.log, context.clock.monotonic)
        self.counts = rotation.state.counts
        """The counts that belong to no stream, as last committed."""

    def commit(self) -> float:
        """Commit the batch, retrying until it succeeds. Returns the seconds the successful try took.

        Nothing more is read meanwhile. Until the batch is durable, its messages are safe in the journal.
        """
        return self._commit(once=False)

    def commit_once(self) -> bool:
        """Try to commit the batch, as the last that the process does. Returns whether it is durable; if not, that is logged."""
        try:
            self._commit(once=True)
        except CommitError:
            return False
        return True

    def _commit(self, *, once: bool) -> float:
        batch = self._processor.batch
        batch.note_first()
        self._log(batch)
        counts = encode_counts(self._processor.counts.beside(self._context.run_id))
        commit = self._commit_of(batch, counts)
        commit_secs = self._store(commit, batch.count, dict(batch.requests), batch.withdrawn, once=once)
        self.counts = counts
        if batch.requests:
            self._context.sender.offer(Notice(self._context.role, "asked", 0, 0))
        self._note_durable(batch, commit_secs)
        return commit_secs

    def _commit_of(self, batch: CommitBatch, counts: str) -> Commit:
        feeds = self._processor.ledger.feeds
        return Commit(
            batch.messages.values(),
            batch.reasons,
            batch.gaps,
            self._streams.rows(batch.touched.values(), self._on_progress),
            {name: encode_feed(feeds[name]) for name in batch.feeds},
            list(batch.positions.values()),
            "" if counts == self.counts else counts,
            self._recents(self._rotation.next_row - 1 + batch.count),
        )

    def _recents(self, last_row: int) -> dict[int, bytes]:
        return self._slow.recents(self._streams, last_row) if self._slow.due(last_row) else {}

    def _store(
        self,
        commit: Commit,
        messages: int,
        requests: dict[str, list[Request]],
        withdrawn: Mapping[str, Collection[str]],
        *,
        once: bool,
    ) -> float:
        clock, log = self._context.clock, self._context.log
        failed = False
        while True:
            started = clock.monotonic()
            try:
                # Requests go first: one that is repeated only fetches copies, one that is missing fetches nothing.
                self._put(requests, withdrawn)
                self._rotation.store(commit)
            except CommitError as error:
                if not failed:
                    log.warning("commit_failed", error=str(error), messages=messages)
                failed = True
                self._report.commit_failures += 1
                if once:
                    raise
                clock.sleep(RETRY_SECS)
                self._on_progress()
            else:
                if failed:
                    log.info("commit_recovered", messages=messages)
                return clock.monotonic() - started

    def _put(self, requests: dict[str, list[Request]], withdrawn: Mapping[str, Collection[str]]) -> None:
        """Put the requests, removing each from `requests`, because a request that is put twice starts over."""
        try:
            for feed in list(requests):
                self._requests[feed].put(requests[feed], self._on_progress)
                del requests[feed]
            for feed, names in withdrawn.items():
                self._requests[feed].withdraw(names)
        except OSError as error:
            raise CommitError(f"cannot write repair requests: {error}") from error

    def _note_durable(self, batch: CommitBatch, commit_secs: float) -> None:
        clock, messages = self._context.clock, batch.count
        durable_us = clock.now_us()
        for stream in batch.touched.values():
            stream.note_stored(durable_us)
        self._processor.counts.note_stored(batch)
        self._report.commit_secs = commit_secs
        self._report.timings.note(batch, durable_us, commit_secs, clock.monotonic())
        self._context.log.debug("committed", messages=messages, gaps=len(batch.gaps), secs=round(commit_secs, 6))

    def _log(self, batch: CommitBatch) -> None:
        sample = self._processor.sample
        if sample is not None:
            text = sample.frame.decode(errors="backslashreplace")
            self._limited.warning("frame_undecodable", sample.feed, reason=sample.reason, sample=text)
        for exchange, symbol, gap in batch.gaps:
            place = f"{exchange} {symbol} {gap.stream_type} {gap.kind}"
            about = {"cause": gap.cause, "status": gap.status, "missing": gap.missing, "expected_id": gap.expected_id}
            self._limited.warning("gap", place, **about, gap_id=gap.gap_id)
