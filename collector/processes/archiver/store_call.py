"""What the archiver asks its store about, besides bringing files up: it waits for the answer, and goes on turning."""

from collections.abc import Callable
from concurrent.futures import wait
from typing import TypeVar

from collector.domain.errors import SetAsideError
from collector.processes.archiver.store_health import StoreHealth, as_store_error
from collector.processes.archiver.thread_pool import DaemonThreadPool
from collector.processes.archiver.uploads import Uploads
from collector.storage.store.object_store import ObjectStore

T = TypeVar("T")


class StoreCall:
    """One question at a time. One that is not answered says nothing of the store: it is looked at then."""

    def __init__(
        self,
        store: ObjectStore,
        hands: DaemonThreadPool,
        watch: StoreHealth,
        uploads: Uploads,
        monotonic: Callable[[], float],
    ) -> None:
        self._store = store
        self._hands = hands
        self._watch = watch
        self._uploads = uploads
        self._now = monotonic

    def call(self, step: Callable[[], T], tick: Callable[[], None], turn_secs: float) -> T:
        """The answer; `tick` is called while it takes its time.

        Raises StoreError. If the store is there even so, the trouble is that of what was asked about.
        """
        asked_at = self._now()
        try:
            answer = self._answer(step, tick, turn_secs)
        except SetAsideError:
            raise
        except Exception as error:
            state = self._watch.state
            if state.is_there and not state.is_own_trouble(asked_at):
                self._look(tick, turn_secs)
            raise as_store_error(error) from error
        self._watch.succeeded(asked_at)
        return answer

    def _look(self, tick: Callable[[], None], turn_secs: float) -> None:
        asked_at = self._now()
        try:
            self._answer(self._store.check, tick, turn_secs)
        except Exception as error:  # noqa: BLE001 -- whatever it is, the store takes nothing
            self._uploads.note_failure(as_store_error(error), asked_at)
        else:
            self._watch.succeeded(asked_at)

    def _answer(self, step: Callable[[], T], tick: Callable[[], None], turn_secs: float) -> T:
        asked_at, future = self._now(), self._hands.submit(step)
        while not wait([future], turn_secs).done:
            tick()
            self._uploads.require_answers(asked_at)
        return future.result()
