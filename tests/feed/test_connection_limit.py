import fcntl
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.domain.retry import LONGEST_BAN_SECS
from collector.feed.connection_limit import ConnectionBudget, wait_secs
from collector.feed.connection_queue import Asker
from collector.feed.shared_budget import BUSY_SECS
from tests.feed.clocks import WallClock

ANYONE = Asker("anyone", is_carried=False, line=0, streams=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "connections-binance.json"


def budget(path: Path, clock: WallClock, attempts: int = 2, window_secs: float = 300) -> ConnectionBudget:
    return ConnectionBudget(path, attempts, window_secs, clock.now_ns)


def test_attempts_beyond_the_limit_wait_until_the_oldest_leaves_the_window(path: Path, clock: WallClock) -> None:
    shared = budget(path, clock)
    assert shared.take(ANYONE) == 0
    clock.secs += 100
    assert shared.take(ANYONE) == 0
    clock.secs += 100

    assert shared.take(ANYONE) == pytest.approx(100)

    clock.secs += 100
    assert shared.take(ANYONE) == 0
    assert shared.take(ANYONE) == pytest.approx(100)


def test_a_refused_attempt_is_not_counted(path: Path, clock: WallClock) -> None:
    shared = budget(path, clock, attempts=1)
    assert shared.take(ANYONE) == 0
    for _ in range(5):
        assert shared.take(ANYONE) > 0
    clock.secs += 300

    assert shared.take(ANYONE) == 0


def test_feeds_with_one_file_share_the_limit(path: Path, clock: WallClock) -> None:
    one, other = budget(path, clock), budget(path, clock)
    assert (one.take(ANYONE), other.take(ANYONE)) == (0, 0)

    assert one.take(ANYONE) == pytest.approx(300)
    assert other.take(ANYONE) == pytest.approx(300)


def test_two_processes_together_keep_to_the_limit(path: Path) -> None:
    script = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from collector.feed.connection_limit import ConnectionBudget\n"
        "from collector.feed.shared_budget import BUSY_SECS\n"
        "from collector.feed.connection_queue import Asker\n"
        "budget = ConnectionBudget(Path(sys.argv[1]), 50, 3600, time.time_ns)\n"
        "taken = 0\n"
        "while (wait := budget.take(Asker(str(os.getpid()), False, 0, 1))) <= BUSY_SECS:\n"
        "    taken += wait == 0\n"
        "print(taken)\n"
    )
    command = [sys.executable, "-c", script, str(path)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8") for _ in range(2)]
    taken = [int(process.communicate(timeout=120)[0]) for process in processes]

    assert sum(taken) == 50


def test_a_ban_read_from_a_damaged_file_is_capped_at_the_longest_real_ban(path: Path, clock: WallClock) -> None:
    path.write_text('{"banned_at":%f,"banned_secs":1e300,"attempts":[]}' % (clock.now_ns() / 1e9), "utf-8")
    assert budget(path, clock).take(ANYONE) == pytest.approx(LONGEST_BAN_SECS)


@pytest.mark.parametrize(
    "garbage", [b'{"attempts":[1', b"\x00" * 50, b"[]", b'{"attempts":"x"}', b"nonsense" * 9_999, b'{"\xff":1}']
)
def test_a_torn_file_counts_as_empty(path: Path, clock: WallClock, garbage: bytes) -> None:
    path.write_bytes(garbage)
    shared = budget(path, clock, attempts=1)

    assert shared.take(ANYONE) == 0
    assert shared.take(ANYONE) == pytest.approx(300)


def test_times_in_the_future_do_not_count(path: Path, clock: WallClock) -> None:
    shared = budget(path, clock, attempts=1)
    assert shared.take(ANYONE) == 0
    assert shared.ban(1_000) == 0
    clock.secs -= 3_600

    assert shared.take(ANYONE) == 0


def test_a_file_held_by_another_does_not_block(path: Path, clock: WallClock) -> None:
    shared = budget(path, clock)
    with path.open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert shared.take(ANYONE) == BUSY_SECS
        assert shared.ban(60) == BUSY_SECS

    assert shared.take(ANYONE) == 0


def test_a_ban_stops_every_feed_until_it_is_over(path: Path, clock: WallClock) -> None:
    one, other = budget(path, clock), budget(path, clock)
    one.ban(120)

    assert other.take(ANYONE) == pytest.approx(120)
    clock.secs += 121
    assert other.take(ANYONE) == 0


def test_a_shorter_ban_does_not_end_a_longer_one(path: Path, clock: WallClock) -> None:
    shared = budget(path, clock)
    shared.ban(120)
    shared.ban(5)

    assert shared.take(ANYONE) == pytest.approx(120)


def test_the_file_does_not_grow(path: Path, clock: WallClock) -> None:
    shared = budget(path, clock, attempts=3, window_secs=10)
    for _ in range(500):
        shared.take(ANYONE)
        clock.secs += 1

    assert path.stat().st_size < 200


@given(
    steps=st.lists(st.floats(0, 50), min_size=1, max_size=60),
    allowed=st.integers(1, 5),
    window_secs=st.floats(1, 100),
)
def test_no_window_ever_holds_more_attempts_than_allowed(steps: list[float], allowed: int, window_secs: float) -> None:
    now, made = 0.0, list[float]()
    for step in steps:
        now += step
        recent = [at for at in made if now - window_secs < at]
        wait = wait_secs(recent, now, allowed, window_secs)
        assert 0 <= wait <= window_secs * 1.000001
        now += wait * 1.000001
        made.append(now)

    for first, last in zip(made, made[allowed:], strict=False):
        assert last - first >= window_secs * 0.999
