"""Requests to repair: the missing trades of each gap, and a whole book where a chain of updates begins."""

from collections.abc import Collection
from typing import Final

from collector.domain.records import Gap, IdRule
from collector.domain.repair_protocol import BOOK, BookRequest, Request, TradesRequest, trades_name
from collector.domain.sequence import hole as holes
from collector.domain.sequence.hole import DueRow
from collector.exchanges.rest_adapter import Hole
from collector.processes.rest_adapters import RepairableFeeds
from collector.processes.writer.batch import CommitBatch
from collector.processes.writer.streams import StreamState

MAX_REQUESTED_IDS: Final = 100_000_000
"""Maximum number of ids in a request. At a thousand per answer they take half a day; a larger hole is an id that jumped,
not an outage."""


class RepairRequests:
    """Adds requests to the current batch, for the feeds that are repaired.

    Deterministic: the same input gives the same requests.
    """

    def __init__(self, repaired: RepairableFeeds) -> None:
        self._repaired = repaired
        self._batch = CommitBatch()

    def begin(self, batch: CommitBatch) -> None:
        """Add to this batch from now on."""
        self._batch = batch

    def request_missing(self, stream: StreamState, due_row: DueRow, row: Gap) -> Gap:
        """Request the missing messages of a gap.

        Returns the row, with status `unrepairable` if the messages cannot be fetched.
        """
        if due_row.status != "open" or due_row.hole.lasts:
            # A stretch that lasts is requested as a whole when it is closed.
            return row
        if self._is_not_repaired(stream) or self._add_request(stream, due_row):
            return row
        # Exchanges do not send single book updates again; a whole book only makes the following ones readable.
        due_row.hole.state = "ended"
        return row._replace(status="unrepairable")

    def withdraw(self, stream: StreamState, gap_id: str) -> None:
        """Remove the gap's request, if there is one."""
        feed = self._repaired.feed_of.get(stream.key)
        if feed is not None and feed in self._repaired.adapters and stream.key.data_type != BOOK:
            self._batch.withdraw_request(feed, trades_name(gap_id))

    def review(self, stream: StreamState, waiting: Collection[str]) -> bool:
        """Request missing messages that have a gap row but no waiting request. Returns whether there were any.

        Reasons: the feed had another name, repair was off, the request was lost, or no feed brings the stream any more.
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
        """Request a whole book for a stream whose chain of updates begins with `from_id`, received at `at_us`.

        Does nothing for other data, where nobody can ask for a book, and if one has come for it.
        """
        folder = self._repaired.folder_of_book(stream.key)
        if folder is not None and stream.book_since(from_id, at_us) is None:
            series = stream.dedup.progress.series
            self._batch.add_request(folder, BookRequest(stream.key, series, from_id, at_us))

    def book_came(self, stream: StreamState) -> None:
        """Do not ask for a book that has come within the same commit."""
        folder = self._repaired.folder_of_book(stream.key)
        if folder is not None:
            self._batch.drop_requests(folder, lambda request: self._is_answered(stream, request))

    @staticmethod
    def _is_answered(stream: StreamState, request: Request) -> bool:
        if not isinstance(request, BookRequest) or request.stream != stream.key:
            return False
        return stream.book_since(request.from_id, request.asked_us) is not None

    def _is_not_repaired(self, stream: StreamState) -> bool:
        """Whether a feed brings the stream but is not repaired; its gaps stay open.

        Missing messages may still come late, or be requested once the feed is repaired.
        """
        feed = self._repaired.feed_of.get(stream.key)
        return feed is not None and feed not in self._repaired.adapters

    def _add_request(self, stream: StreamState, due_row: DueRow) -> bool:
        """Add a request for the hole; False if it cannot be fetched."""
        feed = self._repaired.feed_of.get(stream.key)
        if feed is None or stream.key.data_type == BOOK:
            return False
        hole = due_row.hole
        first, last = hole.parts[0][0], hole.parts[-1][1]
        missing = Hole(first, last, hole.since_us, hole.until_us)
        if last - first >= MAX_REQUESTED_IDS or self._repaired.adapters[feed].page(stream.key, missing, "") is None:
            return False
        request = TradesRequest(
            stream.key, due_row.series, _gap_id(stream, due_row), first, last, hole.until_us,
            since_us=hole.since_us, until_us=hole.until_us,
        )  # fmt: skip
        self._batch.add_request(feed, request)
        hole.is_requested = True
        return True


def _is_open(hole: holes.Hole) -> bool:
    """Whether the hole has a row and its missing ids may still be requested."""
    return hole.state in {"reported", "changed"} and bool(hole.parts) and hole.has_rows


def _gap_id(stream: StreamState, due_row: DueRow) -> str:
    return due_row.gap_id(stream.key, chained=stream.rule is IdRule.CHAINED)
