"""A host is alive while its value changes, as far as the servers answer; nobody's clock matters but the observer's."""

from hypothesis import given
from hypothesis import strategies as st

from collector.processes.cluster.signs import Signs

DEAD_SECS = 3.0
REGAIN_SECS = 7.0


def signs() -> Signs:
    return Signs(DEAD_SECS, REGAIN_SECS)


def watch(observer: Signs, start: float, secs: int, *beating: str, silent: tuple[str, ...] = ()) -> float:
    """Answers each second; returns the time of the last one."""
    for second in range(secs + 1):
        marks = {**dict.fromkeys(silent, "same"), **{name: f"{name} {start + second}" for name in beating}}
        observer.observe(marks, (), start + second)
    return start + secs


def test_a_host_whose_value_changes_is_alive_and_one_whose_value_stands_is_dead() -> None:
    observer = signs()
    watch(observer, 100.0, 2, "a", silent=("b",))
    assert observer.alive == {"a", "b"}
    watch(observer, 103.0, 0, "a", silent=("b",))
    assert observer.alive == {"a"}


def test_nothing_is_settled_before_the_silent_had_their_time() -> None:
    observer = signs()
    watch(observer, 0.0, 2, "a", silent=("b",))
    assert not observer.is_settled
    watch(observer, 3.0, 0, "a", silent=("b",))
    assert observer.is_settled
    assert observer.alive == {"a"}
    assert observer.changes == 0


def test_a_value_that_changes_again_brings_its_host_back() -> None:
    observer = signs()
    now = watch(observer, 0.0, 4, "a", silent=("b",))
    observer.observe({"a": now + 1, "b": "other"}, (), now + 1)
    assert observer.alive == {"a", "b"}
    assert observer.changes == 1


@given(st.floats(0.0, 1e6), st.integers(1, 5))
def test_while_the_servers_are_away_nobody_dies_however_long(away_secs: float, spells: int) -> None:
    observer = signs()
    now = watch(observer, 0.0, 4, "a", "b")
    for _ in range(spells):
        observer.interrupt()
        now += away_secs
        last = {"a": "same", "b": "same"}
        observer.observe(last, (), now)
        for waited in (0.5, 3.0, 5.5, 7.5, 9.9):
            observer.observe(last, (), now + waited)
            assert observer.alive == {"a", "b"}, "everybody has the full time again"
        now = watch(observer, now + 9.95, 1, "a", "b")
    assert observer.changes == 0


def test_a_look_that_comes_very_late_says_nothing_of_the_time_before() -> None:
    observer = signs()
    watch(observer, 0.0, 4, "a", "b")
    observer.observe({"a": "a 4.0", "b": "b 4.0"}, (), 100.0)
    assert observer.alive == {"a", "b"}, "this process stood still, and the servers may have, too"
    watch(observer, 101.0, 8, "a", silent=())
    assert observer.alive == {"a", "b"}
    watch(observer, 110.0, 0, "a")
    assert observer.alive == {"a"}


def test_who_was_dead_when_the_servers_went_away_stays_dead() -> None:
    observer = signs()
    watch(observer, 0.0, 4, "a", silent=("b",))
    observer.interrupt()
    observer.observe({"a": "new", "b": "same"}, (), 50.0)
    assert observer.alive == {"a"}


def test_who_leaves_in_order_is_gone_at_once_and_may_return() -> None:
    observer = signs()
    watch(observer, 0.0, 4, "a", "b")
    observer.observe({"a": 1, "b": 1}, {"b"}, 5.0)
    assert observer.alive == {"a"}
    observer.observe({"a": 2, "b": 2}, (), 6.0)
    assert observer.alive == {"a", "b"}
