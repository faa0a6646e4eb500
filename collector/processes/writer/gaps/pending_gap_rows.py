"""Rows of the gap ledger for the next commit; each is counted and reported once."""

from collector.domain.counts import GAP_CODES
from collector.domain.gap_stretches import GapStretch, RowAllowance
from collector.domain.records import Gap, StreamKey
from collector.processes.writer.batch import CommitBatch, Counts, gap_labels
from collector.processes.writer.streams import StreamState, StreamTable

Stretches = dict[str, GapStretch]
"""A feed's running stretches, by kind, symbol and data type; committed with the rows.

Checksums that contradict a book, and checks that were not made, are stretches apart.
"""


class PendingGapRows:
    """Adds rows to the current batch."""

    def __init__(self, streams: StreamTable, counts: Counts) -> None:
        self._streams = streams
        self._counts = counts
        self.batch = CommitBatch()

    def add(self, place: StreamKey, gap: Gap) -> None:
        """Add a row and count it."""
        self.batch.add_gap(place, gap)
        self._counts.newest_gaps.append((place.exchange, place.symbol, gap))
        stream, code = self._streams.get(place), GAP_CODES.get((gap.kind, gap.status))
        if stream is None or code is None or stream.key.data_type != gap.stream_type:
            self._counts.strays[gap_labels(place.exchange, place.symbol, gap)] += 1
            return
        stream.gaps[code] = stream.gaps.get(code, 0) + 1
        self.touch(stream)

    def touch(self, stream: StreamState) -> None:
        """Store the stream's state with the next commit, because it has changed."""
        self.batch.touched[stream.stream_id] = stream

    def count(self, stretches: Stretches, trouble: GapStretch) -> None:
        """Count a message in its running stretch, or begin one: `trouble`, a new stretch with this one message."""
        name = _name(trouble.place, trouble.kind, trouble.cause)
        known = self._running(stretches, name, trouble.started_us)
        if known is not None:
            known.extend(trouble.started_us)
            return
        stretches[name] = trouble
        self.add(trouble.place, trouble.opening())

    def add_or_count(self, stretches: Stretches, place: StreamKey, gap: Gap, at_us: int) -> None:
        """Add a gap with a row of its own, or count it in a shared row if there are too many in one stretch."""
        name = _name(place, gap.kind, gap.cause)
        known = self._running(stretches, name, at_us)
        if known is None:
            allowance = RowAllowance()
            known = stretches[name] = GapStretch(place, gap.kind, gap.cause, at_us, at_us, None, allowance=allowance)
        known.extend(at_us)
        if known.allowance is None:
            return
        if known.allowance.grants(at_us):
            self.add(place, gap)
            return
        stretches[name] = GapStretch(place, gap.kind, gap.cause, gap.started_at, at_us, None)
        self.add(place, stretches[name].opening())

    def end_stretches(self, stretches: Stretches, now_us: int) -> None:
        """Close the stretches that are over."""
        for name in list(stretches):
            self._running(stretches, name, now_us)

    def close_stretches(self, stretches: Stretches, now_us: int) -> None:
        """Close all stretches, because they will not be checked again."""
        for name in list(stretches):
            self._close(stretches, name, now_us)

    def close_rows(self, stretches: Stretches, now_us: int) -> None:
        """Close the stretches whose gaps share a row; the others continue, with what is left of their allowance."""
        for name in [name for name, stretch in stretches.items() if stretch.is_one_gap]:
            self._close(stretches, name, now_us)

    def update_stretches(self, stretches: Stretches, now_us: int) -> None:
        """Add a newer row for each stretch whose row is out of date."""
        for stretch in stretches.values():
            row = stretch.update(now_us)
            if row is not None:
                self.add(stretch.place, row)

    def _running(self, stretches: Stretches, name: str, now_us: int) -> GapStretch | None:
        """The stretch with that name; None if there is none or it is over, in which case it is closed."""
        known = stretches.get(name)
        if known is not None and known.is_over(now_us):
            self._close(stretches, name, now_us)
            return None
        return known

    def _close(self, stretches: Stretches, name: str, now_us: int) -> None:
        stretch = stretches.pop(name)
        if stretch.is_one_gap:
            self.add(stretch.place, stretch.closing(now_us))


def _name(place: StreamKey, kind: str, cause: str) -> str:
    what = "not checked" if kind == "checksum" and cause != "exchange" else kind
    return f"{what} {place.symbol} {place.data_type}"
