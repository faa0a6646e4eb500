"""Requests to repair: the missing trades of each gap, and a whole book wherever a chain of updates begins."""

from collections.abc import Collection
from typing import Final

from collector.domain.records import Gap, IdRule
from collector.domain.repair_protocol import BOOK, BookRequest, TradesRequest, trades_name
from collector.domain.sequence.hole import REFUSED, DueRow, Hole
from collector.processes.rest_adapters import RepairableFeeds
from collector.processes.writer.batch import CommitBatch
from collector.processes.writer.streams import StreamState

MAX_REQUESTED_IDS: Final = 100_000_000
"""Ids a request spans at most. At a thousand an answer they take half a day; more is an id that jumped, not an outage."""


class RepairRequests:
    """Adds requests to the batch it was last given, for the feeds that repair covers. The same input gives the same requests."""

    def __init__(self, repaired: RepairableFeeds) -> None:
        self._repaired = repaired
        self._batch = CommitBatch()

    def begin(self, batch: CommitBatch) -> None:
        """Add to this batch from now on."""
        self._batch = batch

    def request_missing(self, stream: StreamState, due_row: DueRow, row: Gap) -> Gap:
        """Request what is missing. Returns the row, as `unrepairable` if nobody has it."""
        if due_row.status != "open" or due_row.hole.lasts:
            # When the stretch is closed, all of it is requested at once.
            return row
        if self._is_not_repaired(stream) or self._add_request(stream, due_row):
            return row
        # Nobody sends single updates again; a whole book only makes what follows readable.
        due_row.hole.state = "ended"
        return row._replace(status="unrepairable")

    def withdraw(self, stream: StreamState, gap_id: str) -> None:
        """Withdraw the request for this gap, if there is one."""
        feed = self._repaired.feed_of.get(stream.key)
        if feed is not None and feed in self._repaired.adapters and stream.key.data_type != BOOK:
            self._batch.withdraw_request(feed, trades_name(gap_id))

    def review(self, stream: StreamState, waiting: Collection[str]) -> bool:
        """Request again what a row says is missing and no waiting request covers; whether there was any.

        The feed may have had another name, repair may have been off, the request may be lost, or no feed may bring the
        stream any more.
        """
        if self._is_not_repaired(stream):
            return False
        series = stream.dedup.progress.series
        due_rows = [DueRow(series, hole, "open", None) for hole in stream.dedup.progress.holes]
        unrequested = [due_row for due_row in due_rows if self._needs_request(stream, due_row, waiting)]
        for due_row in unrequested:
            if not self._add_request(stream, due_row):
                due_row.hole.end()
        return bool(unrequested)

    def _needs_request(self, stream: StreamState, due_row: DueRow, waiting: Collection[str]) -> bool:
        hole = due_row.hole
        if stream.key not in self._repaired.feed_of:
            return hole.state != "ended" and bool(hole.parts)
        return _is_open(hole) and trades_name(_gap_id(stream, due_row)) not in waiting

    def request_book(self, stream: StreamState, from_id: int, at_us: int) -> None:
        """A chain of a stream begins with this id."""
        feed = self._repaired.feed_of.get(stream.key)
        if stream.key.data_type == BOOK and feed is not None and feed in self._repaired.adapters:
            series = stream.dedup.progress.series
            self._batch.add_request(feed, BookRequest(stream.key, series, from_id, at_us))

    def _is_not_repaired(self, stream: StreamState) -> bool:
        """Whether repair does not cover the stream's feed. What is missing may come late, or be requested once it does."""
        feed = self._repaired.feed_of.get(stream.key)
        return feed is not None and feed not in self._repaired.adapters

    def _add_request(self, stream: StreamState, due_row: DueRow) -> bool:
        """Request it; whether it can be requested."""
        feed = self._repaired.feed_of.get(stream.key)
        if feed is None or stream.key.data_type == BOOK:
            return False
        hole = due_row.hole
        first, last = hole.parts[0][0], hole.parts[-1][1]
        if last - first >= MAX_REQUESTED_IDS or self._repaired.adapters[feed].page(stream.key, first) is None:
            return False
        gap_id = _gap_id(stream, due_row)
        self._batch.add_request(feed, TradesRequest(stream.key, due_row.series, gap_id, first, last, hole.until_us))
        hole.is_requested = True
        return True


def _is_open(hole: Hole) -> bool:
    """Whether a row says that it is missing, and more of it may be requested."""
    return hole.state in {"reported", "changed"} and bool(hole.parts) and hole.cause != REFUSED


def _gap_id(stream: StreamState, due_row: DueRow) -> str:
    return due_row.gap_id(stream.key, chained=stream.rule is IdRule.CHAINED)
