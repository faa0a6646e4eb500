"""A connection is dead only once it was asked, and had its time to answer."""

from collector.processes.ingest.keepalive import Due, Pulse


def test_a_connection_that_brings_something_is_never_asked() -> None:
    pulse = Pulse(30.0, 100.0)
    for second in range(1_000):
        pulse.beat(100.0 + second)
        assert pulse.look(100.9 + second) is Due.NOTHING


def test_one_that_is_quiet_is_asked_once_and_is_dead_when_the_time_is_over() -> None:
    pulse = Pulse(30.0, 100.0)
    assert [pulse.look(100.0 + secs) for secs in (14.9, 15.0, 16.0, 29.9, 30.0)] == [
        Due.NOTHING, Due.PING, Due.NOTHING, Due.NOTHING, Due.DEAD,
    ]  # fmt: skip


def test_one_that_answers_lives_for_ever() -> None:
    pulse, asked = Pulse(30.0, 0.0), 0
    for second in range(3_600):
        due = pulse.look(float(second))
        assert due is not Due.DEAD
        if due is Due.PING:
            asked += 1
            pulse.beat(second + 0.1)
    assert asked == 3_600 // 16


def test_a_process_that_stood_still_asks_before_it_gives_up() -> None:
    pulse = Pulse(30.0, 0.0)
    assert pulse.look(5_000.0) is Due.PING
    assert pulse.look(5_014.9) is Due.NOTHING
    pulse.beat(5_014.95)
    assert pulse.look(5_020.0) is Due.NOTHING
