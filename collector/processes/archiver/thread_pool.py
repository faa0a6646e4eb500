"""Threads that do the waiting: each call to a store is made by one of them, so that the process's loop goes on turning."""

from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")


class DaemonThreadPool:
    """Up to `count` threads, made when they are needed. They end with the process, whatever they are waiting for.

    (Those of `concurrent.futures` are waited for, which a store that does not answer would make long.)
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._threads: list[Thread] = []
        self._waiting: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Let a thread do it, after what was submitted before; until one takes it up it may be cancelled."""
        if len(self._threads) < self._count:
            self._threads.append(Thread(target=self._turn, name=f"store-{len(self._threads)}", daemon=True))
            self._threads[-1].start()
        future: Future[T] = Future()
        self._waiting.put((future, work))
        return future

    def shutdown(self) -> None:
        """Let each thread end once it has done what was submitted; nobody waits for that."""
        for _ in self._threads:
            self._waiting.put(None)

    def _turn(self) -> None:
        while (task := self._waiting.get()) is not None:
            future, work = task
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 -- it belongs to whoever asks for the result
                future.set_exception(error)
            del task, future, work
