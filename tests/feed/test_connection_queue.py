from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.feed.connection_limit import ConnectionBudget, wait_secs
from collector.feed.connection_queue import (
    FORGOTTEN_SECS,
    LOOK_AGAIN_SECS,
    MOST_WAITING,
    Asker,
    Waiting,
    with_asker,
)
from tests.feed.clocks import WallClock


def asker(name: str, *, is_carried: bool = False, line: int = 0, streams: int = 1) -> Asker:
    return Asker(name, is_carried, line, streams)


@pytest.fixture
def budget(tmp_path: Path, clock: WallClock) -> ConnectionBudget:
    """One attempt in a minute, which is used up."""
    budget = ConnectionBudget(tmp_path / "connections.json", 1, 60.0, clock.now_ns)
    assert budget.take(asker("before")) == 0
    return budget


def test_who_has_another_line_waits_for_who_has_none(budget: ConnectionBudget, clock: WallClock) -> None:
    carried, alone = asker("a", is_carried=True, streams=400), asker("b")
    assert budget.take(carried) == pytest.approx(60)
    assert budget.take(alone) == pytest.approx(60)
    assert budget.take(carried) == pytest.approx(120)
    clock.secs += 60
    assert [budget.take(alone), budget.take(carried)] == [0, pytest.approx(60)]


def test_a_free_attempt_is_left_to_who_comes_first(budget: ConnectionBudget, clock: WallClock) -> None:
    clock.secs += 59
    alone, carried = asker("a"), asker("b", is_carried=True)
    assert budget.take(alone) == pytest.approx(1)
    clock.secs += 2
    assert budget.take(carried) == pytest.approx(60, abs=2)
    assert budget.take(alone) == 0


def test_the_first_line_comes_before_the_second_and_the_widest_plan_before_narrow_ones() -> None:
    places = [
        asker("alone wide", streams=400),
        asker("alone narrow", streams=5),
        asker("second line", line=1, streams=400),
        asker("carried", is_carried=True, streams=400),
    ]
    assert sorted(places, key=lambda one: (one.place[:3], one.name)) == places


def test_who_does_not_ask_again_is_forgotten(budget: ConnectionBudget, clock: WallClock) -> None:
    assert budget.take(asker("gone", streams=9)) == pytest.approx(60)
    assert budget.take(asker("next")) == pytest.approx(120)
    clock.secs += FORGOTTEN_SECS
    assert budget.take(asker("next")) == pytest.approx(60 - FORGOTTEN_SECS)


def test_who_asks_in_time_keeps_its_place(budget: ConnectionBudget, clock: WallClock) -> None:
    for _ in range(5):
        budget.take(asker("first", streams=9))
        clock.secs += LOOK_AGAIN_SECS
    assert budget.take(asker("next")) == pytest.approx(70)


def test_who_may_connect_waits_no_more(budget: ConnectionBudget, clock: WallClock) -> None:
    assert budget.take(asker("first", streams=9)) > 0
    clock.secs += 60
    assert budget.take(asker("first", streams=9)) == 0
    assert budget.take(asker("next")) == pytest.approx(60)


def test_the_queue_is_shared_by_all_that_use_the_file(tmp_path: Path, clock: WallClock) -> None:
    one, other = (ConnectionBudget(tmp_path / "connections.json", 1, 60.0, clock.now_ns) for _ in range(2))
    assert one.take(asker("a")) == 0
    assert one.take(asker("b", is_carried=True)) == pytest.approx(60)
    assert other.take(asker("c")) == pytest.approx(60)
    assert one.take(asker("b", is_carried=True)) == pytest.approx(120)


def test_the_queue_is_bounded() -> None:
    waiting: list[Waiting] = []
    for number in range(MOST_WAITING + 50):
        waiting = with_asker(waiting, asker(str(number)), 5.0)
    assert len(waiting) == MOST_WAITING
    again = with_asker(waiting, asker("7"), 6.0)
    assert (len(again), again[-1]) == (MOST_WAITING, Waiting(asker("7"), 6.0))


def test_a_wait_in_the_future_does_not_count(budget: ConnectionBudget, clock: WallClock) -> None:
    clock.secs += 50
    budget.take(asker("first", streams=9))
    clock.secs -= 40
    assert budget.take(asker("next")) == pytest.approx(50)


@given(
    askers=st.lists(st.tuples(st.booleans(), st.integers(0, 1), st.integers(1, 400)), min_size=1, max_size=40),
    allowed=st.integers(1, 5),
    window_secs=st.floats(0.5, 300),
)
def test_a_crowd_is_let_in_by_its_order_and_no_faster_than_allowed(
    askers: list[tuple[bool, int, int]], allowed: int, window_secs: float
) -> None:
    crowd = {Asker(str(number), *about): 0.0 for number, about in enumerate(askers)}
    made: list[float] = []
    let_in: list[Asker] = []
    asked = 0
    while crowd:
        now = min(crowd.values())
        one = min((asker for asker, at in crowd.items() if at == now), key=lambda asker: asker.place)
        asked += 1
        recent = [at for at in made if now - window_secs < at]
        ahead = sum(other.place < one.place for other in crowd)
        wait = wait_secs(recent, now, allowed, window_secs, ahead)
        if wait == 0:
            made.append(now)
            let_in.append(one)
            del crowd[one]
        else:
            crowd[one] = now + wait * 1.000001
    assert let_in == sorted(let_in, key=lambda asker: asker.place)
    assert asked <= 3 * len(askers)
    for first, last in zip(made, made[allowed:], strict=False):
        assert last - first >= window_secs * 0.999
