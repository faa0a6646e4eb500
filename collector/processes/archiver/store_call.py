"""Calls to the store besides uploads: the caller waits for the answer while the main loop keeps ticking."""

from collections.abc import Callable
from concurrent.futures import wait
from functools import partial
from typing import TypeVar

from collector.domain.errors import SetAsideError
from collector.processes.archiver.store_health import StoreHealth, as_store_error
from collector.processes.archiver.thread_pool import DaemonThreadPool
from collector.processes.archiver.uploads import TURN_SECS, Uploads
from collector.storage.store.object_store import ObjectStore

T = TypeVar("T")


class StoreCall:
    """Makes one call at a time. A failed call does not prove that the store is away: the store is checked then."""

    def __init__(
        self, store: ObjectStore, pool: DaemonThreadPool, health: StoreHealth, uploads: Uploads,
        monotonic: Callable[[], float], tick: Callable[[], None],
    ) -> None:  # fmt: skip
        """`tick` is called every TURN_SECS while a call lasts."""
        self._store = store
        self._pool = pool
        self._health = health
        self._uploads = uploads
        self._now = monotonic
        self._tick = tick

    def call(self, step: Callable[[ObjectStore], T]) -> T:
        """Run `step` with the store in a thread of the pool and return its result.

        Raises StoreError. If the store still counts as there after that, the fault lies with the object asked for.
        """
        asked_at = self._now()
        try:
            answer = self._answer(partial(step, self._store))
        except SetAsideError:
            raise
        except Exception as error:
            state = self._health.state
            if state.is_there and not state.is_own_trouble(asked_at):
                self._check()
            raise as_store_error(error) from error
        self._health.succeeded(asked_at)
        return answer

    def _check(self) -> None:
        asked_at = self._now()
        try:
            self._answer(self._store.check)
        except Exception as error:  # noqa: BLE001 -- whatever it is, the store takes nothing
            self._uploads.note_failure(as_store_error(error), asked_at)
        else:
            self._health.succeeded(asked_at)

    def _answer(self, step: Callable[[], T]) -> T:
        asked_at, future = self._now(), self._pool.submit(step)
        while not wait([future], TURN_SECS).done:
            self._tick()
            self._uploads.require_answers(asked_at)
        return future.result()
