import threading
import time
from functools import partial

import pytest

from collector.processes.worker_threads import WorkerThreads, join_all


def test_the_main_thread_raises_what_broke_a_worker() -> None:
    workers = WorkerThreads()

    def breaks() -> None:
        raise ValueError("broken")

    assert join_all([workers.start(breaks, "breaks")], 60, time.monotonic) == 0
    with pytest.raises(ValueError, match="broken"):
        workers.raise_failure()
    workers.raise_failure()  # each failure is raised once


def test_a_worker_that_ends_well_raises_nothing() -> None:
    workers = WorkerThreads()
    assert join_all([workers.start(lambda: None, "ends")], 60, time.monotonic) == 0
    workers.raise_failure()


def test_a_worker_that_hangs_is_counted_and_keeps_no_process_alive() -> None:
    workers, stop = WorkerThreads(), threading.Event()
    hanging = workers.start(partial(_wait, stop), "hangs")
    ended = workers.start(lambda: None, "ends")
    ended.join(60)
    assert join_all([hanging, ended], 0.0, time.monotonic) == 1
    assert hanging.daemon
    stop.set()
    assert join_all([hanging], 60, time.monotonic) == 0


def _wait(event: threading.Event) -> None:
    event.wait()
