"""Worker threads of a child process: they never keep it alive, and what breaks one is raised by the main thread."""

import threading
from collections.abc import Callable, Iterable
from queue import Empty, SimpleQueue


class WorkerThreads:
    """Starts daemon threads; the main thread calls `raise_failure` when woken, and again and again. For any thread."""

    def __init__(self, wake: Callable[[], None] = lambda: None) -> None:
        """`wake` wakes the main thread."""
        self._wake = wake
        self._failures = SimpleQueue[Exception]()

    def start(self, work: Callable[[], None], name: str) -> threading.Thread:
        """Run `work` in a thread of its own. A daemon: one that hangs in a name lookup must not keep the process."""
        thread = threading.Thread(target=self._run, args=(work,), name=name, daemon=True)
        thread.start()
        return thread

    def raise_failure(self) -> None:
        """Raise the oldest exception that ended a thread and has not been raised yet, if there is one."""
        try:
            raise self._failures.get_nowait()
        except Empty:
            pass

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 (the main thread raises it; here it would end in stderr unseen)
            self._failures.put(error)
            self._wake()


def join_all(threads: Iterable[threading.Thread], timeout_secs: float, monotonic: Callable[[], float]) -> int:
    """Wait at most `timeout_secs` in all for the threads to end; returns how many have not."""
    deadline = monotonic() + timeout_secs
    waited_for = list(threads)
    for thread in waited_for:
        thread.join(max(0.0, deadline - monotonic()))
    return sum(thread.is_alive() for thread in waited_for)
