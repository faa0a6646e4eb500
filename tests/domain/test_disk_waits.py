from collections.abc import Iterator
from contextvars import copy_context
from threading import Thread

import pytest

from collector.domain.disk_waits import announce_disk_waits_to, disk_wait, each_awaited


def test_a_disk_wait_is_announced_once_before_and_after() -> None:
    told: list[bool] = []

    def work() -> None:
        announce_disk_waits_to(told.append)
        with disk_wait():
            assert told == [True]
            with disk_wait():
                assert told == [True]
            assert told == [True]
        assert told == [True, False]
        with disk_wait():
            pass
        assert told == [True, False] * 2

    copy_context().run(work)


def test_a_wait_that_fails_is_over() -> None:
    told: list[bool] = []

    def work() -> None:
        announce_disk_waits_to(told.append)
        with pytest.raises(ZeroDivisionError), disk_wait():
            assert told[0] / 0
        assert told == [True, False]

    copy_context().run(work)


def test_waits_of_other_threads_are_not_announced() -> None:
    told: list[bool] = []

    def wait() -> None:
        with disk_wait():
            pass

    def work() -> None:
        announce_disk_waits_to(told.append)
        thread = Thread(target=wait)
        thread.start()
        thread.join()

    copy_context().run(work)
    assert told == []


def test_fetching_an_item_is_announced_and_using_it_is_not() -> None:
    told: list[bool] = []

    def items() -> Iterator[int]:
        for item in range(2):
            assert told[-1]
            yield item

    def work() -> None:
        announce_disk_waits_to(told.append)
        for item in each_awaited(items()):
            assert told == [True, False] * (item + 1)

    copy_context().run(work)
    assert told == [True, False] * 3
