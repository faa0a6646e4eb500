"""Notices over real Queues: newest wins, nothing blocks."""

import multiprocessing
import pickle
import select
import threading
import time
from collections.abc import Iterator
from multiprocessing.queues import Queue

import pytest

from collector.channel.channel import Notice
from collector.channel.local import QueueReader, QueueReceiver, QueueSender

CAPACITY = 4
DEADLINE_SECS = 60.0


@pytest.fixture
def pipe() -> Iterator["Queue[Notice]"]:
    queue: Queue[Notice] = multiprocessing.get_context("spawn").Queue(CAPACITY)
    yield queue
    queue.close()
    queue.join_thread()


def notice(number: int) -> Notice:
    return Notice("ingest:f", "appended", 1, number)


def receive_until(receiver: QueueReceiver, number: int) -> Notice | None:
    deadline = time.monotonic() + DEADLINE_SECS
    newest = None
    while time.monotonic() < deadline and (newest is None or newest.position < number):
        newest = receiver.wait(0.1) or newest
    return newest


def test_the_receiver_gets_the_newest_of_the_waiting_notices(pipe: "Queue[Notice]") -> None:
    sender, receiver = QueueSender(pipe, CAPACITY), QueueReceiver(pipe, CAPACITY)
    for number in range(3):
        sender.offer(notice(number))
    assert receive_until(receiver, 2) == notice(2)
    assert receiver.wait(0) is None


def test_a_full_queue_never_blocks_and_the_newest_notice_is_sent_later(pipe: "Queue[Notice]") -> None:
    sender, receiver = QueueSender(pipe, CAPACITY), QueueReceiver(pipe, CAPACITY)
    for number in range(100):
        sender.offer(notice(number))
    assert sender.depth() == CAPACITY
    assert receive_until(receiver, CAPACITY - 1) == notice(CAPACITY - 1)
    sender.retry()
    assert receive_until(receiver, 99) == notice(99)


def test_a_full_queue_of_the_longest_notices_fits_into_a_pipe() -> None:
    longest = Notice("ingest:" + "x" * 64, "appended", 2**63, 2**63)
    length_prefix_bytes = 4
    assert 256 * (len(pickle.dumps(longest, pickle.HIGHEST_PROTOCOL)) + length_prefix_bytes) < 65_536


def test_a_wait_ends_at_a_notice(pipe: "Queue[Notice]") -> None:
    receiver = QueueReceiver(pipe, CAPACITY)
    QueueSender(pipe, CAPACITY).offer(notice(5))
    assert receiver.wait(10 * DEADLINE_SECS) == notice(5)


def test_a_wake_ends_the_present_wait_or_the_next_one_but_no_more(pipe: "Queue[Notice]") -> None:
    receiver = QueueReceiver(pipe, CAPACITY)
    receiver.wake()
    receiver.wake()
    assert receiver.wait(10 * DEADLINE_SECS) is None
    waker = threading.Timer(0.05, receiver.wake)
    waker.start()
    assert receiver.wait(10 * DEADLINE_SECS) is None
    waker.join()
    started = time.monotonic()
    assert receiver.wait(0.05) is None
    assert time.monotonic() - started >= 0.05


def test_the_descriptor_of_a_queue_is_readable_while_a_notice_waits(pipe: "Queue[Notice]") -> None:
    reader = QueueReader(pipe, CAPACITY)
    assert not select.select([reader], [], [], 0)[0]
    QueueSender(pipe, CAPACITY).offer(notice(1))
    assert select.select([reader], [], [], DEADLINE_SECS)[0]
    assert reader.take_all() == [notice(1)]
    assert not select.select([reader], [], [], 0)[0]
