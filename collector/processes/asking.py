"""What the writer asks of repair: the trades of each gap, and a whole book wherever a chain of updates begins."""

from collections.abc import Mapping
from typing import Final

from collector.domain.records import Gap
from collector.domain.repairs import BOOK, BookRequest, TradesRequest
from collector.domain.sequence.hole import Finding
from collector.exchanges.rest import RestSide
from collector.processes.batch import Batch
from collector.processes.streams import Stream

MAX_ASKED_IDS: Final = 100_000_000
"""A request spans no more. That takes half a day already, at a thousand an answer: more is an id that jumped, no outage."""


class Asking:
    """Adds requests to the batch it was last given, for the feeds that are mended. The same input asks for the same."""

    def __init__(self, sides: Mapping[str, RestSide]) -> None:
        self._sides = sides
        self._batch = Batch()

    def begin(self, batch: Batch) -> None:
        """Add to this batch from now on."""
        self._batch = batch

    def gap(self, stream: Stream, finding: Finding, row: Gap) -> Gap:
        """Ask for what is missing; returns its row, which says so where it cannot be had."""
        side, hole = self._sides.get(stream.feed), finding.hole
        if side is None or finding.status != "open" or hole.lasts:
            # The closing row of what lasts will ask for all of it at once.
            return row
        if stream.key.data_type != BOOK and self._ask(stream, side, finding, row.gap_id):
            return row
        # Nobody sends single updates again; a whole book only makes what follows readable.
        hole.state = "ended"
        return row._replace(status="unrepairable")

    def _ask(self, stream: Stream, side: RestSide, finding: Finding, gap_id: str) -> bool:
        hole = finding.hole
        first, last = hole.parts[0][0], hole.parts[-1][1]
        if last - first >= MAX_ASKED_IDS or side.page(stream.key, first) is None:
            return False
        self._batch.add_request(
            stream.feed, TradesRequest(stream.key, finding.series, gap_id, first, last, hole.until_us)
        )
        hole.asked = True
        return True

    def book(self, stream: Stream, from_id: int, at_us: int) -> None:
        """A chain of a stream begins with this id."""
        if stream.key.data_type == BOOK and stream.feed in self._sides:
            series = stream.memory.progress.series
            self._batch.add_request(stream.feed, BookRequest(stream.key, series, from_id, at_us))
