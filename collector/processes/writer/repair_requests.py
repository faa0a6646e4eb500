"""What the writer asks of repair: the trades of each gap, and a whole book wherever a chain of updates begins."""

from collections.abc import Collection
from typing import Final

from collector.domain.records import Gap, IdRule
from collector.domain.repair_protocol import BOOK, BookRequest, TradesRequest, trades_name
from collector.domain.sequence.hole import REFUSED, Finding, Hole
from collector.processes.rest_adapters import Mended
from collector.processes.writer.batch import CommitBatch
from collector.processes.writer.streams import StreamState

MAX_ASKED_IDS: Final = 100_000_000
"""A request spans no more. That takes half a day already, at a thousand an answer: more is an id that jumped, no outage."""


class RepairRequests:
    """Adds requests to the batch it was last given, for the feeds that are mended. The same input asks for the same."""

    def __init__(self, repaired: Mended) -> None:
        self._repaired = repaired
        self._batch = CommitBatch()

    def begin(self, batch: CommitBatch) -> None:
        """Add to this batch from now on."""
        self._batch = batch

    def gap(self, stream: StreamState, finding: Finding, row: Gap) -> Gap:
        """Ask for what is missing; returns its row, which says so where it cannot be had."""
        if finding.status != "open" or finding.hole.lasts:
            # The closing row of what lasts will ask for all of it at once.
            return row
        if self._is_never_asked(stream) or self._ask(stream, finding):
            return row
        # Nobody sends single updates again; a whole book only makes what follows readable.
        finding.hole.state = "ended"
        return row._replace(status="unrepairable")

    def withdraw(self, stream: StreamState, gap_id: str) -> None:
        """Nothing of this gap is waited for any more, whether or not it was asked for."""
        feed = self._repaired.feed_of.get(stream.key)
        if feed is not None and feed in self._repaired.sides and stream.key.data_type != BOOK:
            self._batch.withdraw_request(feed, trades_name(gap_id))

    def review(self, stream: StreamState, waiting: Collection[str]) -> bool:
        """Ask for what a row says is missing although no request for it is waiting; true if there is any.

        The feed may have had another name, repair may have been switched off, the request may be lost, or nobody may
        bring the stream any more.
        """
        if self._is_never_asked(stream):
            return False
        series = stream.dedup.progress.series
        findings = [Finding(series, hole, "open", None) for hole in stream.dedup.progress.holes]
        left = [finding for finding in findings if self._is_left(stream, finding, waiting)]
        for finding in left:
            if not self._ask(stream, finding):
                finding.hole.end()
        return bool(left)

    def _is_left(self, stream: StreamState, finding: Finding, waiting: Collection[str]) -> bool:
        hole = finding.hole
        if stream.key not in self._repaired.feed_of:
            return hole.state != "ended" and bool(hole.parts)
        return _is_open(hole) and trades_name(_gap_id(stream, finding)) not in waiting

    def book(self, stream: StreamState, from_id: int, at_us: int) -> None:
        """A chain of a stream begins with this id."""
        feed = self._repaired.feed_of.get(stream.key)
        if stream.key.data_type == BOOK and feed is not None and feed in self._repaired.sides:
            series = stream.dedup.progress.series
            self._batch.add_request(feed, BookRequest(stream.key, series, from_id, at_us))

    def _is_never_asked(self, stream: StreamState) -> bool:
        """Whether the stream's feed is not mended: what is missing may come late, or be asked for once it is."""
        feed = self._repaired.feed_of.get(stream.key)
        return feed is not None and feed not in self._repaired.sides

    def _ask(self, stream: StreamState, finding: Finding) -> bool:
        """Whether it can be had."""
        feed = self._repaired.feed_of.get(stream.key)
        if feed is None or stream.key.data_type == BOOK:
            return False
        hole = finding.hole
        first, last = hole.parts[0][0], hole.parts[-1][1]
        if last - first >= MAX_ASKED_IDS or self._repaired.sides[feed].page(stream.key, first) is None:
            return False
        gap_id = _gap_id(stream, finding)
        self._batch.add_request(feed, TradesRequest(stream.key, finding.series, gap_id, first, last, hole.until_us))
        hole.asked = True
        return True


def _is_open(hole: Hole) -> bool:
    """Whether a row says that it is missing, and more of it may be had."""
    return hole.state in {"reported", "changed"} and bool(hole.parts) and hole.cause != REFUSED


def _gap_id(stream: StreamState, finding: Finding) -> str:
    return finding.gap_id(stream.key, chained=stream.rule is IdRule.CHAINED)
