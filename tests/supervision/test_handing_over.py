"""The earlier program of a handover: each step, and each way to fail, with a later program that the test speaks for."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pytest

from collector.config.handed_on import read_config
from collector.storage.locks import supervisor_lock
from collector.supervision import handover_rules
from collector.supervision.control import HANDOVER, Answer, Request
from collector.supervision.handing_over import CONNECT_SECS, LONGEST_TRIAL_SECS, HandingOver
from collector.supervision.handover_link import Alive, Connected, Failed, Gone, Hello, Here, Link, Sound, Stored, Yours
from collector.supervision.handover_rules import CONNECTIONS_APART
from collector.supervision.other_program import Facts
from collector.supervision.reload_plan import Current
from collector.supervision.reload_steps import Steps
from tests.supervision.programs import MIN_SECS, ROLES, Side, add_host_roles, config, ingest

REQUEST = Request(kind=HANDOVER, program=["later"], version="2.0")


class Later:
    """In the place of the later program's process."""

    pid = 4321

    def __init__(self, program: Sequence[str], _facts: Facts) -> None:
        self.program = list(program)
        self.link, theirs = Link.pair()
        self.end_of_it = Link(theirs)
        self.code: int | None = None
        self.is_killed = False

    def exit_code(self) -> int | None:
        return self.code

    def wait(self, _secs: float) -> int | None:
        return self.code

    def end(self) -> None:
        self.is_killed = True

    def says(self, *messages: Any) -> None:
        for message in messages:
            self.end_of_it.send(message)


class World:
    def __init__(self, folder: Path, role: Literal["all", "edge", "storage"] = "all", side: Side | None = None) -> None:
        self.side = side or Side(*ROLES)
        self.followed: list[bool] = []
        self.made: list[Later] = []
        self.current = Current(config(folder, role), 4)
        facts = Facts(self.current, "run", supervisor_lock(folder), None, None, is_reloadable=True)
        self.handing = HandingOver(facts, self.side, self.side.log, self._start)  # type: ignore[arg-type]
        self.handing.follow = self.followed.append

    def _start(self, program: Sequence[str], facts: Facts) -> Later:
        self.made.append(Later(program, facts))
        return self.made[-1]

    @property
    def later(self) -> Later:
        return self.made[-1]

    def begin(self) -> Answer | None:
        reports = {"ingest:binance": ingest(1, connection=41)}
        return self.handing.begin("a" * 16, REQUEST, self.side, reports)  # type: ignore[arg-type]

    def look(self, secs: float = 1.0) -> Answer | None:
        self.side.secs += secs
        return self.handing.look(self.side)  # type: ignore[arg-type]

    def until(self, phase: str) -> None:
        """Let all go well until the handover is in that phase."""
        assert self.begin() is None
        self.later.says(Here(version="2.0"))
        if phase == "starting":
            return
        self.later.says(Connected())
        assert self.look() is None
        if phase == "clearing":
            return
        self.side.part("repair", "writer", "archiver")
        assert self.look() is None
        if phase == "trying":
            return
        self.later.says(Stored(), Sound())
        assert self.look() is None


PHASES = ("starting", "clearing", "trying", "leaving")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_the_later_program_learns_all_it_needs(world: World, tmp_path: Path) -> None:
    world.side.stops_in_secs = 7.5
    world.until("starting")
    (hello,) = world.later.end_of_it.receive()
    assert isinstance(hello, Hello)
    assert (hello.data_dir, hello.run_id, hello.request_id) == (str(tmp_path), "run", "a" * 16)
    assert read_config(tmp_path, hello.config_number) == world.current.config
    assert hello.first_connections == {"ingest:binance": 41 + CONNECTIONS_APART}
    assert world.later.program == ["later"]
    assert hello.stop_after_secs == 7.5


def test_processes_change_places_step_by_step(world: World) -> None:
    world.until("leaving")
    assert world.side.steps == [Steps(leave=("repair", "writer", "archiver")), Steps(retire=("ingest:binance",))]
    assert any(isinstance(message, Yours) for message in world.later.end_of_it.receive())
    assert world.followed == [True]
    assert not world.handing.is_done
    world.side.part("ingest:binance")
    assert world.look() is None, "the later program answers"
    assert (world.handing.is_done, world.side.code) == (True, 0)
    world.handing.conclude()
    (gone,) = world.later.end_of_it.receive()
    assert isinstance(gone, Gone)
    assert gone.notes == world.handing.notes
    assert "version 2.0 answers" in gone.notes


EDGE = ("ingest:binance", "publish:binance")
STORAGE = ("relay:binance", "writer", "archiver")


@pytest.mark.parametrize(
    ("role", "processes", "leave", "retire", "said"),
    [
        ("edge", EDGE, EDGE[1:], EDGE[:1], "its connections stand; cluster and publish"),
        ("storage", STORAGE, STORAGE, (), "it stands; relay, "),
    ],
)
def test_what_changes_places_follows_from_the_table_of_roles(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    role: Literal["edge", "storage"],
    processes: tuple[str, ...],
    leave: tuple[str, ...],
    retire: tuple[str, ...],
    said: str,
) -> None:
    add_host_roles(monkeypatch)
    world = World(tmp_path, role, Side(*processes))
    world.until("clearing")
    assert world.side.steps == [Steps(leave=leave)]
    assert world.handing.notes[-1].startswith(said)
    world.side.part(*leave)
    assert world.look() is None
    world.later.says(Stored(), Sound())
    world.look()
    assert world.side.steps[1:] == [Steps(retire=retire)]
    world.side.part(*retire)
    world.look()
    assert (world.handing.is_done, world.side.code) == (True, 0)


def test_signals_wait_only_while_writers_change_places(world: World) -> None:
    held = []
    for phase in PHASES:
        world = World(world.current.config.data_dir)
        world.until(phase)
        held.append(world.side.holds_signals)
    assert held == [False, True, False, False]


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("how", ["says so", "ends", "closes its end", "is silent", "babbles"])
def test_a_failure_in_any_phase_ends_it_and_starts_all_that_has_left(world: World, phase: str, how: str) -> None:
    world.until(phase)
    waited = 1.0
    match how:
        case "says so":
            world.later.says(Failed(reason="no room"))
        case "ends":
            world.later.code = 3
        case "closes its end":
            world.later.end_of_it.close()
        case "is silent":
            world.look()
            waited = world.current.config.supervisor.hang_timeout_secs + 1
        case "babbles":
            world.later.end_of_it._end.send(b"[1, 2\n")
    answer = world.look(waited)
    assert answer is not None
    assert answer.state == "refused"
    assert answer.problems[0].startswith("the new version failed: ")
    assert answer.problems[0].endswith(" records on")
    assert world.later.is_killed
    assert (world.side.holds_signals, world.handing.is_under_way) == (False, False)
    assert world.followed[-1:] == [False]
    present = {child.role for child in world.side.children}
    absent = tuple(role for role in ROLES if role not in present)
    assert world.side.steps[-1:] == ([Steps(start=absent)] if absent else world.side.steps[-1:])
    assert absent or world.side.steps in ([], [Steps(leave=("repair", "writer", "archiver"))])
    assert world.begin() is None, "another one may be tried"


def test_what_still_leaves_is_recalled_too(world: World) -> None:
    world.until("clearing")
    for child in world.side.children:
        child.state = "draining" if child.role != "ingest:binance" else "running"
    world.later.code = 1
    assert world.look() is not None
    assert world.side.steps[-1] == Steps(start=("repair", "writer", "archiver"))


@pytest.mark.parametrize(
    ("phase", "limit_secs"), [("starting", CONNECT_SECS), ("trying", MIN_SECS + LONGEST_TRIAL_SECS)]
)
def test_a_phase_that_takes_too_long_has_failed_and_what_it_waits_for_is_said(
    world: World, phase: str, limit_secs: float
) -> None:
    world.until(phase)
    answer = None
    for _ in range(int(limit_secs) + 2):
        world.later.says(Alive(waits_for="BTCUSDT trade"))
        answer = answer or world.look()
    assert answer is not None
    assert "it took too long: BTCUSDT trade" in answer.problems[0]


def test_time_in_which_this_program_was_paused_does_not_count(world: World) -> None:
    for phase in ("starting", "trying", "leaving"):
        world = World(world.current.config.data_dir)
        world.until(phase)
        world.later.says(Alive())
        assert world.look(3_600.0) is None


def test_once_all_has_left_only_the_end_of_the_later_program_is_a_failure(world: World) -> None:
    world.until("leaving")
    world.side.part("ingest:binance")
    world.later.code = -9
    assert world.look() is not None
    assert world.side.steps[-1] == Steps(start=ROLES)
    assert (world.handing.is_done, world.side.code) == (False, None)


def test_progress_says_what_it_waits_for(world: World) -> None:
    world.until("starting")
    world.later.says(Alive(waits_for="the moon"))
    world.look()
    said = world.handing.progress()
    assert (said.state, said.goes_on, said.still, said.pid) == ("under_way", True, ["the moon"], Later.pid)


def test_a_stop_before_the_later_writer_works_ends_the_later_program(world: World) -> None:
    world.until("starting")
    world.side.stopping = True
    answer = world.look()
    assert answer is not None
    assert answer.problems == ["the new version failed: the recorder is stopping"]
    assert world.later.is_killed
    assert world.side.steps == []


def test_after_that_a_stop_is_up_to_the_later_program(world: World) -> None:
    world.until("trying")
    world.side.stopping = True
    world.later.says(Alive(told_to_stop=True))
    assert world.look() is None
    assert world.handing.shares_the_work
    world.handing.abandon()
    assert not world.later.is_killed
    world.later.code = 5
    assert world.handing.conclude(stop=True) == 5
    assert world.later.end_of_it.receive()[-1] == Gone(stop=True, notes=world.handing.notes)


def test_a_stop_that_comes_when_all_have_left_is_passed_on(world: World) -> None:
    world.until("leaving")
    world.side.part("ingest:binance")
    world.side.stopping = True
    assert world.look() is None
    assert (world.handing.is_done, world.handing.is_under_way) == (False, True)


def test_a_later_program_that_somebody_stops_has_failed(world: World) -> None:
    world.until("trying")
    world.later.says(Alive(told_to_stop=True))
    answer = world.look()
    assert answer is not None
    assert "somebody told it to stop" in answer.problems[0]


def test_a_raised_format_is_told_before_and_after_the_first_commit(world: World) -> None:
    assert world.begin() is None
    world.later.says(Here(version="2.0", raised=["state 3 -> 4"]))
    world.look()
    assert "no way back" in world.handing.notes[-1]
    assert "state 3 -> 4" in world.handing.notes[-1]
    world.later.says(Connected())
    world.look()
    world.side.part("repair", "writer", "archiver")
    world.look()
    world.later.says(Stored())
    world.look()
    assert world.handing.notes[-1] == "there is no way back now"


def test_what_ends_with_its_container_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 1)
    answer = world.begin()
    assert answer is not None
    assert answer.problems[0].startswith("it is process 1, with which its container ends")
    monkeypatch.undo()
    monkeypatch.setattr(os, "getppid", lambda: 1)
    monkeypatch.setattr(handover_rules, "_name_of", lambda _pid: "tini")
    answer = world.begin()
    assert answer is not None
    assert answer.problems[0].startswith("it was started by tini, with which its container ends")
    assert world.made == []


def test_a_program_that_cannot_be_started_is_said_in_one_line(tmp_path: Path) -> None:
    side = Side(*ROLES)
    facts = Facts(Current(config(tmp_path)), "run", supervisor_lock(tmp_path), None, None, is_reloadable=True)
    handing = HandingOver(facts, side, side.log)
    request = Request(kind=HANDOVER, program=[str(tmp_path / "nothing")])
    answer = handing.begin("a" * 16, request, side, {})  # type: ignore[arg-type]
    assert answer is not None
    assert answer.problems[0].startswith("the program cannot be started: ")
    assert not handing.is_under_way
    demo = HandingOver(facts._replace(is_reloadable=False), side, side.log)
    refused = demo.begin("a" * 16, REQUEST, side, {})  # type: ignore[arg-type]
    assert refused is not None
    assert refused.problems == ["a demo is not handed over"]
