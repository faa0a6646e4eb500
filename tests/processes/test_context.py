"""The clock that a process is handed."""

from collector.processes.context import SystemClock


def test_micros_are_the_nanos_of_the_same_clock() -> None:
    before = SystemClock.now_ns()
    now_us = SystemClock.now_us()
    assert before // 1_000 <= now_us <= SystemClock.now_ns() // 1_000
