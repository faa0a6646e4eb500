"""The archiver: sealed segments in, objects in a store out. One loop decides everything; threads wait for the store.

1. `segment_worker` stages the next sealed segment: it becomes a *set* of Parquet files in `staging/`.
2. `uploads` uploads the set, and the store confirms each file.
3. `finished_sets` removes the segment and its set once the store has confirmed all of it.

While the store is away, sets are made all the same, and each replaces its segment on the disk.

What happens on an error: a store that fails, in whatever way, or a disk that takes no files, is retried forever. A stop
does not wait for it, unless `archive.upload_on_stop` is set: what is left waits on disk, which is no failure. A set that
a working store does not take is deferred alone, and so is a file that cannot be read at present. Data of a newer version
stops the process. Any other error counts against its segment: after MAX_ATTEMPTS of them, crashes of the process while
it worked on the segment included, the segment goes into quarantine, and the others go on.
"""

import gc
from collections.abc import Callable
from typing import Final

from collector.channel.channel import Notice
from collector.domain.clock import Every
from collector.domain.store_state import StoreState
from collector.exchanges.adapter import Adapter
from collector.exchanges.registry import adapter
from collector.processes.archive_store import open_archive
from collector.processes.archiver.backoff import new_delays
from collector.processes.archiver.finished_sets import FinishedSets
from collector.processes.archiver.local_copies import LOOK_SECS, LocalCopies
from collector.processes.archiver.quarantine import Quarantine
from collector.processes.archiver.report import ReportBuilder
from collector.processes.archiver.schedule import SegmentSchedule
from collector.processes.archiver.segment_replacement import SegmentReplacement
from collector.processes.archiver.segment_retries import SegmentRetries
from collector.processes.archiver.segment_worker import LeftUndoneError, SegmentWorker
from collector.processes.archiver.stager import Stager
from collector.processes.archiver.store_call import StoreCall
from collector.processes.archiver.store_health import StoreHealth
from collector.processes.archiver.thread_pool import DaemonThreadPool
from collector.processes.archiver.uploads import TURN_SECS, Uploads
from collector.processes.context import Context
from collector.processes.disk_space import free_bytes
from collector.storage.segment.attempts import forget_attempts
from collector.storage.segment.seal import sealed_segments
from collector.storage.staging.local_archive import LocalArchive
from collector.storage.staging.staged_set import clear_leftovers, set_folders
from collector.storage.store.object_store import ObjectStore
from collector.storage.store.open import is_remote

POLL_SECS: Final = 1.0
"""How often the segments folder is listed while no notice comes."""

REPORT_SECS: Final = 1.0
_STOP_POLL_SECS: Final = 0.2

_PATIENCE_SHARE: Final = 1 / 3
"""Share of the stop deadline to wait for a store that answers nothing; earlier stages of the stop used some of it."""

_COLLECT_AFTER: Final = 50_000
"""Python objects made before the garbage collector runs. Rows form no cycles, and collecting took 1/7 of the time."""


def main(context: Context) -> None:
    """Archive sealed segments until told to stop, then those sealed by then. Raises StopError."""
    gc.set_threshold(_COLLECT_AFTER)
    store = open_archive(context.config, lambda text: context.log.warning("store_asked_otherwise", text=text))
    Archiver(context, store, adapter).run()


class Archiver:
    """`run` returns once it was told to stop and nothing is left that the store takes."""

    def __init__(self, context: Context, store: ObjectStore, adapter_of: Callable[[str], Adapter]) -> None:
        self._context = context
        self._log = context.log
        self._now = context.clock.monotonic
        archive, data_dir = context.config.archive, context.config.data_dir
        self._segments = data_dir / "segments"
        self._staging = data_dir / "staging"
        self._is_remote = is_remote(store.url)
        self._state = StoreState(
            lambda state: new_delays(state, archive.retry_base_delay_secs, archive.retry_max_delay_secs)
        )
        self._retries = SegmentRetries(
            self._segments, self._staging,
            lambda: new_delays("away", archive.retry_base_delay_secs, archive.retry_max_delay_secs),
            self._now, context.log,
        )  # fmt: skip
        self._pool = DaemonThreadPool(archive.concurrency)
        self._health = StoreHealth(self._state, self._now, context.log)
        self._uploads = Uploads(store, self._pool, self._health, self._retries.deferred, self._now, archive.concurrency)
        self._copies = self._new_copies()
        self._progress = ReportBuilder(
            self._segments, data_dir / "quarantine", self._uploads, self._state, self._retries, self._copies
        )
        stager = Stager(self._staging, adapter_of, self._tick_or_leave)
        replacement = SegmentReplacement(self._staging, stager, self._uploads, self._retries.backoffs, context.log)
        self._finished = FinishedSets(
            self._segments, self._staging, self._uploads, replacement, self._retries, self._copies, self._progress,
            context.log,
        )  # fmt: skip
        calls = StoreCall(store, self._pool, self._health, self._uploads, self._now, self._tick)
        self._worker = self._new_worker(calls, stager, replacement, adapter_of)
        self._is_stopping = False
        self._told = 0
        self._reports = Every(REPORT_SECS, self._now)

    def _new_copies(self) -> LocalCopies:
        config, clock = self._context.config, self._context.clock
        return LocalCopies(
            LocalArchive(config.data_dir / "local", self._tick),
            config.archive.local_days if self._is_remote else 0,
            config.journal,
            lambda: free_bytes(config.data_dir / "local"),
            clock.now_us,
            Every(LOOK_SECS, self._now),
            self._log,
        )

    def _new_worker(
        self, calls: StoreCall, stager: Stager, replacement: SegmentReplacement, adapter_of: Callable[[str], Adapter]
    ) -> SegmentWorker:
        config = self._context.config
        return SegmentWorker(
            staging=self._staging,
            store=calls,
            state=self._state,
            schedule=SegmentSchedule(self._segments, self._uploads, replacement, self._retries),
            stager=stager,
            replacement=replacement,
            quarantine=Quarantine(
                calls,
                config.data_dir,
                config.host_name,
                config.archive.compression_level,
                self._copies,
                adapter_of,
                self._tick_or_leave,
                self._log,
            ),
            uploads=self._uploads,
            finished=self._finished,
            retries=self._retries,
            progress=self._progress,
            log=self._log,
        )

    def run(self) -> None:
        """Archive until told to stop, then until nothing is left that can be archived now."""
        try:
            self._begin()
            self._work()
        finally:
            self._pool.shutdown()
        self._report()

    def _begin(self) -> None:
        self._retries.interrupted.charge_previous_run(after_crash=self._context.after_crash)
        clear_leftovers(self._staging)
        forget_attempts(self._segments)
        for folder in set_folders(self._staging):
            self._finished.add(folder, check_first=True)
            self._tick()
        if self._is_remote:
            self._uploads.check_store()

    def _work(self) -> None:
        while True:
            self._heed_stop()
            self._finished.settle()
            self._notify()
            self._copies.look()
            if self._is_stopping and self._is_over():
                break
            worked = self._worker.work()
            self._tick()
            if not worked:
                self._wait()

    def _notify(self) -> None:
        """Tell who commits tables that there are more segments in the archive."""
        if self._progress.archived != self._told:
            self._told = self._progress.archived
            self._context.sender.offer(Notice(self._context.role, "archived", 0, 0))

    def _heed_stop(self) -> None:
        if not self._is_stopping and self._context.stopping():
            self._is_stopping = True
            if self._context.renewed():
                return
            self._retries.begin_stop()
            self._state.hasten(self._now())
            if not self._context.config.archive.upload_on_stop:
                self._retries.interrupted.defer_killed()
                self._health.hurry(self._context.config.supervisor.stop_timeout_secs * _PATIENCE_SHARE)

    def _is_over(self) -> bool:
        """Whether nothing is left to do, or no time to do it; the log then says how many segments wait for a next start."""
        if self._context.renewed():
            return True
        deferred = set(self._retries.deferred.reasons)
        sealed = {path.stem for path in sealed_segments(self._segments)}
        waiting = {*sealed, *self._uploads.ids, *self._finished.unsettled_ids, *deferred}
        if not waiting:
            return True
        if not self._context.hurried() and not self._waits_in_vain(only_deferred=waiting == deferred):
            return False
        self._log.warning("segments_left_waiting", segments=len(waiting), error=self._progress.last_error)
        return True

    def _waits_in_vain(self, *, only_deferred: bool) -> bool:
        """Whether nothing of what is left can go up now, and `archive.upload_on_stop` does not ask to wait for it."""
        if self._context.config.archive.upload_on_stop or self._progress.last_error is None:
            return False
        return not self._state.is_there or self._retries.trouble is not None or only_deferred

    def _wait(self) -> None:
        """Wait for an upload to end or a segment to be sealed, but not for long."""
        if not self._uploads.turns(TURN_SECS) and not self._uploads.is_busy:
            soon = self._is_stopping or self._progress.last_error is not None
            self._context.receiver.wait(_STOP_POLL_SECS if soon else POLL_SECS)

    def _tick_or_leave(self) -> None:
        """As `_tick`, for steps that may be abandoned at any moment."""
        self._tick()
        if self._context.hurried():
            raise LeftUndoneError

    def _tick(self) -> None:
        self._uploads.turn(0.0)
        if self._reports.due():
            self._report()

    def _report(self) -> None:
        self._context.report(self._progress.build(self._now()))
