"""Ledger rows for holes in ids: dedup -> StreamHoles.add -> SequenceGapRows (here) -> the row in hole.py.

Every hole is checked again until it has all its rows.
"""

from collections.abc import Callable, Collection, Iterable
from math import ceil
from typing import Final

from collector.domain.records import IdRule
from collector.domain.sequence.hole import DueRow
from collector.domain.sequence.hole_rules import max_requested
from collector.domain.sequence.reach import has_snapshot
from collector.processes.writer.gaps.book_rows import BookRows
from collector.processes.writer.gaps.feed_state import LOOK_US
from collector.processes.writer.gaps.feed_table import FeedTable
from collector.processes.writer.gaps.pending_gap_rows import PendingGapRows
from collector.processes.writer.repair_requests import RepairRequests
from collector.processes.writer.streams import StreamState, StreamTable
from collector.storage.journal.relayed import feed_of_source

SETTLE_US: Final = 250_000
"""Received time between checks for due rows."""

LATE_HOLES: Final = 16
"""So many old holes are kept per stream if its feed has sources, one of which may be read late."""

_EVER_US: Final = 1 << 62


class SequenceGapRows:
    """Tracks the streams that have holes, and those with a hole whose row may be due."""

    def __init__(
        self, streams: StreamTable, feeds: FeedTable, rows: PendingGapRows, requests: RepairRequests, books: BookRows
    ) -> None:
        self._feeds = feeds
        self._books = books
        self._streams = streams
        self._rows = rows
        self._requests = requests
        self._watched = {stream.stream_id: stream for stream in streams if stream.dedup.holes.unsettled}
        self._holed = {stream.stream_id: stream for stream in streams if stream.dedup.progress.holes}
        self._settled_us: dict[str, int] = {}
        # Plus two looks: the first may fall right after the hole was found, another right after a pause.
        self._oldest = ceil(streams.overlap_secs * 1e6 / LOOK_US) + 2

    def watch(self, stream: StreamState) -> None:
        """Check this stream for due rows, because its holes have changed."""
        self._watched[stream.stream_id] = self._holed[stream.stream_id] = stream

    def record_received(self, feed: str, received_us: int) -> None:
        """Write due rows, as often as the received time of the records of the feed or source asks for."""
        if self._watched and not 0 <= received_us - self._settled_us.get(feed, 0) < SETTLE_US:
            self._settled_us[feed] = received_us
            self.settle(received_us, feed=feed_of_source(feed))

    def quiet_us(self, feed: str) -> tuple[int, int]:
        """From which receive time to before which `record_received` does nothing, as long as no further stream is watched."""
        if not self._watched:
            return 0, _EVER_US
        since_us = self._settled_us.get(feed, 0)
        return since_us, since_us + SETTLE_US

    def series_ended(self, stream: StreamState, now_us: int) -> None:
        """Write the last rows of the stream's series that has just ended, and watch the new one."""
        self._write(stream, stream.dedup.holes.take_ended(), now_us)
        self.watch(stream)

    def settle(self, now_us: int, *, feed: str | None = None, all_due: bool = False) -> None:
        """Write the rows that are due, of all feeds or one; with `all_due`, those of every hole.

        While journals wait to be read, `now_us` is the received time of the feed itself; another feed's may be far ahead.
        """
        most = max_requested(len(self._streams))
        names = {feed} if feed is not None else {stream.feed for stream in self._watched.values()}
        judged_us = {name: now_us if all_due else self._feeds.sources.judged_us(name, now_us) for name in names}
        for stream in [stream for stream in self._watched.values() if stream.feed in judged_us]:
            at_us, before = judged_us[stream.feed], stream.dedup.holes.broken_until
            self._write(stream, stream.dedup.holes.settle(at_us, all_due=all_due, max_requested=most), at_us)
            broken = stream.dedup.holes.broken_until
            # After a hole that ends in a snapshot the book is whole again.
            if broken > before and not has_snapshot(stream.dedup.progress, broken[0] - 1):
                self._books.needed(stream, *broken, stream.dedup.holes.cause_of(broken[0]))
            if not stream.dedup.holes.unsettled:
                del self._watched[stream.stream_id]

    def update(self, now_us: int) -> None:
        """Write a new row for every hole whose row is out of date."""
        for stream in self._streams:
            self._write(stream, stream.dedup.holes.outdated(), now_us)

    def review(self, waiting: Collection[str], on_progress: Callable[[], None]) -> None:
        """Request missing ids that none of the `waiting` requests covers. Call it once everything has been read.

        `on_progress` is called between the streams.
        """
        for stream in self._streams:
            on_progress()
            if self._requests.review(stream, waiting):
                self._rows.touch(stream)
                self.watch(stream)

    def grow_older(self, feed: str) -> None:
        """Age the holes of the feed's streams by one. Call it after LOOK_US of received time.

        A longer pause counts once: a process that was paused has yet to read what its connections held. A source that is read
        late may still fill the newest ones.
        """
        kept = LATE_HOLES if self._feeds.sources.may_be_late(feed) else 0
        for stream in [stream for stream in self._holed.values() if stream.feed == feed]:
            if stream.dedup.holes.grow_older(self._oldest, kept):
                self._rows.touch(stream)
            if not stream.dedup.progress.holes:
                del self._holed[stream.stream_id]

    def _write(self, stream: StreamState, due_rows: Iterable[DueRow], now_us: int) -> None:
        for due_row in due_rows:
            row = due_row.row(stream.key, now_us, chained=stream.rule is IdRule.CHAINED)
            self._rows.add(stream.key, self._requests.request_missing(stream, due_row, row))
            if due_row.is_final:
                self._requests.withdraw(stream, row.gap_id)
            self._rows.touch(stream)
