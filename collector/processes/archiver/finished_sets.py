"""What becomes of a set that came out of the uploads: removed once the store has confirmed it, or made again."""

from collections import deque
from pathlib import Path

from collector.domain.errors import RetryError, SetAsideError
from collector.domain.log import Log
from collector.processes.archiver.local_copies import LocalCopies
from collector.processes.archiver.report import ReportBuilder
from collector.processes.archiver.segment_replacement import SegmentReplacement
from collector.processes.archiver.segment_retries import REMOVAL, SegmentRetries
from collector.processes.archiver.uploads import ConfirmedSet, FailedSet, Uploads
from collector.storage.segment.attempts import forget_counts
from collector.storage.segment.sealed_segment import remove_segment
from collector.storage.staging.staged_set import SetSummary, remove_set


class FinishedSets:
    """Adds sets to the uploads, and settles each that comes out of them."""

    def __init__(
        self, segments: Path, staging: Path, uploads: Uploads, replacement: SegmentReplacement, retries: SegmentRetries,
        copies: LocalCopies, progress: ReportBuilder, log: Log,
    ) -> None:  # fmt: skip
        self._segments = segments
        self._staging = staging
        self._uploads = uploads
        self._replacement = replacement
        self._retries = retries
        self._copies = copies
        self._progress = progress
        self._log = log
        self._confirmed: deque[ConfirmedSet] = deque()
        self._failed: deque[FailedSet] = deque()
        self.damaged: dict[str, Path] = {}
        """Folders of damaged sets without a segment, by segment: they wait for quarantine."""

    @property
    def confirmed_ids(self) -> set[str]:
        """Segments that the store has confirmed and that are still on the disk."""
        return {found.folder.name for found in self._confirmed}

    @property
    def unsettled_ids(self) -> set[str]:
        """Segments whose sets came out of the uploads and are still on the disk."""
        return self.confirmed_ids | {found.folder.name for found in self._failed} | self.damaged.keys()

    def add(self, folder: Path, *, check_first: bool) -> None:
        """Let a set go up. `check_first`: the store may hold some of it already."""
        try:
            self._uploads.add(folder, check_first=check_first)
        except (SetAsideError, RetryError) as error:
            self._settle_failed(FailedSet(folder, error))

    def settle(self) -> None:
        """Take what came out of the uploads, and the sets whose deferral is over."""
        confirmed, failed = self._uploads.take_finished()
        self._confirmed.extend(confirmed)
        self._failed.extend(failed)
        if not self._remove_confirmed():
            return
        for folder in (self._staging / name for name in self._retries.deferred.due() if name not in self._uploads.ids):
            self._retry(folder)
        while self._failed:
            self._settle_failed(self._failed.popleft())

    def remove(self, folder: Path, summary: SetSummary) -> None:
        """Remove a segment that the store holds whole, and its set if there is one. Raises OSError."""
        self._copies.keep(folder)
        path = self._segments / f"{folder.name}.db"
        remove_segment(path)
        forget_counts(path)
        if folder.exists():
            remove_set(folder)
        self._retries.forget(summary.segment_id)
        self._replacement.forget(summary.segment_id)
        self._progress.note_archived(summary)
        about = {"rows": summary.rows, "gaps": summary.gaps, "objects": summary.objects}
        self._log.info("segment_archived", segment=summary.segment_id, **about)

    def _remove_confirmed(self) -> bool:
        """False if the disk refused."""
        while self._confirmed and self._retries.backoffs.is_over(REMOVAL):
            folder, summary = self._confirmed[0]
            try:
                self.remove(folder, summary)
            except OSError as error:
                self._retries.disk_failed(REMOVAL, f"{folder.name} cannot be removed: {error}")
                return False
            self._confirmed.popleft()
            self._retries.disk_works(REMOVAL)
        return True

    def _retry(self, folder: Path) -> None:
        """Add a deferred set again. A deferred segment without a set is scheduled again by itself."""
        if folder.exists():
            if folder.name not in self.damaged:
                self.add(folder, check_first=True)
        elif not (self._segments / f"{folder.name}.db").exists():
            # Somebody removed both.
            self._retries.deferred.release(folder.name)

    def _settle_failed(self, failed: FailedSet) -> None:
        """Defer the set, or drop it where its segment is there to make it again; without one it is damaged for good."""
        folder, error = failed
        path = self._segments / f"{folder.name}.db"
        if isinstance(error, RetryError):
            self._retries.deferred.hold(folder.name, str(error))
            return
        self._retries.deferred.release(folder.name)
        if path.exists():
            remove_set(folder)
            self._retries.segment_failed(path, error)
        else:
            self._log.warning("set_damaged", segment=folder.name, error=str(error))
            self.damaged[folder.name] = folder
