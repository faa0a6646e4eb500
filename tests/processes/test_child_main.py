"""What every child does around its work."""

import multiprocessing
from typing import NoReturn

import pytest

from collector.channel.local import QueueSender
from collector.domain.log import Log
from collector.processes import child_main
from collector.processes.child_main import ORPHAN_EXIT_CODE, ORPHAN_GRACE_SECS, StopFlag, _watch_parent
from collector.processes.heartbeat import Heartbeat


class Left(BaseException):
    """The process has ended."""


def test_an_orphan_that_is_stopped_does_not_use_up_its_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    class Clock:
        """While the process is stopped a sleep goes on, so one sleep is all that a stop can cost."""

        @staticmethod
        def sleep(secs: float) -> None:
            slept.append(secs)

    def leave(code: int) -> NoReturn:
        assert code == ORPHAN_EXIT_CODE
        raise Left

    monkeypatch.setattr(child_main, "SystemClock", Clock)
    monkeypatch.setattr("os._exit", leave)
    spawn = multiprocessing.get_context("spawn")
    flag = StopFlag(spawn.Event(), spawn.Semaphore(0), heed_signals=False)
    with pytest.raises(Left):
        _watch_parent(flag, Heartbeat(QueueSender(spawn.Queue(1), 1), "writer"), Log(print))
    assert flag()
    assert sum(slept) == ORPHAN_GRACE_SECS
    assert max(slept) <= ORPHAN_GRACE_SECS / 10


def test_a_signal_hurries_only_who_knows_that_it_shall_stop() -> None:
    spawn = multiprocessing.get_context("spawn")
    event = spawn.Event()
    flag = StopFlag(event, spawn.Semaphore(0), heed_signals=False)
    flag.on_signal(15, None)
    assert not flag.hurried(), "the whole group was signalled"
    event.set()
    assert not flag.hurried()
    flag.on_signal(15, None)
    assert flag.hurried()
    assert flag.hurried()


def test_a_renewal_is_known_with_the_stop_and_leaves_no_time_for_anything() -> None:
    spawn = multiprocessing.get_context("spawn")
    event, renewal = spawn.Event(), spawn.Semaphore(0)
    flag = StopFlag(event, renewal, heed_signals=False)
    renewal.release()
    assert (flag(), flag.renewed(), flag.hurried()) == (False, False, False)
    event.set()
    assert (flag.renewed(), flag.renewed(), flag.hurried(), flag()) == (True, True, True, True)


def test_a_stop_is_no_renewal() -> None:
    spawn = multiprocessing.get_context("spawn")
    event = spawn.Event()
    flag = StopFlag(event, spawn.Semaphore(0), heed_signals=False)
    event.set()
    assert (flag(), flag.renewed(), flag.hurried()) == (True, False, False)
