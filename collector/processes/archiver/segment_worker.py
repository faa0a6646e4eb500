"""One step at a time on one segment: make its set, let the set take its place, or put it into quarantine."""

from collections.abc import Callable
from pathlib import Path

from collector.domain.errors import RetryError, StopError, StoreError, UnreadableError
from collector.domain.log import Log
from collector.domain.store_state import StoreState
from collector.processes.archiver.finished_sets import FinishedSets
from collector.processes.archiver.quarantine import Quarantine
from collector.processes.archiver.report import ReportBuilder
from collector.processes.archiver.schedule import SegmentSchedule
from collector.processes.archiver.segment_replacement import SegmentReplacement
from collector.processes.archiver.segment_retries import DISK, SegmentRetries
from collector.processes.archiver.stager import MAX_ATTEMPTS, Stager, find_archived
from collector.processes.archiver.store_call import StoreCall
from collector.processes.archiver.uploads import Uploads
from collector.storage.segment.attempts import Attempts


class LeftUndoneError(Exception):
    """The stop deadline is near: what is being made is abandoned, and made again after the next start."""


class SegmentWorker:
    """Whatever is wrong with one segment, the others go on."""

    def __init__(
        self, *, staging: Path, store: StoreCall, state: StoreState, schedule: SegmentSchedule, stager: Stager,
        replacement: SegmentReplacement, quarantine: Quarantine, uploads: Uploads, finished: FinishedSets,
        retries: SegmentRetries, progress: ReportBuilder, log: Log,
    ) -> None:  # fmt: skip
        self._staging = staging
        self._store = store
        self._state = state
        self._schedule = schedule
        self._stager = stager
        self._replacement = replacement
        self._quarantine = quarantine
        self._uploads = uploads
        self._finished = finished
        self._retries = retries
        self._progress = progress
        self._log = log
        self._turn = 0

    def work(self) -> bool:
        """Take one step; false if there is nothing to do at present. Raises StopError."""
        for name, folder in self._finished.damaged.items():
            if self._state.is_there and self._retries.backoffs.is_over(name):
                return self._try(folder, self._quarantine_set)
        path = self._schedule.next(
            self._turn, store_is_there=self._state.is_there, confirmed=self._finished.confirmed_ids
        )
        if path is None:
            return False
        if path.stem in self._uploads.ids:
            return self._try(path, self._replacement.replace)
        return self._try(path, self._stage_or_quarantine)

    def _try(self, path: Path, step: Callable[[Path], None]) -> bool:
        self._turn += 1
        try:
            with self._retries.interrupted.working_on(path.stem):
                step(path)
        except StopError:
            raise
        except LeftUndoneError:
            self._log.info("segment_left_undone", segment=path.stem)
        except StoreError as error:
            if self._state.is_there:
                self._retries.deferred.hold(path.stem, str(error))
        except UnreadableError as error:
            self._retries.deferred.hold(path.stem, str(error))
        except (RetryError, OSError) as error:
            self._retries.disk_failed(DISK, str(error))
        except Exception as error:  # noqa: BLE001 -- logged with its trace
            self._retries.segment_failed(path, error)
        else:
            self._retries.disk_works(DISK)
        return True

    def _stage_or_quarantine(self, path: Path) -> None:
        folder = self._staging / path.stem
        if Attempts(path).count() >= MAX_ATTEMPTS:
            self._quarantine_segment(path)
        elif self._state.is_there and (archived := find_archived(path, self._store)) is not None:
            self._finished.remove(folder, archived)
        else:
            summary = self._stager.stage(path)
            self._retries.segment_staged(path.stem)
            self._progress.note_staged(path.stat().st_size, summary.bytes)
            self._finished.add(folder, check_first=False)

    def _quarantine_segment(self, path: Path) -> None:
        self._quarantine.segment(path)
        self._retries.forget(path.stem)
        self._progress.quarantined += 1

    def _quarantine_set(self, folder: Path) -> None:
        is_quarantined = self._quarantine.set(folder)
        del self._finished.damaged[folder.name]
        self._retries.forget(folder.name)
        self._progress.quarantined += is_quarantined
