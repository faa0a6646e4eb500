"""The supervisor's loop, played with fake lives and a fake clock."""

import os
import signal
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import repeat
from multiprocessing import Pipe, connection
from pathlib import Path
from typing import Any

import pytest

from collector.channel.channel import ALIVE, CONFIG, Notice
from collector.config import Config, SupervisorConfig
from collector.domain.errors import AnotherInstanceError, CannotStartError, NewerDataError
from collector.domain.log import Log
from collector.processes.child_main import STOP_SIGNALS
from collector.reports import Report
from collector.supervision.reload_steps import Steps
from collector.supervision.signals import Signals
from collector.supervision.supervisor import EXIT_LATE, Supervisor

ROLES = ["ingest:binance", "writer", "archiver"]


class Life:
    """A fake process whose descriptor is a real pipe, never ready."""

    pids = iter(range(1_000, 100_000))

    def __init__(self, world: "World", role: str) -> None:
        self.pid = next(self.pids)
        self.exit_code: int | None = None
        self._pipe = Pipe()
        self.descriptors = (self._pipe[0].fileno(),)
        self.is_stopped = False
        self.sent: list[Notice] = []
        self._world, self._role = world, role

    def notices(self) -> list[Notice]:
        sent, self.sent = self.sent, []
        return sent

    def forward(self, notice: Notice) -> None:
        self._world.heard.append((self._role, notice))

    def depths(self) -> tuple[int, int]:
        return 1, 2

    def tell_stop(self) -> None:
        self._world.told.append(self._role)
        if self._role not in self._world.deaf:
            self.exit_code = 0

    def renew(self) -> None:
        self._world.renewed.append(self._role)
        if self._role not in self._world.deaf:
            self.exit_code = 0

    def ask_to_leave(self) -> None:
        self._world.asked_to_leave.append(self._role)
        if self._role in self._world.polite:
            self.exit_code = 0

    def kill(self) -> None:
        self._world.killed.append(self._role)
        self.exit_code = -9

    def release(self) -> None:
        for end in self._pipe:
            end.close()


class World:
    """Children that report at once, and a clock on which every look takes a second."""

    def __init__(self, folder: Path, **section: Any) -> None:
        self.config = Config(data_dir=folder, supervisor=SupervisorConfig(**section))
        self.lives: dict[str, Life] = {}
        self.after_crash: dict[str, bool] = {}
        self.heard: list[tuple[str, Notice]] = []
        self.told: list[str] = []
        self.renewed: list[str] = []
        self.killed: list[str] = []
        self.asked_to_leave: list[str] = []
        self.deaf: set[str] = set()
        self.polite: set[str] = set()
        self.silent: set[str] = set()
        self.signals = Signals()
        weakref.finalize(self, self.signals._bell.close)
        self.secs = 0.0
        self.looks = 0
        self.script: dict[int, Callable[[], None]] = {}

    def spawn(self, role: str, number: int, after_crash: bool) -> Life:
        self.after_crash[role] = after_crash
        self.lives[role] = Life(self, role)
        return self.lives[role]

    def reports(self) -> tuple[Mapping[str, Report], Mapping[str, int]]:
        alive = {role: life for role, life in self.lives.items() if role not in self.silent}
        reports = {role: Report(pid=life.pid) for role, life in alive.items()}
        return reports, dict.fromkeys(alive, self.looks)

    def look(self, supervisor: Supervisor, _reports: object) -> None:
        self.supervisor = supervisor
        self.looks += 1
        self.secs += 1.0
        assert self.looks < 500, "the script does not end"
        self.script.get(self.looks, lambda: None)()

    def run(self, *, stop_after_secs: float | None = None, processes: Sequence[str] = ROLES) -> int:
        class Clock:
            monotonic = staticmethod(lambda: self.secs)
            now_ns = now_us = staticmethod(lambda: 0)

            @staticmethod
            def sleep(secs: float) -> None:
                self.secs += secs

        def delays() -> Iterator[float]:
            return repeat(2.0)

        return Supervisor(
            self.config, self.spawn, delays, self.reports, self.look, self.signals, Clock,
            Log(print), processes=processes, stop_after_secs=stop_after_secs,
        ).run()  # fmt: skip


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_signal_stops_the_stages_in_order_and_the_exit_is_clean(world: World) -> None:
    world.script[3] = lambda: world.signals.note(signal.SIGTERM)
    assert world.run() == 0
    assert world.told == ROLES
    assert world.killed == []


def test_stop_after_works_like_a_signal(world: World) -> None:
    assert world.run(stop_after_secs=4.0) == 0
    assert world.told == ROLES
    assert 4 <= world.looks <= 4 + 1 + len(ROLES)


def test_a_child_past_the_deadline_is_killed_and_the_exit_code_is_5(tmp_path: Path) -> None:
    world = World(tmp_path, stop_timeout_secs=5.0)
    world.deaf = {"writer"}
    world.script[2] = lambda: world.signals.note(signal.SIGINT)
    assert world.run() == EXIT_LATE
    assert world.told == ["ingest:binance", "writer"]
    assert world.killed == ["writer", "archiver"]
    assert 7 <= world.looks <= 9
    assert [child.life for child in world.supervisor.children] == [None, None, None]


@pytest.mark.parametrize("polite", [True, False])
def test_segments_not_archived_by_the_deadline_are_no_failure(tmp_path: Path, polite: bool) -> None:
    world = World(tmp_path, stop_timeout_secs=5.0)
    world.deaf, world.polite = {"archiver"}, {"archiver"} if polite else set()
    world.script[2] = lambda: world.signals.note(signal.SIGTERM)
    assert world.run() == 0
    assert world.told == ROLES
    assert world.asked_to_leave[:1] == ["archiver"]
    assert world.killed == ([] if polite else ["archiver"])


def test_a_second_signal_hurries(world: World) -> None:
    world.deaf = {"writer"}
    world.script[2] = lambda: world.signals.note(signal.SIGINT)
    world.script[4] = lambda: world.signals.note(signal.SIGINT)
    assert world.run() == EXIT_LATE
    assert world.looks <= 9


def test_the_newest_notice_of_a_sender_reaches_the_next_stage(world: World) -> None:
    def send() -> None:
        world.lives["ingest:binance"].sent = [Notice("ingest:binance", "appended", 1, n) for n in range(3)]
        world.lives["writer"].sent = [Notice("writer", "sealed", 0, 0)]

    world.script[2] = send
    world.script[4] = lambda: world.signals.note(signal.SIGTERM)
    world.run()
    assert world.heard == [
        ("writer", Notice("ingest:binance", "appended", 1, 2)),
        ("archiver", Notice("writer", "sealed", 0, 0)),
    ]


def test_repair_stops_with_ingest_and_notices_reach_their_receiver(world: World) -> None:
    def send() -> None:
        world.lives["repair"].sent = [Notice("repair", "appended", 1, 5)]
        world.lives["ingest:binance"].sent = [Notice("ingest:binance", "asked", 0, 0)]
        world.lives["writer"].sent = [Notice("writer", "asked", 0, 0), Notice("writer", "sealed", 0, 0)]

    seen: list[Any] = []
    world.script[2] = send
    world.script[3] = lambda: seen.append([hop[:2] for hop in world.supervisor.hops])
    world.script[4] = lambda: world.signals.note(signal.SIGTERM)
    assert world.run(processes=["ingest:binance", "repair", "writer", "archiver"]) == 0
    assert world.told == ["ingest:binance", "repair", "writer", "archiver"]
    assert seen == [
        [
            ("ingest:binance", "repair"), ("ingest:binance", "writer"), ("repair", "writer"), ("writer", "repair"),
            ("writer", "archiver"),
        ]
    ]  # fmt: skip
    assert sorted(world.heard) == [
        ("archiver", Notice("writer", "sealed", 0, 0)),
        ("repair", Notice("ingest:binance", "asked", 0, 0)),
        ("repair", Notice("writer", "asked", 0, 0)),
        ("writer", Notice("repair", "appended", 1, 5)),
    ]


def test_a_killed_child_is_started_again_and_the_others_go_on(world: World) -> None:
    before: dict[str, int] = {}

    def kill() -> None:
        before.update({role: life.pid for role, life in world.lives.items()})
        world.lives["writer"].exit_code = -9

    world.script[3] = kill
    world.script[6] = lambda: world.signals.note(signal.SIGTERM)
    assert world.run() == 0
    after = {role: life.pid for role, life in world.lives.items()}
    assert {role for role in ROLES if before[role] != after[role]} == {"writer"}


@pytest.mark.parametrize(
    ("code", "error"), [(1, CannotStartError), (2, NewerDataError), (3, AnotherInstanceError), (4, CannotStartError)]
)
def test_a_child_that_cannot_start_before_all_were_up_stops_the_whole(
    world: World, code: int, error: type[Exception]
) -> None:
    world.silent = {"writer"}
    world.script[2] = lambda: setattr(world.lives["writer"], "exit_code", code)
    with pytest.raises(error, match="writer cannot start"):
        world.run()
    assert set(world.killed) == {"ingest:binance", "archiver"}


def test_a_child_that_fails_later_is_tried_again_for_ever(world: World) -> None:
    def fail() -> None:
        world.lives["writer"].exit_code = 1
        world.silent = {"writer"}

    world.script = dict.fromkeys(range(3, 100), fail) | {100: lambda: world.signals.note(signal.SIGTERM)}
    assert world.run() == 0
    writer = next(child for child in world.supervisor.children if child.role == "writer")
    assert writer.restarts > 20


def test_a_kill_during_the_start_is_no_reason_to_give_up(world: World) -> None:
    world.silent = {"writer"}
    world.script[2] = lambda: setattr(world.lives["writer"], "exit_code", -9)
    world.script[6] = lambda: world.signals.note(signal.SIGTERM)
    assert world.run() == 0


def test_a_child_that_hangs_is_killed_and_started_again(world: World) -> None:
    world.script[3] = lambda: world.silent.add("writer")
    world.script[75] = world.silent.clear
    world.script[80] = lambda: world.signals.note(signal.SIGTERM)
    assert world.run() == 0
    assert world.killed == ["writer"]


@pytest.mark.parametrize("role", ROLES)
def test_a_child_waiting_for_a_stalled_disk_is_not_killed(world: World, role: str) -> None:
    def wait() -> None:
        world.silent.add(role)
        world.lives[role].sent = [Notice(role, ALIVE, 0, 0), Notice(role, ALIVE, 1, 0)]

    world.script[3] = wait
    world.script[200] = world.silent.clear
    world.script[210] = lambda: world.signals.note(signal.SIGTERM)
    assert world.run() == 0
    assert world.killed == []


def test_heartbeats_without_reports_show_that_a_child_is_not_hung(world: World) -> None:
    def turn() -> None:
        world.silent.add("writer")
        world.lives["writer"].sent = [Notice("writer", ALIVE, 0, 0)]

    world.script = dict.fromkeys(range(3, 200), turn) | {210: lambda: world.signals.note(signal.SIGTERM)}
    assert world.run() == 0
    assert world.killed == []
    assert world.heard == []


@pytest.mark.parametrize("asleep", ["in a look", "between two"])
def test_a_pause_of_everything_is_held_against_nobody(
    world: World, asleep: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pause() -> None:
        world.silent.update(ROLES)  # they go on a little later than the supervisor
        world.secs += 3_600.0

    heed = Supervisor._handle_signals

    def heed_late(supervisor: Supervisor) -> None:
        if world.looks == 3 and not world.silent:
            pause()
        heed(supervisor)

    if asleep == "in a look":
        world.script[3] = pause
    else:
        monkeypatch.setattr(Supervisor, "_handle_signals", heed_late)
    world.script[30] = world.silent.clear
    world.script[40] = lambda: world.signals.note(signal.SIGTERM)
    assert world.run() == 0
    assert world.killed == []


def test_a_slow_supervisor_finds_a_hung_child_too(world: World) -> None:
    def be_slow() -> None:
        world.secs += 9.0

    world.script = dict.fromkeys(range(4, 80), be_slow)
    world.script[3] = lambda: world.silent.add("writer")
    world.script[80] = lambda: world.signals.note(signal.SIGTERM)
    assert world.run() == 0
    assert "writer" in world.killed


def test_a_process_the_system_cannot_start_is_tried_again(world: World) -> None:
    real = world.spawn
    refusals = iter([True, True, True])

    def spawn(role: str, number: int, after_crash: bool) -> Life:
        if role == "writer" and world.looks > 2 and next(refusals, False):
            raise OSError(24, "Too many open files")
        return real(role, number, after_crash)

    world.spawn = spawn  # type: ignore[method-assign]
    world.script[3] = lambda: setattr(world.lives["writer"], "exit_code", -9)
    world.script[40] = lambda: world.signals.note(signal.SIGTERM)
    assert world.run() == 0
    assert world.told == ROLES


def test_a_fault_in_the_status_does_not_end_recording(world: World) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    world.script = dict.fromkeys(range(3, 6), fail) | {8: lambda: world.signals.note(signal.SIGTERM)}
    assert world.run() == 0


def test_a_fault_of_the_supervisor_leaves_no_child_behind(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Supervisor, "_handle_signals", lambda _self: int("no number"))
    with pytest.raises(ValueError, match="no number"):
        world.run()
    assert sorted(world.killed) == sorted(ROLES)


def test_a_fault_while_children_are_started_ends_those_that_live(world: World) -> None:
    real = world.spawn

    def spawn(role: str, number: int, after_crash: bool) -> Life:
        if role == "ingest:binance":
            raise ZeroDivisionError
        return real(role, number, after_crash)

    world.spawn = spawn  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError):
        world.run()
    assert sorted(world.killed) == ["archiver", "writer"]


def test_a_child_that_cannot_be_ended_saves_none_of_the_others(world: World) -> None:
    def fail() -> None:
        raise ValueError("still running")

    world.deaf = set(ROLES)
    world.script[2] = lambda: setattr(world.lives["ingest:binance"], "release", fail)
    world.script[3] = lambda: world.signals.note(signal.SIGTERM)
    assert world.run() == EXIT_LATE
    assert world.killed == ROLES


@pytest.fixture
def own_signals() -> Iterator[None]:
    """Handlers and mask of this process are afterwards as they were before."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
    handlers = {number: signal.getsignal(number) for number in numbers}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@pytest.mark.usefixtures("own_signals")
def test_signals_that_were_ignored_on_purpose_stay_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    Signals().install()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


@pytest.mark.usefixtures("own_signals")
def test_signals_blocked_by_the_launcher_are_unblocked() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
    signals = Signals()
    signals.install()
    assert signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL
    signal.raise_signal(signal.SIGTERM)
    assert signals.take() == "SIGTERM"


def test_an_ingest_that_exits_before_its_first_report_is_restarted(world: World) -> None:
    world.silent = {"ingest:binance"}
    world.script[2] = lambda: setattr(world.lives["ingest:binance"], "exit_code", 0)
    world.script[4] = world.silent.clear
    world.script[9] = lambda: world.signals.note(signal.SIGTERM)
    assert world.run() == 0
    assert world.killed == []


def test_a_child_that_starts_slowly_is_not_taken_for_hung(tmp_path: Path) -> None:
    world = World(tmp_path, hang_timeout_secs=5.0, stop_timeout_secs=30.0)
    world.silent = {"writer"}
    world.script[25] = world.silent.clear
    world.script[40] = lambda: world.signals.note(signal.SIGTERM)
    assert world.run() == 0
    assert world.killed == []


def test_hops_show_what_waits_between_two_processes(world: World) -> None:
    seen: list[Any] = []
    world.script[2] = lambda: seen.append(world.supervisor.hops)
    world.script[3] = lambda: world.signals.note(signal.SIGTERM)
    world.run()
    assert seen == [[("ingest:binance", "writer", 3, 256), ("writer", "archiver", 3, 256)]]


def test_a_signal_ends_the_wait_of_the_loop() -> None:
    kept = {number: signal.getsignal(number) for number in (*STOP_SIGNALS, signal.SIGCHLD)}
    signals = Signals()
    try:
        signals.install()
        os.kill(os.getpid(), signal.SIGTERM)
        assert connection.wait([signals.fileno()], 60.0) == [signals.fileno()]
        signals.clear()
        assert signals.take() == "SIGTERM"
        assert connection.wait([signals.fileno()], 0) == []
    finally:
        signal.set_wakeup_fd(-1)
        for number, handler in kept.items():
            signal.signal(number, handler)


def test_while_nothing_happens_the_loop_wakes_once_a_second_and_for_a_restart_that_is_due(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Quiet(World):
        """Only waits take time."""

        def look(self, supervisor: Supervisor, reports: object) -> None:
            super().look(supervisor, reports)
            self.secs -= 1.0

    world, waits = Quiet(tmp_path), list[float]()

    def wait(descriptors: Sequence[int], secs: float) -> list[int]:
        waits.append(secs)
        world.secs += secs
        return []

    def die() -> None:
        waits.clear()
        world.lives["writer"].exit_code = -9

    monkeypatch.setattr("collector.supervision.supervisor.connection.wait", wait)
    world.script[3] = waits.clear
    world.script[9] = die  # it is started again at once
    world.script[12] = die  # and this time after two seconds
    world.script[20] = lambda: world.signals.note(signal.SIGTERM)
    quiet: list[list[float]] = []
    world.script[8] = lambda: quiet.append([*waits])
    world.script[19] = lambda: quiet.append([*waits])
    assert world.run() == 0
    assert quiet[0] == [1.0] * 5
    assert sum(quiet[1]) == pytest.approx(7.0)
    assert len(quiet[1]) <= 9


def test_processes_are_renewed_and_told_while_the_others_go_on(world: World) -> None:
    first: dict[str, int] = {}

    def reload() -> None:
        first.update({role: life.pid for role, life in world.lives.items()})
        world.supervisor.reconfigure(world.config, 7, Steps(renew=("writer",), tell=("ingest:binance",)))

    world.script[3] = reload
    world.script[8] = lambda: world.signals.note(signal.SIGTERM)
    assert world.run() == 0
    assert world.renewed == ["writer"]
    assert {role for role, life in world.lives.items() if life.pid != first[role]} == {"writer"}
    assert world.heard == [("ingest:binance", Notice("supervisor", CONFIG, 7, 0))]
    assert world.told == ROLES
    assert [child.restarts for child in world.supervisor.children] == [0, 0, 0]


def test_processes_join_and_retire_and_take_their_place_in_flow_and_stop(world: World) -> None:
    steps = Steps(start=("ingest:okx", "repair"), retire=("ingest:binance",))
    seen: list[Any] = []

    def send() -> None:
        seen.append([child.role for child in world.supervisor.children])
        seen.append([hop[:2] for hop in world.supervisor.hops])
        world.lives["ingest:okx"].sent = [Notice("ingest:okx", "appended", 1, 5)]

    world.script[3] = lambda: world.supervisor.reconfigure(world.config, 1, steps)
    world.script[6] = send
    world.script[8] = lambda: world.signals.note(signal.SIGTERM)
    assert world.run() == 0
    assert seen == [
        ["ingest:okx", "repair", "writer", "archiver"],
        [
            ("ingest:okx", "repair"), ("ingest:okx", "writer"), ("repair", "writer"), ("writer", "repair"),
            ("writer", "archiver"),
        ],
    ]  # fmt: skip
    assert world.heard == [("writer", Notice("ingest:okx", "appended", 1, 5))]
    assert world.told == ["ingest:binance", "ingest:okx", "repair", "writer", "archiver"]
    assert world.killed == []


def test_a_stop_while_a_process_retires_waits_for_it_too(world: World) -> None:
    world.deaf = {"ingest:binance"}
    world.script[3] = lambda: world.supervisor.reconfigure(world.config, 1, Steps(retire=("ingest:binance",)))
    world.script[4] = lambda: world.signals.note(signal.SIGTERM)
    world.script[6] = lambda: setattr(world.lives["ingest:binance"], "exit_code", 0)
    assert world.run() == 0
    assert world.told == ["ingest:binance", *ROLES]


def test_a_process_that_is_wanted_again_while_it_retires_comes_back(world: World) -> None:
    world.deaf = {"ingest:binance"}
    pids: list[int] = []

    def recall() -> None:
        pids.append(world.lives["ingest:binance"].pid)
        world.supervisor.reconfigure(world.config, 2, Steps(start=("ingest:binance",)))
        world.deaf = set()
        world.lives["ingest:binance"].exit_code = 0

    world.script[3] = lambda: world.supervisor.reconfigure(world.config, 1, Steps(retire=("ingest:binance",)))
    world.script[4] = recall
    world.script[8] = lambda: world.signals.note(signal.SIGTERM)
    assert world.run() == 0
    assert world.lives["ingest:binance"].pid not in pids
    assert world.told == ["ingest:binance", *ROLES]
    assert [child.restarts for child in world.supervisor.children] == [0, 0, 0]


def test_a_process_in_a_crash_loop_is_tried_at_once_with_newer_settings(world: World) -> None:
    def die() -> None:
        world.lives["writer"].exit_code = 1

    seen: list[str] = []

    def reload() -> None:
        seen.append(world.supervisor.children[1].state)
        world.supervisor.reconfigure(world.config, 1, Steps(renew=("writer",)))

    world.script = dict.fromkeys((3, 5), die)
    world.script[6] = reload
    world.script[7] = lambda: seen.append(world.supervisor.children[1].state)
    world.script[9] = lambda: world.signals.note(signal.SIGTERM)
    assert world.run() == 0
    assert seen == ["backoff", "running"]
    assert world.renewed == [], "there was nobody to renew"
    assert world.told == ROLES


def test_a_signal_waits_while_two_programs_change_places(world: World) -> None:
    world.script[3] = lambda: setattr(world.supervisor, "holds_signals", True)
    world.script[4] = lambda: world.signals.note(signal.SIGTERM)
    seen: list[bool] = []
    world.script[8] = lambda: seen.append(world.supervisor.stopping)
    world.script[9] = lambda: setattr(world.supervisor, "holds_signals", False)
    assert world.run() == 0
    assert seen == [False]
    assert world.told == ROLES


def test_a_supervisor_that_is_ended_kills_what_still_runs_and_returns_that_code(world: World) -> None:
    world.script[5] = lambda: world.supervisor.end(7)
    assert world.run() == 7
    assert world.told == []
    assert sorted(world.killed) == sorted(ROLES)


def test_a_signal_that_comes_once_it_is_ended_is_left_to_who_ended_it(world: World) -> None:
    def end() -> None:
        world.supervisor.end(0)
        world.signals.note(signal.SIGTERM)

    world.script[5] = end
    assert world.run() == 0
    assert world.signals.take() == "SIGTERM"


def test_a_hangup_asks_for_newer_settings_only_where_no_terminal_can_hang_up() -> None:
    for reloads in (False, True):
        signals = Signals(hangup_reloads=reloads)
        signals.note(signal.SIGHUP)
        assert (signals.take_reload(), signals.take_wake()) == (reloads, reloads)
        assert signals.take() == (None if reloads else "SIGHUP")
        assert signals.ignores_hangup is reloads or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert not signals.take_reload()
