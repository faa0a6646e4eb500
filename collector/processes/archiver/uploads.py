"""Sets on their way up: several files at once, oldest set first, its manifest once the store confirmed all its objects.

One thread, the process's own, decides and keeps all of this; the hands only put and confirm.

A file that is not taken says nothing of the store: its set is suspected, and the store is looked at. If it takes objects,
the trouble is the set's, which is held, each time longer, while the others go up; else it is the store's. While the store
takes nothing, it is only looked at.
"""

from collections import deque
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


class _Task(NamedTuple):
    going_up: tuple[UploadSet, Upload] | None
    """None for a look at the store."""
    asked_at: float


class Failure(NamedTuple):
    """A set that cannot go up as it is."""

    folder: Path
    error: Exception


class Uploads:
    """Sets are added once; they come out of `delivered` or `failed` and are then forgotten."""

    def __init__(
        self, store: ObjectStore, hands: DaemonThreadPool, watch: StoreHealth, held: Deferred, monotonic: Callable[[], float],
        concurrency: int,
    ) -> None:  # fmt: skip
        self._store = store
        self._hands = hands
        self._watch = watch
        self._state = watch.state
        self._held = held
        self._now = monotonic
        self._concurrency = concurrency
        self._sets: dict[str, UploadSet] = {}
        self._order: list[str] = []
        self._tasks: dict[Future[None], _Task] = {}
        self._suspects: dict[str, str] = {}
        self._looked_for: dict[str, str] = {}
        self._turn = 0
        self.delivered: deque[tuple[Path, SetSummary]] = deque()
        self.failed: deque[Failure] = deque()
        self.uploaded_objects = 0
        """Confirmed by the store; manifests are not counted."""
        self.uploaded_bytes = 0
        self.failed_uploads = 0
        """Files that the store refused or did not confirm; manifests are counted."""

    @property
    def ids(self) -> list[str]:
        """Of every set that has not come out, oldest first."""
        return self._order

    @property
    def summaries(self) -> Iterable[SetSummary]:
        """What is known of each."""
        return (found.summary for found in self._sets.values())

    @property
    def objects_left(self) -> int:
        """Objects not confirmed yet."""
        return sum(found.objects_left for found in self._sets.values())

    @property
    def bytes_left(self) -> int:
        """Their bytes."""
        return sum(found.bytes_left for found in self._sets.values())

    @property
    def is_busy(self) -> bool:
        """Whether anything is under way."""
        return bool(self._tasks)

    def add(self, folder: Path, *, check_first: bool) -> None:
        """Let a set go up. `check_first`: the store may hold some of it already."""
        try:
            summary = summary_of(read_manifest(folder))
        except (SetAsideError, RetryError) as error:
            self.failed.append(Failure(folder, error))
            return
        self._sets[folder.name] = UploadSet(folder, summary, check_first=check_first)
        self._order = sorted(self._sets)

    def drop(self, segment_id: str) -> None:
        """Forget a set; of what is under way nobody hears any more."""
        for known in (self._sets, self._suspects, self._looked_for):
            known.pop(segment_id, None)
        self._order = sorted(self._sets)

    def look_at_store(self) -> None:
        """Have the store looked at: whether it takes objects."""
        self._looked_for |= self._suspects
        self._suspects.clear()
        self._submit(None, self._store.check)

    def turn(self, secs: float) -> bool:
        """Begin what can begin, wait so long at most for something to end, and take it in; false if nothing ended."""
        self._begin()
        ended = wait(list(self._tasks), secs, FIRST_COMPLETED).done if self._tasks else set()
        for future in ended:
            self._take_in(future, self._tasks.pop(future))
        if ended:
            self._begin()
        elif self._tasks and self._state.is_there:
            self._give_up_if_silent()
        return bool(ended)

    def turns(self, secs: float) -> bool:
        """As `turn`, and what ends meanwhile too, but not without end: the caller has other work."""
        ended = self.turn(secs)
        for _ in range(_TURNS):
            if not ended or not self.turn(0.0):
                break
        return ended

    def note_failure(self, error: RetryError, asked_at: float) -> None:
        """The store itself failed: what is not begun waits until it is back, and nobody is suspected any more."""
        if self._watch.failed(error, asked_at):
            for future in self._tasks:
                future.cancel()
        for segment_id in (*self._suspects, *self._looked_for):
            self._sets[segment_id].retry()
        self._suspects.clear()
        self._looked_for.clear()

    def require_answers(self, asked_at: float) -> None:
        """Raise StoreError if the store has fallen silent; then that is noted."""
        try:
            self._watch.require_answers(asked_at)
        except StoreError as error:
            self.note_failure(error, self._now())
            raise

    def _give_up_if_silent(self) -> None:
        with suppress(StoreError):
            self.require_answers(min(task.asked_at for task in self._tasks.values()))

    def _begin(self) -> None:
        for segment_id in self._held.due():
            if segment_id in self._sets and segment_id not in self._suspects | self._looked_for:
                self._sets[segment_id].retry()
        while self._may_begin():
            if (self._suspects or not self._state.is_there) and not self._is_looking():
                self.look_at_store()
            elif self._state.is_there and (found := self._next_set()) is not None:
                self._begin_next_of(found)
            else:
                return

    def _may_begin(self) -> bool:
        if not self._state.may_ask(self._now()):
            return False
        # Beyond those the hands are at, some wait, so that a hand need not wait for this thread.
        return len(self._tasks) < (2 * self._concurrency if self._state.is_there else 1)

    def _is_looking(self) -> bool:
        return any(task.going_up is None for task in self._tasks.values())

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

    def _submit(self, going_up: tuple[UploadSet, Upload] | None, work: Callable[[], None]) -> None:
        self._tasks[self._hands.submit(work)] = _Task(going_up, self._now())

    def _take_in(self, future: Future[None], task: _Task) -> None:
        error = None if future.cancelled() else future.exception()
        if error is not None and not isinstance(error, Exception):
            raise error
        if task.going_up is None:
            if not future.cancelled():
                self._take_in_look(error, task.asked_at)
            return
        owner, upload = task.going_up
        owner.under_way -= 1
        if future.cancelled():
            owner.give_back(upload)
        elif error is None:
            self._watch.succeeded(task.asked_at)
            self._count(owner, upload)
        elif _is_of_the_set(error):
            owner.error = owner.error or error
        else:
            self.failed_uploads += 1
            owner.put_off(upload)
            self._suspect(owner, as_store_error(error), task.asked_at)
        if owner.error is not None and owner.under_way == 0:
            self._fail(owner, owner.error)

    def _suspect(self, owner: UploadSet, error: RetryError, asked_at: float) -> None:
        segment_id = owner.folder.name
        if not self._state.is_there or self._sets.get(segment_id) is not owner:
            owner.retry()
        elif self._state.is_own_trouble(asked_at):
            self._held.hold(segment_id, str(error))
        else:
            self._suspects[segment_id] = str(error)

    def _take_in_look(self, error: Exception | None, asked_at: float) -> None:
        if error is not None:
            self.note_failure(as_store_error(error), asked_at)
            return
        self._watch.succeeded(asked_at)
        for segment_id, reason in self._looked_for.items():
            self._held.hold(segment_id, reason)
        self._looked_for.clear()

    def _count(self, owner: UploadSet, upload: Upload) -> None:
        if owner.confirm(upload):
            self._held.release(owner.folder.name)
        if is_object(upload):
            self.uploaded_objects += 1
            self.uploaded_bytes += upload.info.size_bytes
        elif self._forget(owner):
            self.delivered.append((owner.folder, owner.summary))

    def _fail(self, found: UploadSet, error: Exception) -> None:
        if self._forget(found):
            self.failed.append(Failure(found.folder, error))

    def _forget(self, found: UploadSet) -> bool:
        """Take a set out; false if it was dropped before."""
        if self._sets.get(found.folder.name) is not found:
            return False
        self.drop(found.folder.name)
        return True


def _is_of_the_set(error: BaseException | None) -> TypeGuard[Exception]:
    """Whether a file of the set is at fault, for good or for now, and not the store."""
    return isinstance(error, SetAsideError | RetryError) and not isinstance(error, StoreError)
