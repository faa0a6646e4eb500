"""Threads that wait for a store."""

import threading
from concurrent.futures import wait

import pytest

from collector.processes.archiver.thread_pool import DaemonThreadPool


def test_each_thread_runs_a_task_at_once() -> None:
    pool, together = DaemonThreadPool(3), threading.Barrier(3)
    done = [pool.submit(lambda: together.wait(60)) for _ in range(3)]
    assert sorted(one.result(60) for one in done) == [0, 1, 2]
    pool.shutdown()


def test_a_tasks_exception_is_raised_where_its_result_is_read() -> None:
    pool = DaemonThreadPool(1)

    def fail() -> None:
        raise KeyError("mine")

    failed, after = pool.submit(fail), pool.submit(lambda: "well")
    with pytest.raises(KeyError, match="mine"):
        failed.result(60)
    assert after.result(60) == "well"
    pool.shutdown()


def test_a_task_that_no_thread_has_begun_can_be_cancelled() -> None:
    pool, go_on = DaemonThreadPool(1), threading.Event()
    begun = pool.submit(lambda: go_on.wait(60))
    waiting = pool.submit(lambda: True)
    assert waiting.cancel()
    go_on.set()
    assert wait([begun, waiting], 60).not_done == set()
    pool.shutdown()


def test_threads_end_at_shutdown_and_are_daemons() -> None:
    pool = DaemonThreadPool(2)
    assert pool.submit(lambda: threading.current_thread().daemon).result(60)
    (thread,) = pool._threads
    pool.shutdown()
    thread.join(60)
    assert not thread.is_alive()
