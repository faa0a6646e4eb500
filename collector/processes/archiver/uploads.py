"""Uploads sets: several files at once, the oldest set first, its manifest once the store has confirmed all its objects.

The process's main thread decides everything and keeps all state; the pool's threads only put and confirm files.

A failed upload does not prove that the store is away: its set becomes a suspect, and the store is checked. If the check
succeeds, the fault is the set's: the set is deferred, each time longer, while the others go up. Otherwise the fault is
the store's. While the store is away it is only checked.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, TypeGuard

from collector.domain.errors import RetryError, SetAsideError, StoreError
from collector.processes.archiver.backoff import Deferred
from collector.processes.archiver.fair_order import newest_goes_next
from collector.processes.archiver.store_health import StoreHealth, as_store_error
from collector.processes.archiver.thread_pool import DaemonThreadPool
from collector.processes.archiver.upload_file import upload_and_confirm
from collector.processes.archiver.upload_set import UploadSet, is_object
from collector.storage.staging.staged_set import SetSummary, Upload, read_manifest, summary_of
from collector.storage.store.object_store import ObjectStore

_TURNS: Final = 100


TURN_SECS: Final = 0.5
"""How long the process waits for an upload, or an answer of the store, before it shows that it is not stuck."""


class _Task(NamedTuple):
    upload: tuple[UploadSet, Upload] | None
    """None for a check of the store."""
    asked_at: float


class ConfirmedSet(NamedTuple):
    """A set whose every file the store has confirmed."""

    folder: Path
    summary: SetSummary


class FailedSet(NamedTuple):
    """A set that cannot be uploaded as it is."""

    folder: Path
    error: Exception


class Uploads:
    """Each set is added once, comes out of `take_finished` once, and is then forgotten."""

    def __init__(
        self, store: ObjectStore, pool: DaemonThreadPool, health: StoreHealth, deferred: Deferred,
        monotonic: Callable[[], float], concurrency: int,
    ) -> None:  # fmt: skip
        self._store = store
        self._pool = pool
        self._health = health
        self._state = health.state
        self._deferred = deferred
        self._now = monotonic
        self._concurrency = concurrency
        self._sets: dict[str, UploadSet] = {}
        self._order: list[str] = []
        self._tasks: dict[Future[None], _Task] = {}
        self._suspects: dict[str, str] = {}
        """Why a file of the set failed, by segment, until the store is checked."""
        self._on_trial: dict[str, str] = {}
        """The suspects that the check under way decides about."""
        self._turn = 0
        self._confirmed: list[ConfirmedSet] = []
        self._failed: list[FailedSet] = []
        self.uploaded_objects = 0
        """Confirmed by the store; manifests are not counted."""
        self.uploaded_bytes = 0
        self.failed_uploads = 0
        """Files that the store refused or did not confirm; manifests are counted."""

    @property
    def ids(self) -> list[str]:
        """Segment ids of the sets that are not finished, oldest first."""
        return self._order

    @property
    def summaries(self) -> Iterable[SetSummary]:
        """Summaries of the sets that are not finished."""
        return (found.summary for found in self._sets.values())

    @property
    def objects_left(self) -> int:
        """Objects that the store has not confirmed yet."""
        return sum(found.objects_left for found in self._sets.values())

    @property
    def bytes_left(self) -> int:
        """Bytes of those objects."""
        return sum(found.bytes_left for found in self._sets.values())

    @property
    def is_busy(self) -> bool:
        """Whether an upload or a check is under way."""
        return bool(self._tasks)

    def add(self, folder: Path, *, check_first: bool) -> None:
        """Let a set go up. `check_first`: the store may hold some of it already.

        Raises DamagedError for a set without a sound manifest, RetryError for one that cannot be read at present.
        """
        summary = summary_of(read_manifest(folder))
        self._sets[folder.name] = UploadSet(folder, summary, check_first=check_first)
        self._order = sorted(self._sets)

    def drop(self, segment_id: str) -> None:
        """Forget a set; results of its uploads under way are ignored."""
        for known in (self._sets, self._suspects, self._on_trial):
            known.pop(segment_id, None)
        self._order = sorted(self._sets)

    def take_finished(self) -> tuple[list[ConfirmedSet], list[FailedSet]]:
        """The sets that were finished since the last call."""
        finished = self._confirmed, self._failed
        self._confirmed, self._failed = [], []
        return finished

    def check_store(self) -> None:
        """Begin a check whether the store takes objects."""
        self._on_trial |= self._suspects
        self._suspects.clear()
        self._submit(None, self._store.check)

    def turn(self, secs: float) -> bool:
        """Begin what can begin, wait up to `secs` for a result, and handle it; false if there was none."""
        self._begin()
        done = wait(list(self._tasks), secs, FIRST_COMPLETED).done if self._tasks else set()
        for future in done:
            self._handle_result(future, self._tasks.pop(future))
        if done:
            self._begin()
        elif self._tasks and self._state.is_there:
            self._give_up_if_silent()
        return bool(done)

    def turns(self, secs: float) -> bool:
        """As `turn`, then handle further results as they come, up to a limit: the caller has other work."""
        had_result = self.turn(secs)
        for _ in range(_TURNS):
            if not had_result or not self.turn(0.0):
                break
        return had_result

    def note_failure(self, error: RetryError, asked_at: float) -> None:
        """The store itself failed: uploads not begun wait until it is back, and no set is a suspect any more."""
        if self._health.failed(error, asked_at):
            for future in self._tasks:
                future.cancel()
        for segment_id in (*self._suspects, *self._on_trial):
            self._sets[segment_id].retry()
        self._suspects.clear()
        self._on_trial.clear()

    def require_answers(self, asked_at: float) -> None:
        """Raise StoreError, and note the failure, if the store has answered nothing for too long."""
        try:
            self._health.require_answers(asked_at)
        except StoreError as error:
            self.note_failure(error, self._now())
            raise

    def _give_up_if_silent(self) -> None:
        with suppress(StoreError):
            self.require_answers(min(task.asked_at for task in self._tasks.values()))

    def _begin(self) -> None:
        for segment_id in self._deferred.due():
            if segment_id in self._sets and segment_id not in self._suspects | self._on_trial:
                self._sets[segment_id].retry()
        while self._may_begin():
            if (self._suspects or not self._state.is_there) and not self._is_checking():
                self.check_store()
            elif self._state.is_there and (found := self._next_set()) is not None:
                self._begin_next_of(found)
            else:
                return

    def _may_begin(self) -> bool:
        if not self._state.may_ask(self._now()):
            return False
        # Twice as many as threads, so that a thread that is done need not wait for this one.
        return len(self._tasks) < (2 * self._concurrency if self._state.is_there else 1)

    def _is_checking(self) -> bool:
        return any(task.upload is None for task in self._tasks.values())

    def _next_set(self) -> UploadSet | None:
        newest_first = newest_goes_next(self._turn)
        in_turn = (self._sets[segment_id] for segment_id in (reversed(self._order) if newest_first else self._order))
        return next((found for found in in_turn if found.is_ready), None)

    def _begin_next_of(self, found: UploadSet) -> None:
        try:
            upload = found.next()
        except (SetAsideError, RetryError) as error:
            self._fail(found, error)
            return
        self._turn += 1
        work = partial(upload_and_confirm, self._store, upload, check_first=found.check_first)
        self._submit((found, upload), work)

    def _submit(self, upload: tuple[UploadSet, Upload] | None, work: Callable[[], None]) -> None:
        self._tasks[self._pool.submit(work)] = _Task(upload, self._now())

    def _handle_result(self, future: Future[None], task: _Task) -> None:
        error = None if future.cancelled() else future.exception()
        if error is not None and not isinstance(error, Exception):
            raise error
        if task.upload is None:
            if not future.cancelled():
                self._handle_check(error, task.asked_at)
            return
        owner, upload = task.upload
        owner.under_way -= 1
        if future.cancelled():
            owner.requeue(upload)
        elif error is None:
            self._health.succeeded(task.asked_at)
            self._count(owner, upload)
        elif _is_of_the_set(error):
            owner.error = owner.error or error
        else:
            self.failed_uploads += 1
            owner.set_aside(upload)
            self._suspect(owner, as_store_error(error), task.asked_at)
        if owner.error is not None and owner.under_way == 0:
            self._fail(owner, owner.error)

    def _suspect(self, owner: UploadSet, error: RetryError, asked_at: float) -> None:
        segment_id = owner.folder.name
        if not self._state.is_there or self._sets.get(segment_id) is not owner:
            owner.retry()
        elif self._state.is_own_trouble(asked_at):
            self._deferred.hold(segment_id, str(error))
        else:
            self._suspects[segment_id] = str(error)

    def _handle_check(self, error: Exception | None, asked_at: float) -> None:
        if error is not None:
            self.note_failure(as_store_error(error), asked_at)
            return
        self._health.succeeded(asked_at)
        for segment_id, reason in self._on_trial.items():
            self._deferred.hold(segment_id, reason)
        self._on_trial.clear()

    def _count(self, owner: UploadSet, upload: Upload) -> None:
        if owner.confirm(upload):
            self._deferred.release(owner.folder.name)
        if is_object(upload):
            self.uploaded_objects += 1
            self.uploaded_bytes += upload.info.size_bytes
        elif self._forget(owner):
            self._confirmed.append(ConfirmedSet(owner.folder, owner.summary))

    def _fail(self, found: UploadSet, error: Exception) -> None:
        if self._forget(found):
            self._failed.append(FailedSet(found.folder, error))

    def _forget(self, found: UploadSet) -> bool:
        """Drop a set; false if that was done before."""
        if self._sets.get(found.folder.name) is not found:
            return False
        self.drop(found.folder.name)
        return True


def _is_of_the_set(error: BaseException | None) -> TypeGuard[Exception]:
    """Whether a file of the set is at fault, for good or at present, and not the store."""
    return isinstance(error, SetAsideError | RetryError) and not isinstance(error, StoreError)
