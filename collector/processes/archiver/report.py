"""The archiver's report: what waits, how fast it is uploaded, the state of the store."""

from pathlib import Path
from typing import Final

from collector.domain.names import is_segment_id
from collector.domain.store_state import StoreState
from collector.folders import matching
from collector.processes.archiver.local_copies import LocalCopies
from collector.processes.archiver.segment_retries import SegmentRetries
from collector.processes.archiver.throughput import Throughput
from collector.processes.archiver.uploads import Uploads
from collector.reports import ArchiverReport
from collector.storage.segment.seal import sealed_segments
from collector.storage.staging.staged_set import SetSummary

_USUAL_RATIO: Final = 0.1
"""Assumed bytes of a set for each byte of its segment, until the first set is made."""


class ReportBuilder:
    """Counts what was done, estimates how long the rest takes, and builds the archiver's report."""

    def __init__(
        self, segments: Path, quarantine: Path, uploads: Uploads, store: StoreState, retries: SegmentRetries,
        copies: LocalCopies,
    ) -> None:  # fmt: skip
        self._segments = segments
        self._quarantine = quarantine
        self._uploads = uploads
        self._store = store
        self._retries = retries
        self._copies = copies
        self._throughput = Throughput()
        self._ratio = _USUAL_RATIO
        self.archived = 0
        self.quarantined = 0
        self.rows = 0
        self.bytes = 0

    @property
    def last_error(self) -> str | None:
        """Why segments wait; None if there is no error."""
        return self._store.error or self._retries.trouble or next(iter(self._retries.deferred.reasons.values()), None)

    def note_archived(self, summary: SetSummary) -> None:
        """Count a segment that the store has confirmed."""
        self.archived += 1
        self.rows += summary.rows
        self.bytes += summary.bytes

    def note_staged(self, segment_bytes: int, set_bytes: int) -> None:
        """Note the sizes of a segment and of its set."""
        self._ratio = set_bytes / segment_bytes

    def build(self, now: float) -> ArchiverReport:
        """The report as of now; `now` is monotonic."""
        sealed = {path.stem: path.stat() for path in sealed_segments(self._segments)}
        staged = set(self._uploads.ids)
        unstaged_bytes = sum(stat.st_size for name, stat in sealed.items() if name not in staged)
        since_us = [stat.st_mtime_ns // 1_000 for stat in sealed.values()]
        since_us += [summary.sealed_us for summary in self._uploads.summaries if summary.segment_id not in sealed]
        self._throughput.note(now, self._uploads.uploaded_bytes, idle=not since_us)
        per_sec = self._throughput.per_sec() if self._store.is_there else None
        to_go_bytes = self._uploads.bytes_left + unstaged_bytes * self._ratio
        return ArchiverReport(
            archived=self.archived,
            quarantined=self.quarantined,
            in_quarantine=sum(is_segment_id(path.name.removesuffix(".db")) for path in matching(self._quarantine, "*")),
            uploaded_objects=self._uploads.uploaded_objects,
            failed_uploads=self._uploads.failed_uploads,
            store_tries_failed=sorted(self._store.failed_tries.items()),
            store_state=self._store.state,
            store_away_secs=round(self._store.away_secs(now), 3),
            store_known=self._store.is_known,
            backlog_segments=len({*sealed, *staged, *self._retries.deferred.reasons}),
            backlog_objects=self._uploads.objects_left,
            backlog_bytes=self._uploads.bytes_left + unstaged_bytes,
            backlog_since_us=min(since_us, default=None),
            bytes_per_sec=None if per_sec is None else round(per_sec),
            last_error=self.last_error,
            eta_secs=round(to_go_bytes / per_sec, 1) if per_sec and since_us else None,
            rows=self.rows,
            bytes=self.bytes,
            local_bytes=self._copies.bytes,
        )
