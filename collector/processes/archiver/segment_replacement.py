"""Replaces a segment by its set on the disk while the store is away, if the set takes less room.

A set of few streams does (docs/BENCHMARKS.md); each object has a few kB of its own, so one of many small streams does not.
"""

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
        self._with_larger_set: set[str] = set()

    def may_replace(self, path: Path) -> bool:
        """Whether the segment may be replaced by its set now.

        Not one that goes into quarantine, which needs the store; not one whose set did not match it twice, or is larger;
        and for a while not one that could not be read.
        """
        if path.stem in self._with_larger_set:
            return False
        is_sound = Attempts(path).count() < MAX_ATTEMPTS and self._mismatches[path.stem] <= 1
        return is_sound and self._backoffs.is_over(_pause_of(path.stem))

    def replace(self, path: Path) -> None:
        """Remove the segment if its set matches it. Otherwise the set is made once more; if it differs again, both stay.

        A set that is larger than its segment goes instead, and is made again when the store is back.
        """
        folder, bytes_before = self._staging / path.stem, path.stat().st_size
        bytes_of_set = sum(file.stat().st_size for file in folder.iterdir())
        if bytes_of_set >= bytes_before:
            self._log.info("segment_kept", segment=path.stem, bytes=bytes_before, bytes_of_set=bytes_of_set)
            self._with_larger_set.add(path.stem)
            self._discard(folder)
            return
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
        self._log.info("segment_replaced", segment=path.stem, bytes_before=bytes_before, bytes_now=bytes_of_set)

    def forget(self, segment_id: str) -> None:
        """The segment is archived."""
        del self._mismatches[segment_id]
        self._with_larger_set.discard(segment_id)
        self._backoffs.forget(_pause_of(segment_id))

    def _discard(self, folder: Path) -> None:
        self._uploads.drop(folder.name)
        remove_set(folder)


def _pause_of(segment_id: str) -> str:
    """The name of the backoff for replacing the segment; other work on it does not wait."""
    return f"replace {segment_id}"
