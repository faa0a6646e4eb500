"""Replaces a segment by its set on the disk: while the store is away, recorded data takes less room."""

from collections import Counter
from pathlib import Path

from collector.domain.errors import DamagedError, RetryError, UnreadableError
from collector.domain.log import Log
from collector.processes.archiver.backoff import Backoffs
from collector.processes.archiver.stager import MAX_ATTEMPTS, Stager
from collector.processes.archiver.uploads import Uploads
from collector.storage.segment.attempts import Attempts, forget_counts
from collector.storage.segment.sealed_segment import remove_segment
from collector.storage.staging.staged_set import remove_set


class SegmentReplacement:
    """Remembers which sets did not match their segments. Raises RetryError while the disk takes no files."""

    def __init__(self, staging: Path, stager: Stager, uploads: Uploads, backoffs: Backoffs, log: Log) -> None:
        self._staging = staging
        self._stager = stager
        self._uploads = uploads
        self._backoffs = backoffs
        self._log = log
        self._mismatches: Counter[str] = Counter()

    def may_replace(self, path: Path) -> bool:
        """Whether the segment may be replaced by its set now.

        Not one that goes into quarantine, which needs the store; not one whose set did not match it twice; and for a
        while not one that could not be read.
        """
        is_sound = Attempts(path).count() < MAX_ATTEMPTS and self._mismatches[path.stem] <= 1
        return is_sound and self._backoffs.is_over(_pause_of(path.stem))

    def replace(self, path: Path) -> None:
        """Remove the segment if its set matches it. Otherwise the set is made once more; if it differs again, both stay."""
        folder, bytes_before = self._staging / path.stem, path.stat().st_size
        try:
            self._stager.require_lasting(path, folder)
        except DamagedError as error:
            self._log.warning("segment_not_replaced", segment=path.stem, error=str(error))
            self._mismatches[path.stem] += 1
            if self._mismatches[path.stem] == 1:
                self._discard(folder)
            return
        except UnreadableError as error:
            self._log.warning("segment_not_replaced", segment=path.stem, error=str(error))
            self._backoffs.begin(_pause_of(path.stem))
            return
        except RetryError:
            self._discard(folder)
            raise
        remove_segment(path)
        forget_counts(path)
        bytes_now = sum(file.stat().st_size for file in folder.iterdir())
        self._log.info("segment_replaced", segment=path.stem, bytes_before=bytes_before, bytes_now=bytes_now)

    def forget(self, segment_id: str) -> None:
        """The segment is archived."""
        del self._mismatches[segment_id]
        self._backoffs.forget(_pause_of(segment_id))

    def _discard(self, folder: Path) -> None:
        self._uploads.drop(folder.name)
        remove_set(folder)


def _pause_of(segment_id: str) -> str:
    """The name of the backoff for replacing the segment; other work on it does not wait."""
    return f"replace {segment_id}"
