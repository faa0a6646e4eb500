"""How far the exchange's clock is from the recorder's around each gap, told by the rows on either side of it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from collector.domain.records import BACKFILLED_LINE, Gap
from collector.read.ledger.gaps import LedgerRow
from collector.read.window import row_times


class Sides(NamedTuple):
    """Microseconds by which the exchange's time of a row is ahead of the recorder's; 0 where there is no such row."""

    before_us: int = 0
    behind_us: int = 0


class ClockSkew:
    """Looks at the rows of a stream, which come in order."""

    def __init__(self, gaps: Iterable[LedgerRow]) -> None:
        self._waiting = [row.gap for row in gaps]
        self._sides: defaultdict[str, Sides] = defaultdict(Sides)

    def around(self, gap: Gap) -> Sides:
        """The last row before the gap, and the first one behind it."""
        return self._sides[gap.gap_id]

    def watched(self, tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """The same tables, each looked at."""
        for table in tables:
            if self._waiting:
                self._look(table.filter(pc.not_equal(table["line"], BACKFILLED_LINE)))
            yield table

    def _look(self, table: pa.Table) -> None:
        if not table.num_rows:
            return
        received = row_times(table, "received")
        ahead = pc.subtract(row_times(table, "exchange"), received)
        first, last = (bound.as_py() for bound in pc.min_max(received).values())
        latest = ahead[-1].as_py()
        waiting = []
        for gap in self._waiting:
            if last <= gap.started_at:
                self._note(gap, before_us=latest)
            elif first <= gap.started_at:
                self._note(gap, before_us=ahead.filter(pc.less_equal(received, gap.started_at))[-1].as_py())
            if gap.ended_at is None or last < gap.ended_at:
                waiting.append(gap)
            else:
                self._note(gap, behind_us=ahead.filter(pc.greater_equal(received, gap.ended_at))[0].as_py())
        self._waiting = waiting

    def _note(self, gap: Gap, **sides: int) -> None:
        self._sides[gap.gap_id] = self._sides[gap.gap_id]._replace(**sides)
