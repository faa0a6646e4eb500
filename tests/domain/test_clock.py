"""When something that is done every few seconds is due."""

import pytest

from collector.domain.clock import Every


class Seconds:
    """A monotonic clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Seconds:
    return Seconds()


def test_the_first_time_is_due_at_once(clock: Seconds) -> None:
    every = Every(5.0, clock)
    assert every.due()
    assert not every.due()


def test_the_first_time_can_wait_for_the_interval(clock: Seconds) -> None:
    every = Every(5.0, clock, at_once=False)
    assert not every.due()
    clock.now += 5.0
    assert every.due()


def test_the_next_is_due_an_interval_after_the_last_was_done(clock: Seconds) -> None:
    every = Every(5.0, clock)
    assert every.due()
    clock.now += 4.9
    assert not every.due()
    clock.now += 2.0
    assert every.due()
    clock.now += 4.9
    assert not every.due()
    clock.now += 0.1
    assert every.due()


def test_times_that_were_missed_are_not_made_up_for(clock: Seconds) -> None:
    every = Every(5.0, clock)
    assert every.due()
    clock.now += 50.0
    assert every.due()
    assert not every.due()
