import os
import subprocess
import sys
from collections.abc import Callable
from time import monotonic

from collector.monitoring.usage import USAGE_SECS, UsageMeter

DEADLINE_SECS = 60.0
BUSY = "while True: sum(range(10_000))"


def holds_in_time(condition: Callable[[], bool]) -> bool:
    ends_at = monotonic() + DEADLINE_SECS
    while monotonic() < ends_at:
        if condition():
            return True
    return False


def test_memory_and_processor_time_of_a_busy_process_are_seen() -> None:
    meter = UsageMeter()
    with subprocess.Popen([sys.executable, "-c", BUSY]) as busy:
        try:
            assert holds_in_time(lambda: meter.read({"busy": busy.pid})["busy"].cpu_percent > 5)
            used = meter.read({"busy": busy.pid})["busy"]
            assert used.rss_bytes > 1_000_000
            assert used.cpu_secs > 0
            assert used.open_files >= 3
        finally:
            busy.kill()


def test_a_vanished_process_is_left_out_and_the_others_stay() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        meter = UsageMeter()
        meter.read({"child": child.pid})
        child.wait()
    assert list(meter.read({"child": child.pid, "me": os.getpid()})) == ["me"]


def test_a_process_no_longer_asked_for_is_forgotten() -> None:
    meter = UsageMeter()
    meter.read({"me": os.getpid()})
    assert meter.read({}) == {}
    assert meter._known == {}


def test_processor_time_goes_on_rising_when_another_process_takes_the_name() -> None:
    meter = UsageMeter()
    with subprocess.Popen([sys.executable, "-c", BUSY]) as busy:
        try:
            assert holds_in_time(lambda: meter.read({"writer": busy.pid})["writer"].cpu_secs > 0.1)
        finally:
            busy.kill()
    before = meter._cpu_secs["writer"]
    with subprocess.Popen([sys.executable, "-c", BUSY]) as next_one:
        try:
            assert meter.read({"writer": next_one.pid})["writer"].cpu_secs >= before[1] + before[2]
            assert holds_in_time(lambda: meter.read({"writer": next_one.pid})["writer"].cpu_secs > before[2] + 0.1)
        finally:
            next_one.kill()


def test_the_usage_is_read_anew_every_few_seconds_and_at_once_for_another_process() -> None:
    now = 0.0
    meter = UsageMeter(lambda: now)
    first = meter.newest({"me": os.getpid()})
    assert list(first) == ["me"]
    now = USAGE_SECS - 0.1
    assert meter.newest({"me": os.getpid()}) is first
    now = USAGE_SECS
    second = meter.newest({"me": os.getpid()})
    assert second is not first
    assert list(meter.newest({"me": os.getpid(), "parent": os.getppid()})) == ["me", "parent"]
