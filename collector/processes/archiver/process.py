"""The archiver: sealed segments in, objects in a store out. One loop decides everything; threads wait for the store.

A segment becomes a *set* of files in `staging/`, the set goes up, and once the store has confirmed all of it, segment
and set go. While the store takes nothing, sets are made all the same, and each takes its segment's place on the disk.

The fate of its errors: a store that fails, in whatever way, or a disk that takes no files, is tried again for ever, and
not waited for once the process shall stop (what is left waits on disk, and that is no failure), unless
`archive.upload_on_stop`. What a store does not take that takes others waits alone, and so does what cannot be read at
present. Data of a newer version stops it. Any other error is the segment's own: after three of them, crashes of the
process while it worked on the segment included, it is set aside, and the next goes on.
"""

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from collector.domain.clock import Every
from collector.domain.errors import RetryError, StopError, StoreError, UnreadableError
from collector.domain.store_state import StoreState
from collector.exchanges.adapter import Adapter
from collector.exchanges.registry import adapter
from collector.processes.archive_store import open_archive
from collector.processes.archiver.backoff import Backoffs, Deferred, new_delays
from collector.processes.archiver.deaths import Deaths
from collector.processes.archiver.failures import Failures
from collector.processes.archiver.quarantine import Quarantine
from collector.processes.archiver.report import Progress
from collector.processes.archiver.schedule import SegmentSchedule
from collector.processes.archiver.segment_replacement import SegmentReplacement
from collector.processes.archiver.stager import MAX_ATTEMPTS, Stager
from collector.processes.archiver.store_call import StoreCall
from collector.processes.archiver.store_health import StoreHealth
from collector.processes.archiver.thread_pool import DaemonThreadPool
from collector.processes.archiver.uploads import Uploads
from collector.processes.context import Context
from collector.storage.segment.attempts import Attempts, forget_attempts, forget_counts
from collector.storage.segment.seal import sealed_segments
from collector.storage.segment.sealed_segment import remove_segment
from collector.storage.staging.staged_set import SetSummary, clear_leftovers, remove_set, set_folders
from collector.storage.store.object_store import ObjectStore
from collector.storage.store.open import is_remote

T = TypeVar("T")


class _LeftUndoneError(Exception):
    """The time of a stop is nearly up: what is being made is left, and made anew after the next start."""


POLL_SECS: Final = 1.0
"""How often the folder is looked at when no notice comes."""

REPORT_SECS: Final = 1.0
TURN_SECS: Final = 0.5
"""How long the loop waits for an upload to end before it shows that it is not stuck."""

_STOP_POLL_SECS: Final = 0.2

_PATIENCE_SHARE: Final = 1 / 3
"""The share of the stop deadline for which a store that answers nothing is waited for: the stages before took some."""

_COLLECT_AFTER: Final = 50_000
"""Objects made before Python looks for cycles among them: rows are none, and the looking took a seventh of the time."""


def main(context: Context) -> None:
    """Archive what is sealed until told to stop, and then what is sealed by then. Raises StopError."""
    gc.set_threshold(_COLLECT_AFTER)
    store = open_archive(context.config, lambda text: context.log.warning("store_asked_otherwise", text=text))
    Archiver(context, store, adapter).run()


class Archiver:
    """`run` returns once it was told to stop and nothing is left that the store would take."""

    def __init__(self, context: Context, store: ObjectStore, adapter_of: Callable[[str], Adapter]) -> None:
        self._context = context
        self._log = context.log
        self._now = context.clock.monotonic
        archive, data_dir = context.config.archive, context.config.data_dir
        self._segments = data_dir / "segments"
        self._staging = data_dir / "staging"
        self._store = store
        self._state = StoreState(
            lambda state: new_delays(state, archive.retry_base_delay_secs, archive.retry_max_delay_secs)
        )
        self._pauses = Backoffs(
            lambda: new_delays("away", archive.retry_base_delay_secs, archive.retry_max_delay_secs), self._now
        )
        self._held = Deferred(self._pauses, context.log)
        self._hands = DaemonThreadPool(archive.concurrency)
        self._watch = StoreHealth(self._state, self._now, context.log)
        self._uploads = Uploads(store, self._hands, self._watch, self._held, self._now, archive.concurrency)
        self._inquiry = StoreCall(store, self._hands, self._watch, self._uploads, self._now)
        self._stager = Stager(store, self._staging, adapter_of, self._ask, self._tick_or_leave)
        self._takeover = SegmentReplacement(self._staging, self._stager, self._uploads, self._pauses, context.log)
        self._set_aside = Quarantine(
            store, data_dir, context.config.host_name, archive.compression_level, self._ask, self._tick_or_leave,
            context.log,
        )  # fmt: skip
        self._deaths = Deaths(self._segments, self._staging, self._held, self._pauses, context.log)
        self._choice = SegmentSchedule(
            self._segments, self._uploads, self._takeover, self._pauses, self._held, self._deaths
        )
        self._progress = Progress(self._segments, data_dir / "quarantine", self._uploads, self._state, self._held)
        self._turn = 0
        self._damaged: dict[str, Path] = {}
        self._failures = Failures(self._pauses, context.log)
        self._stopping = False
        self._reports = Every(REPORT_SECS, self._now)

    def run(self) -> None:
        """Work until told to stop, then until nothing is left."""
        try:
            self._begin()
            self._work()
        finally:
            self._hands.shutdown()
        self._report()

    def _begin(self) -> None:
        self._deaths.take_in(after_crash=self._context.after_crash)
        clear_leftovers(self._staging)
        forget_attempts(self._segments)
        for folder in set_folders(self._staging):
            self._uploads.add(folder, check_first=True)
            self._tick()
        if is_remote(self._store.url):
            self._uploads.look_at_store()

    def _work(self) -> None:
        while True:
            self._heed_stop()
            self._take_out()
            if self._stopping and self._is_over():
                break
            worked = self._work_on_a_segment()
            self._tick()
            if not worked:
                self._wait()

    def _heed_stop(self) -> None:
        if not self._stopping and self._context.stopping():
            self._stopping = True
            self._pauses.end_all()
            self._state.hasten(self._now())
            if not self._context.config.archive.upload_on_stop:
                self._deaths.hold_back()
                self._watch.hurry(self._context.config.supervisor.stop_timeout_secs * _PATIENCE_SHARE)

    def _is_over(self) -> bool:
        """Whether there is nothing more to do before leaving, or no time for it; says what is left behind."""
        held = set(self._held.reasons)
        left = {path.stem for path in sealed_segments(self._segments)} | {*self._uploads.ids, *self._damaged, *held}
        if not left and not self._uploads.delivered and not self._uploads.failed:
            return True
        if not self._context.hurried() and not self._waits_in_vain(only_held=left == held):
            return False
        self._log.warning("segments_left_waiting", segments=len(left), error=self._progress.last_error)
        return True

    def _waits_in_vain(self, *, only_held: bool) -> bool:
        """Whether nothing of what is left can go up now, and it need not."""
        if self._context.config.archive.upload_on_stop or self._progress.last_error is None:
            return False
        return not self._state.is_there or self._progress.trouble is not None or only_held

    def _wait(self) -> None:
        """Until an upload ends or a segment is sealed, but not for long."""
        if not self._uploads.turns(TURN_SECS) and not self._uploads.is_busy:
            soon = self._stopping or self._progress.last_error is not None
            self._context.receiver.wait(_STOP_POLL_SECS if soon else POLL_SECS)

    def _take_out(self) -> None:
        """Do what is to be done with the sets that came out of the uploads."""
        while self._uploads.delivered and self._pauses.is_over("delivered"):
            folder, summary = self._uploads.delivered[0]
            try:
                self._remove(folder, summary)
            except OSError as error:
                self._hold("delivered", f"{folder.name} cannot be removed: {error}")
                return
            self._uploads.delivered.popleft()
            self._progress.trouble = None
            self._pauses.forget("delivered")
        for folder in (self._staging / name for name in self._held.due() if name not in self._uploads.ids):
            self._take_up_again(folder)
        failed = list(self._uploads.failed)
        self._uploads.failed.clear()
        for folder, reason in failed:
            self._take_out_failed(folder, reason)

    def _take_up_again(self, folder: Path) -> None:
        """Its pause is over; a segment without a set comes to its turn by itself."""
        if folder.exists():
            if folder.name not in self._damaged:
                self._uploads.add(folder, check_first=True)
        elif not (self._segments / f"{folder.name}.db").exists():
            # Somebody took it away.
            self._held.release(folder.name)

    def _remove(self, folder: Path, summary: SetSummary) -> None:
        """The store has confirmed all of it."""
        path = self._segments / f"{folder.name}.db"
        remove_segment(path)
        forget_counts(path)
        if folder.exists():
            remove_set(folder)
        self._count(summary)

    def _count(self, summary: SetSummary) -> None:
        self._forget(summary.segment_id)
        self._takeover.forget(summary.segment_id)
        self._progress.note_archived(summary)
        about = {"rows": summary.rows, "gaps": summary.gaps, "objects": summary.objects}
        self._log.info("segment_archived", segment=summary.segment_id, **about)

    def _take_out_failed(self, folder: Path, error: Exception) -> None:
        """A set that is not what was made is made again from its segment, or set aside if it has none any more."""
        path = self._segments / f"{folder.name}.db"
        if isinstance(error, RetryError):
            self._held.hold(folder.name, str(error))
            return
        self._held.release(folder.name)
        if path.exists():
            remove_set(folder)
            self._note_attempt(path, error)
        else:
            self._log.warning("set_damaged", segment=folder.name, error=str(error))
            self._damaged[folder.name] = folder

    def _work_on_a_segment(self) -> bool:
        """One step on one segment, or one set that is damaged; false if there is nothing to do at present."""
        for name, folder in self._damaged.items():
            if self._state.is_there and self._pauses.is_over(name):
                return self._try(folder, self._put_set_aside)
        path = self._choice.next(self._turn, store_is_there=self._state.is_there)
        if path is None:
            return False
        if path.stem in self._uploads.ids:
            return self._try(path, self._takeover.replace)
        return self._try(path, self._stage_or_put_aside)

    def _try(self, path: Path, step: Callable[[Path], None]) -> bool:
        """Do a step; whatever is wrong with one segment, the others go on. Raises StopError."""
        self._turn += 1
        try:
            with self._deaths.noting(path.stem):
                step(path)
        except StopError:
            raise
        except _LeftUndoneError:
            self._log.info("segment_left_undone", segment=path.stem)
        except StoreError as error:
            if self._state.is_there:
                self._held.hold(path.stem, str(error))
        except UnreadableError as error:
            self._held.hold(path.stem, str(error))
        except (RetryError, OSError) as error:
            self._hold("disk", str(error))
        except Exception as error:  # noqa: BLE001 -- logged with its trace
            self._note_attempt(path, error)
        else:
            self._progress.trouble = None
            self._pauses.forget("disk")
        return True

    def _hold(self, name: str, trouble: str) -> None:
        """Leave something alone for a while."""
        if self._progress.trouble is None:
            self._log.warning("archiving_held_up", error=trouble)
        self._progress.trouble = trouble
        self._pauses.begin(name)

    def _note_attempt(self, path: Path, error: Exception) -> None:
        try:
            self._failures.note(path, error, pausing=not self._stopping)
        except RetryError as trouble:
            self._hold("disk", str(trouble))

    def _stage_or_put_aside(self, path: Path) -> None:
        if Attempts(path).count() >= MAX_ATTEMPTS:
            self._put_segment_aside(path)
            return
        if self._state.is_there and (held := self._stager.archived(path)) is not None:
            remove_segment(path)
            self._count(held)
            return
        summary = self._stager.stage(path)
        self._held.release(path.stem)
        self._pauses.forget(path.stem)
        self._deaths.forget(path.stem)
        self._progress.note_staged(path.stat().st_size, summary.bytes)
        self._uploads.add(self._staging / path.stem, check_first=False)

    def _put_segment_aside(self, path: Path) -> None:
        self._set_aside.segment(path)
        self._forget(path.stem)
        self._progress.quarantined += 1

    def _put_set_aside(self, folder: Path) -> None:
        is_quarantined = self._set_aside.set(folder)
        del self._damaged[folder.name]
        self._forget(folder.name)
        self._progress.quarantined += is_quarantined

    def _forget(self, segment_id: str) -> None:
        """It is done with: no trouble it had delays anything later."""
        self._failures.forget(segment_id)
        self._deaths.forget(segment_id)
        self._held.release(segment_id)
        self._pauses.forget(segment_id)

    def _ask(self, step: Callable[[], T]) -> T:
        return self._inquiry.call(step, self._tick, TURN_SECS)

    def _tick_or_leave(self) -> None:
        """As `_tick`, within a step that may be given up at any moment."""
        self._tick()
        if self._context.hurried():
            raise _LeftUndoneError

    def _tick(self) -> None:
        self._uploads.turn(0.0)
        if self._reports.due():
            self._report()

    def _report(self) -> None:
        self._context.report(self._progress.report(self._now()))
