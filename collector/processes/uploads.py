"""Sets on their way up: several files at once, oldest set first, its manifest once the store confirmed all its objects.

One thread, the process's own, decides and keeps all of this; the hands only put and confirm. While the store takes
nothing, one file at a time is tried; where there is none, the store is looked at, so that its return is seen.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, TypeGuard, TypeVar

from structlog.typing import FilteringBoundLogger

from collector.domain.errors import RetryError, SetAsideError, StoreError, StoreRefusedError
from collector.domain.store_state import Change, StoreState
from collector.domain.turns import is_turn_of_newest
from collector.processes.delivery import deliver
from collector.processes.hands import Hands
from collector.processes.upload_set import UploadSet, is_object
from collector.storage.objects import ObjectStore
from collector.storage.staged import SetSummary, Upload, read_manifest, summary_of

T = TypeVar("T")

_TURNS: Final = 100


class _Task(NamedTuple):
    owner: UploadSet | None
    """None for a look at the store."""
    upload: Upload | None
    asked_at: float


class Failure(NamedTuple):
    """A set that cannot go up as it is."""

    folder: Path
    error: Exception


class Uploads:
    """Sets are added once; they come out of `delivered` or `failed` and are then forgotten."""

    def __init__(
        self, store: ObjectStore, hands: Hands, state: StoreState, monotonic: Callable[[], float],
        log: FilteringBoundLogger, concurrency: int,
    ) -> None:  # fmt: skip
        self._store = store
        self._hands = hands
        self._state = state
        self._now = monotonic
        self._log = log
        self._concurrency = concurrency
        self._sets: dict[str, UploadSet] = {}
        self._order: list[str] = []
        self._tasks: dict[Future[None], _Task] = {}
        self._turn = 0
        self._patience_secs = math.inf
        self._answered_at = 0.0
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

    def add(self, folder: Path, *, ask_first: bool) -> None:
        """Let a set go up. `ask_first`: the store may hold some of it already."""
        try:
            summary = summary_of(read_manifest(folder))
        except (SetAsideError, RetryError) as error:
            self.failed.append(Failure(folder, error))
            return
        self._sets[folder.name] = UploadSet(folder, summary, ask_first=ask_first)
        self._order = sorted(self._sets)

    def drop(self, segment_id: str) -> None:
        """Forget a set; of what is under way nobody hears any more."""
        self._sets.pop(segment_id, None)
        self._order = sorted(self._sets)

    def hurry(self, patience_secs: float) -> None:
        """From now on a store that answers nothing for so long counts as away; what is under way there is not waited for."""
        self._patience_secs, self._answered_at = patience_secs, self._now()

    def look_at_store(self) -> None:
        """Have the store looked at: whether it takes objects."""
        self._submit(None, None, self._store.check)

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

    def ask(self, step: Callable[[], T], tick: Callable[[], None], turn_secs: float) -> T:
        """The answer of the store to something else; `tick` is called while it takes its time. Raises StoreError."""
        asked_at, future = self._now(), self._hands.submit(step)
        try:
            while not wait([future], turn_secs).done:
                tick()
                self._require_answers(asked_at)
            answer = future.result()
        except SetAsideError:
            raise
        except Exception as error:
            trouble = _trouble(error)
            self.note_failure(trouble, asked_at)
            raise trouble from error
        self._note_success(asked_at)
        return answer

    def note_failure(self, error: RetryError, asked_at: float) -> None:
        """A try begun at `asked_at` failed: leave the store alone for a while."""
        refused = isinstance(error, StoreRefusedError)
        self._note(self._state.failed(self._now(), asked_at, str(error), refused=refused))

    def _note_success(self, asked_at: float) -> None:
        self._answered_at = self._now()
        self._note(self._state.succeeded(self._answered_at, asked_at))

    def _give_up_if_silent(self) -> None:
        try:
            self._require_answers(min(task.asked_at for task in self._tasks.values()))
        except StoreError as error:
            self.note_failure(error, self._now())

    def _require_answers(self, asked_at: float) -> None:
        if self._now() - max(asked_at, self._answered_at) >= self._patience_secs:
            raise StoreError(f"the store has answered nothing for {self._patience_secs:.1f} seconds")

    def _begin(self) -> None:
        while self._may_begin():
            found = self._next_set()
            if found is None:
                if not self._state.is_there:
                    self.look_at_store()
                return
            self._begin_next_of(found)

    def _may_begin(self) -> bool:
        if not self._state.may_ask(self._now()):
            return False
        # Beyond those the hands are at, some wait, so that a hand need not wait for this thread.
        return len(self._tasks) < (2 * self._concurrency if self._state.is_there else 1)

    def _next_set(self) -> UploadSet | None:
        newest_first = is_turn_of_newest(self._turn)
        in_turn = (self._sets[segment_id] for segment_id in (reversed(self._order) if newest_first else self._order))
        return next((found for found in in_turn if found.is_ready), None)

    def _begin_next_of(self, found: UploadSet) -> None:
        try:
            upload = found.next()
        except (SetAsideError, RetryError) as error:
            self._fail(found, error)
            return
        self._turn += 1
        self._submit(found, upload, partial(deliver, self._store, upload, ask_first=found.ask_first))

    def _submit(self, owner: UploadSet | None, upload: Upload | None, work: Callable[[], None]) -> None:
        self._tasks[self._hands.submit(work)] = _Task(owner, upload, self._now())

    def _take_in(self, future: Future[None], task: _Task) -> None:
        error = None if future.cancelled() else future.exception()
        if task.owner is not None:
            task.owner.under_way -= 1
        if future.cancelled():
            self._give_back(task)
        elif error is None:
            self._note_success(task.asked_at)
            self._count(task)
        elif task.owner is not None and _is_of_the_set(error):
            task.owner.error = task.owner.error or error
        elif isinstance(error, Exception):
            self.failed_uploads += task.upload is not None
            self._give_back(task)
            self.note_failure(_trouble(error), task.asked_at)
        else:
            raise error
        if task.owner is not None and task.owner.error is not None and task.owner.under_way == 0:
            self._fail(task.owner, task.owner.error)

    def _give_back(self, task: _Task) -> None:
        if task.owner is not None and task.upload is not None:
            task.owner.give_back(task.upload)

    def _count(self, task: _Task) -> None:
        owner, upload = task.owner, task.upload
        if owner is None or upload is None:
            return
        if is_object(upload):
            owner.confirm(upload)
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

    def _note(self, change: Change | None) -> None:
        if change is None:
            return
        match change.state:
            case "there":
                self._log.info("store_back", secs=round(change.secs, 3), tries=change.tries)
                return
            case "away":
                self._log.warning("store_away", error=change.error)
            case "refusing":
                self._log.warning("store_refuses", error=change.error)
        for future in self._tasks:
            future.cancel()


def _is_of_the_set(error: BaseException | None) -> TypeGuard[Exception]:
    """Whether a file of the set is at fault, for good or for now, and not the store."""
    return isinstance(error, SetAsideError | RetryError) and not isinstance(error, StoreError)


def _trouble(error: Exception) -> RetryError:
    """Whatever a store raises is its own trouble, never that of the set or segment it was asked about."""
    return error if isinstance(error, RetryError) else StoreError(f"{type(error).__name__}: {error}")
