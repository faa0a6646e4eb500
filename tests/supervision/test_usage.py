import os
import subprocess
import sys
from collections.abc import Callable
from time import monotonic

from collector.supervision.usage import UsageMeter

BUSY = "while True: sum(range(10_000))"


def holds_in_time(condition: Callable[[], bool]) -> bool:
    ends_at = monotonic() + 20
    while monotonic() < ends_at:
        if condition():
            return True
    return False


def test_memory_and_processor_time_of_a_busy_process_are_seen() -> None:
    meter = UsageMeter()
    with subprocess.Popen([sys.executable, "-c", BUSY]) as busy:
        try:
            assert holds_in_time(lambda: meter.read([busy.pid])[busy.pid].cpu_percent > 5)
            assert meter.read([busy.pid])[busy.pid].rss_bytes > 1_000_000
        finally:
            busy.kill()


def test_a_vanished_process_is_left_out_and_the_others_stay() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        meter = UsageMeter()
        meter.read([child.pid])
        child.wait()
    assert list(meter.read([child.pid, os.getpid()])) == [os.getpid()]


def test_a_process_no_longer_asked_for_is_forgotten() -> None:
    meter = UsageMeter()
    meter.read([os.getpid()])
    assert meter.read([]) == {}
    assert meter._known == {}
