"""The weight asked of an exchange's REST interface: a share of it, whatever happens, over all who share the file."""

import fcntl
from contextvars import copy_context
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.domain.disk_waits import announce_disk_waits_to
from collector.feed.request_weight import RESERVE_SHARE, WeightBudget, own_wait_secs
from collector.feed.shared_budget import BUSY_SECS
from tests.feed.clocks import WallClock

LIMIT, WINDOW_SECS = 6_000, 60.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "weight-binance.json"


def budget(path: Path, clock: WallClock, share: float = 0.5) -> WeightBudget:
    return WeightBudget(path, LIMIT, WINDOW_SECS, share, clock.now_ns)


def test_two_hundred_books_at_once_stay_within_the_share(path: Path, clock: WallClock) -> None:
    feeds = [budget(path, clock), budget(path, clock)]
    taken: list[float] = []
    began = clock.secs
    while len(taken) < 200:
        wait = feeds[len(taken) % 2].take(250)
        if wait == 0:
            taken.append(clock.secs)
            clock.secs += 0.05
        clock.secs += wait
    for first in taken:
        assert sum(250 for at in taken if first <= at < first + WINDOW_SECS) <= LIMIT * 0.5
    assert clock.secs - began < (200 / 12 + 1) * WINDOW_SECS


def test_a_request_above_the_share_waits_until_it_is_alone_in_the_window(path: Path, clock: WallClock) -> None:
    shared = budget(path, clock, share=0.01)
    assert shared.take(20) == 0
    assert shared.take(250) == pytest.approx(60)
    clock.secs += 60
    assert shared.take(250) == 0
    assert shared.take(1) == pytest.approx(60)


def test_weight_used_by_others_is_respected_until_the_minute_ends(path: Path, clock: WallClock) -> None:
    shared = budget(path, clock)
    clock.secs += 20
    shared.note_used(round(LIMIT * (1 - RESERVE_SHARE)) - 300)
    assert shared.take(250) == 0
    assert shared.take(250) == pytest.approx(40)
    clock.secs += 40
    assert shared.take(250) == 0


def test_a_ban_stops_all_users_of_the_file_and_outlives_a_restart(path: Path, clock: WallClock) -> None:
    budget(path, clock).ban(300)
    assert budget(path, clock).take(1) == pytest.approx(300)
    budget(path, clock).ban(5)
    clock.secs += 299
    assert budget(path, clock).take(1) == pytest.approx(1)
    clock.secs += 1
    assert budget(path, clock).take(1) == 0


def test_spent_is_the_weight_within_the_window(path: Path, clock: WallClock) -> None:
    shared = budget(path, clock)
    shared.take(250)
    clock.secs += 30
    shared.take(20)
    assert shared.spent() == 270
    clock.secs += 30
    assert shared.spent() == 20


def test_a_file_held_by_another_does_not_block(path: Path, clock: WallClock) -> None:
    shared = budget(path, clock)
    with path.open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert shared.take(1) == shared.ban(60) == shared.note_used(1) == BUSY_SECS
        assert shared.spent() is None
    assert shared.take(1) == 0


def test_what_is_kept_for_others_is_left_of_the_share(path: Path, clock: WallClock) -> None:
    shared = budget(path, clock)
    assert shared.allowed == shared.spare() == 3_000
    for _ in range(8):
        assert shared.take(250, keep=1_000) == 0
    assert shared.take(250, keep=1_000) == pytest.approx(60)
    assert shared.spare() == 1_000
    assert [shared.take(5) for _ in range(200)] == [0] * 200
    assert shared.take(5) > 0


def test_the_spare_weight_is_the_last_known_one_while_another_process_holds_the_file(
    path: Path, clock: WallClock
) -> None:
    shared, other = budget(path, clock), budget(path, clock)
    other.take(250)
    assert shared.spare() == 2_750
    with path.open("rb+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert shared.spare() == 2_750
    other.ban(60)
    assert shared.spare() == 0


def test_waiting_for_the_file_counts_as_a_disk_wait(path: Path, clock: WallClock) -> None:
    told: list[bool] = []

    def ask() -> None:
        announce_disk_waits_to(told.append)
        assert budget(path, clock).spent() == 0

    copy_context().run(ask)
    assert told == [True, False]


@pytest.mark.parametrize("garbage", [b'{"spent":[[1', b"\x00" * 50, b'{"spent":"x"}', b'{"\xff":1}'])
def test_a_torn_file_counts_as_empty(path: Path, clock: WallClock, garbage: bytes) -> None:
    path.write_bytes(garbage)
    assert budget(path, clock).take(250) == 0
    assert budget(path, clock).spent() == 250


def test_times_in_the_future_do_not_count(path: Path, clock: WallClock) -> None:
    shared = budget(path, clock, share=0.05)
    shared.take(250)
    shared.ban(1_000)
    clock.secs -= 3_600
    assert shared.take(250) == 0


@given(
    asked=st.lists(st.tuples(st.floats(0, 50), st.integers(1, 300)), min_size=1, max_size=60),
    allowed=st.floats(300, 1_000),
)
def test_no_window_ever_holds_more_than_allowed(asked: list[tuple[float, int]], allowed: float) -> None:
    now, made = 0.0, list[tuple[float, int]]()
    for pause, weight in asked:
        now += pause
        recent = [(at, cost) for at, cost in made if now - WINDOW_SECS < at]
        now += own_wait_secs(recent, now, weight, allowed, WINDOW_SECS) * 1.000001
        made.append((now, weight))
    for first, _ in made:
        assert sum(cost for at, cost in made if first <= at < first + WINDOW_SECS * 0.999) <= allowed
