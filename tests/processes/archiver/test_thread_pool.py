"""Threads that wait for a store."""

import threading
from concurrent.futures import wait

import pytest

from collector.processes.archiver.thread_pool import DaemonThreadPool


def test_as_many_things_are_done_at_once_as_there_are_hands() -> None:
    hands, together = DaemonThreadPool(3), threading.Barrier(3)
    done = [hands.submit(lambda: together.wait(60)) for _ in range(3)]
    assert sorted(one.result(60) for one in done) == [0, 1, 2]
    hands.shutdown()


def test_what_a_step_raises_belongs_to_whoever_asks_for_its_result() -> None:
    hands = DaemonThreadPool(1)

    def fail() -> None:
        raise KeyError("mine")

    failed, after = hands.submit(fail), hands.submit(lambda: "well")
    with pytest.raises(KeyError, match="mine"):
        failed.result(60)
    assert after.result(60) == "well"
    hands.shutdown()


def test_what_no_hand_has_taken_up_can_be_cancelled() -> None:
    hands, go_on = DaemonThreadPool(1), threading.Event()
    begun = hands.submit(lambda: go_on.wait(60))
    waiting = hands.submit(lambda: True)
    assert waiting.cancel()
    go_on.set()
    assert wait([begun, waiting], 60).not_done == set()
    hands.shutdown()


def test_dismissed_hands_end_and_never_keep_a_process_alive() -> None:
    hands = DaemonThreadPool(2)
    assert hands.submit(lambda: threading.current_thread().daemon).result(60)
    (thread,) = hands._threads
    hands.shutdown()
    thread.join(60)
    assert not thread.is_alive()
