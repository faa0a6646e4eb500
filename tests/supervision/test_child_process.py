"""Real lives, killed and stopped while they hold their locks: nobody else ever waits for those."""

import atexit
import gc
import multiprocessing
import os
import queue
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing import connection, spawn
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from collector.channel.channel import Notice
from collector.config import Config, FeedConfig
from collector.processes.child_main import IGNORED_SIGNALS, STOP_SIGNALS, Assignment, ChildLinks, run_child
from collector.processes.context import Context
from collector.reports import Report
from collector.supervision.child_process import SpawnedProcess, Target
from tests.whole.running import ROOT, wait_for

T = TypeVar("T")
KILLS = 3
PROMPT_SECS = 60.0
"""What would wait for a lock of the dead would wait for ever."""


def touch_everything(_assignment: Assignment, _config: Config, links: ChildLinks) -> None:
    """A child that is in is_set(), get() and put() all the time."""

    def ask() -> None:
        while True:
            links.stop.is_set()

    def take() -> None:
        while True:
            with suppress(queue.Empty):
                links.down.get(timeout=0.001)

    for work in (ask, take):
        threading.Thread(target=work, daemon=True).start()
    number = 0
    while True:
        number += 1
        with suppress(queue.Full):
            links.up.put_nowait(Notice("child", "appended", 0, number))


def echo(_assignment: Assignment, _config: Config, links: ChildLinks) -> None:
    """A child that sends back what it hears, until told to stop."""
    while not links.stop.is_set():
        with suppress(queue.Empty):
            links.up.put_nowait(links.down.get(timeout=0.05))


def write_signals(path: Path) -> None:
    """Write which signals that ask for the stop are ignored."""
    ignored = [number.name for number in STOP_SIGNALS if signal.getsignal(number) is signal.SIG_IGN]
    path.write_text(" ".join(ignored), "utf-8")


def finish(assignment: Assignment, config: Config, links: ChildLinks) -> None:
    """A child whose work is done at once; as its interpreter ends it writes which signals it ignores."""
    atexit.register(write_signals, config.data_dir / "ignored")
    run_child(assignment, config, links, lambda _context: None)


def doze(assignment: Assignment, config: Config, links: ChildLinks) -> None:
    """A child that waits far longer than any test, and leaves when it is told to stop."""

    def work(context: Context) -> None:
        (config.data_dir / "dozes").touch()
        while not context.stopping():
            context.receiver.wait(100 * PROMPT_SECS)

    run_child(assignment, config, links, work)


def say_how_it_stops(assignment: Assignment, config: Config, links: ChildLinks) -> None:
    """A child that exits when it is told to, and writes whether a successor goes on."""

    def work(context: Context) -> None:
        (config.data_dir / "waits").touch()
        while not context.stopping():
            context.receiver.wait(PROMPT_SECS)
        (config.data_dir / "renewed").write_text(str(context.renewed()), "utf-8")

    run_child(assignment, config, links, work)


def record_through_a_hangup(assignment: Assignment, config: Config, links: ChildLinks) -> None:
    """As `say_how_it_stops`, in a recorder whose terminal, if it has one, may hang up."""
    say_how_it_stops(assignment._replace(ignores_hangup=True), config, links)


def report_numbers(assignment: Assignment, config: Config, links: ChildLinks) -> None:
    """A child that reports first without a configuration's number, and then with one."""

    def work(context: Context) -> None:
        for number in (0, 9):
            context.report(Report(config_number=number))
            stats = config.data_dir / "run" / "stats" / f"{context.role}.json"
            stats.rename(config.data_dir / f"reported-{number}")

    run_child(assignment._replace(config_number=7), config, links, work)


def new_life(target: Target, number: int, config: Config | None = None, role: str = "writer") -> SpawnedProcess:
    assignment = Assignment(role, "run", number)
    return SpawnedProcess(target, assignment, config or Config(), multiprocessing.get_context("spawn"))


Begin = Callable[..., SpawnedProcess]


@pytest.fixture
def begin() -> Iterator[Begin]:
    """Begin a life; all are over at the end."""
    lives: list[SpawnedProcess] = []

    def make(target: Target, config: Config | None = None, role: str = "writer") -> SpawnedProcess:
        lives.append(new_life(target, len(lives) + 1, config, role))
        return lives[-1]

    yield make
    for life in lives:
        with suppress(ValueError):  # buried
            life.kill()
            life.release()


def promptly(call: Callable[..., T], *arguments: Any) -> T:
    """What the call returns; a failure if it waits."""
    answers: list[T] = []
    thread = threading.Thread(target=lambda: answers.append(call(*arguments)), daemon=True)
    thread.start()
    thread.join(PROMPT_SECS)
    assert not thread.is_alive(), f"{call} hangs"
    return answers[0]


def use(life: SpawnedProcess) -> None:
    """All that the supervisor does with a life, over and over."""
    for number in range(600):
        life.notices()
        life.forward(Notice("supervisor", "sealed", 0, number))
        life.depths()
    life.tell_stop()
    life.kill()


@pytest.mark.parametrize("stopped", [False, True])
def test_a_process_killed_or_stopped_inside_its_locks_blocks_nobody(begin: Begin, *, stopped: bool) -> None:
    chance = random.Random(5)
    for _ in range(KILLS):
        life = begin(touch_everything)
        turns = chance.randint(1, 5_000)
        wait_for(lambda life=life, turns=turns: any(told.position >= turns for told in life.notices()))  # type: ignore[misc]
        assert life.pid is not None
        os.kill(life.pid, signal.SIGSTOP if stopped else signal.SIGKILL)
        promptly(use, life)
        wait_for(lambda life=life: life.exit_code is not None)  # type: ignore[misc]
        assert life.exit_code == -signal.SIGKILL
        promptly(life.release)
    heir = begin(echo)
    said = Notice("supervisor", "sealed", 0, 7)
    heir.forward(said)
    assert wait_for(heir.notices) == [said]
    heir.tell_stop()
    wait_for(lambda: heir.exit_code is not None)
    assert heir.exit_code == 0


def test_a_child_killed_before_reading_its_settings_blocks_nobody(begin: Begin) -> None:
    symbols = tuple(f"SYM{number}USDT" for number in range(3_000))
    feeds = tuple(FeedConfig(name=f"feed-{number}", symbols=symbols) for number in range(4))
    executable = spawn.get_executable()
    spawn.set_executable("/bin/false")
    try:
        life = promptly(begin, echo, Config(feed=feeds))
    finally:
        spawn.set_executable(executable)
    wait_for(lambda: life.exit_code is not None)
    assert life.exit_code == 1


def test_a_process_reaped_by_another_program_can_be_told_to_end(begin: Begin) -> None:
    life = begin(echo)
    assert life.pid is not None
    os.kill(life.pid, signal.SIGKILL)
    os.waitpid(life.pid, 0)
    promptly(use, life)
    assert life.exit_code is None


BIRTHS = """
import os, signal, sys
from multiprocessing import resource_tracker
from pathlib import Path
from collector.supervision import semaphores
from tests.supervision.test_child_process import echo, new_life

semaphores.claim(Path(sys.argv[1]))
for number in range(3):
    if number == 2:
        tracker = resource_tracker._resource_tracker._pid
        os.kill(tracker, signal.SIGKILL)
        os.waitid(os.P_PID, tracker, os.WEXITED | os.WNOWAIT)
    life = new_life(echo, number)
    status = Path(f"/proc/{life.pid}/status").read_text("utf-8")
    print(next(line.split()[1] for line in status.splitlines() if line.startswith("SigBlk:")))
    life.kill()
    life.release()
assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())
"""


def test_every_child_starts_with_signals_blocked(tmp_path: Path) -> None:
    command = [sys.executable, "-c", BIRTHS, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False, encoding="utf-8")
    assert (done.returncode, done.stderr) == (0, "")
    expected = sum(1 << (number - 1) for number in {*STOP_SIGNALS, *IGNORED_SIGNALS})
    assert [int(mask, 16) for mask in done.stdout.split()] == [expected] * 3


def held() -> tuple[int, int]:
    """File descriptors and threads of this process."""
    gc.collect()
    fds, threads = (len(list(Path("/proc/self", name).iterdir())) for name in ("fd", "task"))
    return fds, threads


def test_a_released_process_leaves_no_descriptor_and_no_thread() -> None:
    def live_and_die() -> None:
        life = new_life(echo, 1)
        life.forward(Notice("supervisor", "sealed", 0, 1))
        wait_for(life.notices)
        life.kill()
        wait_for(lambda: life.exit_code is not None)
        life.release()

    live_and_die()  # the first one brings what stays: the tracker's pipe
    before = held()
    for _ in range(2):
        live_and_die()
    wait_for(lambda: all(after <= early for after, early in zip(held(), before, strict=True)), PROMPT_SECS)


def test_a_finished_child_ignores_signals_while_it_exits(begin: Begin, tmp_path: Path) -> None:
    # Its interpreter resets Python's own handlers before the process has ended: a signal would kill it then.
    life = begin(finish, Config(data_dir=tmp_path))
    wait_for(lambda: life.exit_code is not None)
    assert (life.exit_code, (tmp_path / "ignored").read_text("utf-8")) == (0, "SIGTERM SIGINT SIGHUP")


def test_a_child_that_waits_is_woken_by_the_stop(begin: Begin, tmp_path: Path) -> None:
    life = begin(doze, Config(data_dir=tmp_path))
    wait_for((tmp_path / "dozes").exists)
    life.tell_stop()
    wait_for(lambda: life.exit_code is not None)
    assert life.exit_code == 0


def test_a_child_that_waits_is_woken_by_a_signal_that_it_stops_on(begin: Begin, tmp_path: Path) -> None:
    life = begin(doze, Config(data_dir=tmp_path), "repair")
    wait_for((tmp_path / "dozes").exists)
    assert life.pid is not None
    os.kill(life.pid, signal.SIGTERM)
    wait_for(lambda: life.exit_code is not None)
    assert life.exit_code == 0


def test_a_notice_of_a_child_wakes_the_supervisor_and_so_does_its_end(begin: Begin) -> None:
    life = begin(echo)
    ended, told = life.descriptors
    life.forward(Notice("supervisor", "sealed", 0, 7))
    assert connection.wait(life.descriptors, PROMPT_SECS) == [told]
    life.notices()
    life.kill()
    assert connection.wait(life.descriptors, PROMPT_SECS) == [ended]


def test_a_report_without_a_configuration_of_its_own_names_that_of_the_start(begin: Begin, tmp_path: Path) -> None:
    life = begin(report_numbers, Config(data_dir=tmp_path))
    assert wait_for(lambda: life.exit_code is not None)
    reported = [(tmp_path / f"reported-{number}").read_bytes() for number in (0, 9)]
    assert [msgspec.json.decode(text, type=Report).config_number for text in reported] == [7, 9]


@pytest.mark.parametrize("renewed", [False, True])
def test_a_process_knows_as_it_stops_whether_a_successor_goes_on(begin: Begin, tmp_path: Path, renewed: bool) -> None:
    life = begin(say_how_it_stops, Config(data_dir=tmp_path))
    assert wait_for((tmp_path / "waits").exists)
    if renewed:
        promptly(life.renew)
    else:
        promptly(life.tell_stop)
    assert wait_for(lambda: life.exit_code is not None)
    assert (life.exit_code, (tmp_path / "renewed").read_text("utf-8")) == (0, str(renewed))


@pytest.mark.parametrize(("target", "ends"), [(say_how_it_stops, True), (record_through_a_hangup, False)])
def test_a_hangup_stops_a_process_only_where_it_means_the_stop(
    begin: Begin, tmp_path: Path, target: Target, ends: bool
) -> None:
    life = begin(target, Config(data_dir=tmp_path, feed=(FeedConfig(name="f"),)), "ingest:f")
    assert wait_for((tmp_path / "waits").exists)
    assert life.pid is not None
    os.kill(life.pid, signal.SIGHUP)
    if not ends:
        status = Path(f"/proc/{life.pid}/status").read_text("ascii")
        ignored = int(status.partition("SigIgn:\t")[2].split()[0], 16)
        assert ignored >> (signal.SIGHUP - 1) & 1
        life.tell_stop()
    assert wait_for(lambda: life.exit_code is not None)
    assert life.exit_code == 0
