"""How far the writer is behind each journal as of now. No I/O, no clock."""

from collections.abc import Mapping

from msgspec.structs import replace

from collector.monitoring.silences import REPORTING_SECS
from collector.reports import JournalLag, WriterReport


class JournalLags:
    """Extends the lags of the writer's newest report by what was received since that report."""

    def __init__(self) -> None:
        self._updated_us = 0
        self._bytes_then: Mapping[str, int] = {}

    def update(self, report: WriterReport, received_bytes: Mapping[str, int], now_us: int) -> list[JournalLag]:
        """Each journal's lag as of now; `received_bytes` is what each feed has appended to its journal so far."""
        if report.updated_us != self._updated_us:
            self._updated_us, self._bytes_then = report.updated_us, received_bytes
        unreported_secs = (now_us - report.updated_us) / 1e6
        bytes_since = {feed: total - self._bytes_then.get(feed, 0) for feed, total in received_bytes.items()}
        return [_grown(journal, unreported_secs, bytes_since.get(journal.feed, 0)) for journal in report.journals]


def _grown(journal: JournalLag, unreported_secs: float, bytes_since: int) -> JournalLag:
    """The lag as of now: if the writer's report is old it grows by the time and the bytes since then."""
    is_late = unreported_secs > REPORTING_SECS
    lag_bytes = journal.lag_bytes + (bytes_since if is_late else 0)
    # A journal of which nothing is unread is not behind, however long ago the report was.
    lag_secs = journal.lag_secs + (unreported_secs if is_late and lag_bytes else 0.0)
    return replace(journal, lag_bytes=lag_bytes, lag_secs=round(lag_secs, 3))
