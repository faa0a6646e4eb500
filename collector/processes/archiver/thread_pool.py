"""Threads that wait for the store, so that the main loop never does."""

from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")


class DaemonThreadPool:
    """Up to `count` threads, started when they are needed. They end with the process, whatever they wait for.

    (`concurrent.futures` joins its threads at exit, which takes long while a store does not answer.)
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._threads: list[Thread] = []
        self._waiting: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Queue work for a thread; its future can be cancelled until a thread begins it."""
        if len(self._threads) < self._count:
            self._threads.append(Thread(target=self._turn, name=f"store-{len(self._threads)}", daemon=True))
            self._threads[-1].start()
        future: Future[T] = Future()
        self._waiting.put((future, work))
        return future

    def shutdown(self) -> None:
        """Let each thread end once the queue is empty, without waiting for that."""
        for _ in self._threads:
            self._waiting.put(None)

    def _turn(self) -> None:
        while (task := self._waiting.get()) is not None:
            future, work = task
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 -- whoever takes the result gets it
                future.set_exception(error)
            del task, future, work
