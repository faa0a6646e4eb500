"""A request seen through, with fake processes, real files and a clock that the test moves."""

import signal
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from collector.config import ArchiveConfig, Config, FeedConfig, LogConfig
from collector.config.handed_on import newest_number
from collector.domain.errors import ConfigError
from collector.domain.log import Log
from collector.reports import ArchiverReport, Report
from collector.storage.locks import supervisor_lock
from collector.supervision.control import HANDOVER, Answer, Control, Request
from collector.supervision.handing_over import HandingOver
from collector.supervision.handover_link import Failed, Here
from collector.supervision.other_program import Facts
from collector.supervision.reload_plan import Current, Source
from collector.supervision.reload_steps import Steps
from collector.supervision.reloading import SETTLE_SECS, Reloading
from collector.supervision.requests import CLEAN_SECS, Requests
from collector.supervision.signals import Signals
from tests.supervision.test_handing_over import Later
from tests.whole.disks import SmallDisk
from tests.whole.running import wait_for

OKX = FeedConfig(exchange="okx", symbols=("BTC-USDT",), data_types=("trade",))


class FakeChild:
    def __init__(self, role: str, pid: int) -> None:
        self.role, self.pid, self.state, self.exit_code = role, pid, "running", None


class World:
    """In the place of the supervisor, whose children do what the test says."""

    def __init__(self, folder: Path) -> None:
        self.recording, self.stopping = True, False
        self.stops_in_secs = None
        self.wakes: set[int] = set()
        self.secs = 0.0
        self.events: list[dict[str, Any]] = []
        self.steps: list[tuple[int, Steps]] = []
        self.followed: list[Config] = []
        self.current = Current(Config(data_dir=folder, host_name="box"))
        self.new = self.current.config
        self.error: Exception | None = None
        roles = ("ingest:binance", "repair", "writer", "archiver")
        self.children = [FakeChild(role, pid) for pid, role in enumerate(roles, 1)]
        self.reports: dict[str, Report] = {child.role: Report(pid=child.pid) for child in self.children}
        self.signals = Signals(hangup_reloads=True)
        weakref.finalize(self, self.signals._bell.close)
        self.control = Control(folder)
        self.control.open()
        log = Log(lambda level, fields: self.events.append({"level": level, **fields}))
        facts = Facts(self.current, "run", supervisor_lock(folder), None, None, is_reloadable=True)
        source = Source(self._read, lambda _config: None)
        reloading = Reloading(self.current, source, lambda _count: "", self.followed.append, self, log)
        handing = HandingOver(facts, self, log, self._start)  # type: ignore[arg-type]
        self.requests = Requests(self.current, reloading, handing, self.signals, self, log)

    def _start(self, program: Sequence[str], facts: Facts) -> Later:
        self.later = Later(program, facts)
        return self.later

    def monotonic(self) -> float:
        return self.secs

    def now_ns(self) -> int:
        return 0

    def now_us(self) -> int:
        return 0

    def sleep(self, secs: float) -> None:
        self.secs += secs

    def _read(self) -> Config:
        if self.error is not None:
            raise self.error
        return self.new

    def reconfigure(self, config: Config, number: int, steps: Steps) -> None:
        assert (self.current.config, self.current.number, self.followed[-1]) == (config, number, config)
        self.steps.append((number, steps))

    def child(self, role: str) -> FakeChild:
        return next(child for child in self.children if child.role == role)

    def settle(self, *roles: str) -> None:
        """Let these work by the newest configuration."""
        for role in roles:
            self.child(role).state = "running"
            self.reports[role] = replace(self.reports[role], config_number=self.current.number)

    def look(self) -> None:
        self.requests.look(self, self.reports)  # type: ignore[arg-type]

    def applied(self, count: int = 1) -> None:
        """Look until so many configurations are applied."""

        def is_applied() -> bool:
            self.look()
            return len(self.steps) >= count

        wait_for(is_applied)

    def answer(self, request_id: str) -> Answer:
        def ask() -> Answer | None:
            self.look()
            return self.control.answer_to(request_id)

        answer = wait_for(ask)
        assert answer is not None
        return answer

    def logged(self, event: str) -> list[dict[str, Any]]:
        return [entry for entry in self.events if entry["event"] == event]


def look_until(world: World, condition: Callable[[], object]) -> None:
    def ask() -> object:
        world.look()
        return condition()

    wait_for(ask)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.requests.close()


def test_the_answer_comes_once_every_process_concerned_works_by_the_new_settings(world: World) -> None:
    world.new = replace(world.current.config, archive=ArchiveConfig(compression_level=9))
    number = world.control.ask(Request())
    world.applied()
    assert world.steps == [(1, Steps(renew=("writer", "archiver")))]
    for role in ("writer", "archiver"):
        world.look()
        world.look()
        assert world.control.answer_to(number) is None
        world.settle(role)
    answer = world.answer(number)
    assert (answer.state, answer.config_number, answer.still) == ("done", 1, [])
    assert answer.changes == ["archive.compression_level: 3 -> 9"]
    assert [entry["config_number"] for entry in world.logged("reloaded")] == [1]
    assert newest_number(world.current.config.data_dir) == 1


def test_after_a_while_the_answer_says_who_is_still_under_way(world: World) -> None:
    world.new = replace(world.current.config, archive=ArchiveConfig(compression_level=9), feed=(OKX,))
    number = world.control.ask(Request())
    world.applied()
    assert world.steps[0][1] == Steps(("ingest:okx",), ("ingest:binance",), ("repair", "writer", "archiver"))
    world.children.append(FakeChild("ingest:okx", 9))
    world.child("writer").state = "draining"
    world.child("archiver").state, world.child("archiver").exit_code = "backoff", 1  # type: ignore[assignment]
    world.child("ingest:okx").state = "starting"
    world.settle("repair")
    world.secs += SETTLE_SECS
    answer = world.answer(number)
    assert (answer.state, answer.config_number) == ("under_way", 1)
    assert answer.still == [
        "archiver died (exit code 1) and is started again; the log says why",
        "ingest:binance has not left yet",
        "ingest:okx is starting",
        "writer is draining",
    ]


def test_a_process_that_goes_on_is_awaited_until_its_report_has_the_number(world: World) -> None:
    feed = replace(world.current.config.feed[0], lines=2)
    world.new = replace(world.current.config, feed=(feed,))
    number = world.control.ask(Request())
    world.applied()
    assert world.steps == [(1, Steps(tell=("ingest:binance",)))]
    world.look()
    assert world.control.answer_to(number) is None
    world.settle("ingest:binance")
    assert world.answer(number).state == "done"


def test_a_process_that_has_retired_is_gone(world: World) -> None:
    world.new = replace(world.current.config, feed=(OKX,))
    number = world.control.ask(Request())
    world.applied()
    world.children = [child for child in world.children if child.role != "ingest:binance"]
    world.children.append(FakeChild("ingest:okx", 9))
    world.reports["ingest:okx"] = Report(pid=9, config_number=1)
    world.settle("repair", "writer")
    assert world.answer(number).state == "done"


def test_a_report_of_the_process_before_does_not_count(world: World) -> None:
    world.new = replace(world.current.config, archive=ArchiveConfig(url="s3://x"))
    number = world.control.ask(Request())
    world.applied()
    world.settle("archiver")
    world.child("archiver").pid = 99
    world.look()
    world.look()
    assert world.control.answer_to(number) is None
    world.reports["archiver"] = Report(pid=99, config_number=1)
    assert world.answer(number).state == "done"


def test_a_refusal_changes_nothing_and_is_logged(world: World) -> None:
    world.error = ConfigError(["one", "two"])
    answer = world.answer(world.control.ask(Request()))
    assert (answer.state, answer.problems) == ("refused", ["one", "two"])
    assert (world.steps, world.followed, world.current.number) == ([], [], 0)
    assert [entry["problems"] for entry in world.logged("reload_refused")] == [["one", "two"]]


def test_a_fault_is_answered_too_and_the_next_request_is_heeded(world: World) -> None:
    world.error = ZeroDivisionError()
    answer = world.answer(world.control.ask(Request()))
    assert (answer.state, answer.problems) == ("refused", ["a fault of the recorder; its log has the trace"])
    assert len(world.logged("reload_failed")) == 1
    world.error = None
    assert world.answer(world.control.ask(Request())).state == "done"


def test_two_requests_at_once_are_seen_through_one_after_the_other(world: World) -> None:
    world.new = replace(world.current.config, archive=ArchiveConfig(url="s3://x"))
    first, second = world.control.ask(Request()), world.control.ask(Request())
    world.applied()
    for _ in range(3):
        world.look()
    assert len(world.steps) == 1
    world.settle("archiver")
    answers = [world.answer(request_id) for request_id in (first, second)]
    assert sorted(len(answer.changes) for answer in answers) == [0, 1]
    assert [number for number, _ in world.steps] == [1, 1]


def test_a_hangup_is_heeded_like_a_request_and_a_dry_run_changes_nothing(world: World) -> None:
    world.new = replace(world.current.config, log=LogConfig(level="debug"))
    answer = world.answer(world.control.ask(Request(dry_run=True)))
    assert (answer.changes, world.steps, world.followed) == (['log.level: "info" -> "debug"'], [], [])
    world.signals.note(signal.SIGHUP)
    world.applied()
    world.look()
    assert world.followed == [world.new]
    assert [entry["changes"] for entry in world.logged("reloaded")] == [['log.level: "info" -> "debug"']]


def test_whoever_waits_for_a_store_that_was_away_looks_at_it_at_once(world: World) -> None:
    world.reports["archiver"] = ArchiverReport(pid=world.child("archiver").pid, store_state="away")
    number = world.control.ask(Request())
    world.applied()
    assert world.steps == [(0, Steps(renew=("archiver",)))]
    assert world.answer(number).processes == ["archiver is renewed"]


def test_a_bucket_is_given_time_for_its_first_answer_and_what_is_wrong_with_it_is_a_warning(world: World) -> None:
    world.new = replace(world.current.config, archive=ArchiveConfig(url="s3://x"))
    pid = world.child("archiver").pid
    for store, said in (
        ({"store_known": True}, []),
        ({"store_known": True, "store_state": "refusing", "last_error": "no such bucket"},
         ["archive.url: s3://x takes no objects: no such bucket"]),
        ({}, ["archive.url: s3://x has not answered yet"]),
    ):  # fmt: skip
        world.new = replace(world.new, archive=replace(world.new.archive, retry_base_delay_secs=1.0 + len(world.steps)))
        number = world.control.ask(Request())
        world.applied(len(world.steps) + 1)
        world.reports["archiver"] = ArchiverReport(pid=pid, config_number=world.current.number)
        for _ in range(3):
            world.look()
        assert world.control.answer_to(number) is None, "it has not answered yet"
        world.reports["archiver"] = ArchiverReport(pid=pid, config_number=world.current.number, **store)
        world.secs += 0.0 if store else SETTLE_SECS
        answer = world.answer(number)
        assert (answer.state, answer.still, answer.warnings) == ("done", [], said)
        assert world.logged("reloaded")[-1]["warnings"] == said


def test_requests_wait_until_everybody_has_begun(world: World) -> None:
    world.recording = False
    number = world.control.ask(Request())
    for _ in range(3):
        world.look()
        world.secs += CLEAN_SECS
    assert world.control.answer_to(number) is None
    world.recording = True
    assert world.answer(number).state == "done"


def test_a_stop_meanwhile_is_said(world: World) -> None:
    world.new = replace(world.current.config, archive=ArchiveConfig(url="s3://x"))
    number = world.control.ask(Request())
    world.applied()
    world.stopping = True
    answer = world.answer(number)
    assert (answer.state, answer.still[-1]) == ("under_way", "the recorder is stopping")


def test_what_is_asked_of_a_recorder_that_ends_is_refused(tmp_path: Path) -> None:
    world = World(tmp_path)
    number = world.control.ask(Request())
    world.stopping = True
    world.look()
    world.requests.close()
    answer = world.control.answer_to(number)
    assert answer is not None
    assert (answer.state, answer.problems) == ("refused", ["the recorder is stopping"])


def test_whoever_asked_for_a_handover_is_told_each_step_and_how_it_ended(world: World) -> None:
    number = world.control.ask(Request(kind=HANDOVER, program=["later"], version="2.0"))
    first = world.answer(number)
    assert (first.state, first.goes_on, first.pid) == ("under_way", True, Later.pid)
    assert first.notes == ["version 2.0 is started beside version 0.1.0, as process 4321"]
    world.later.says(Here(version="2.0"))
    assert wait_for(lambda: world.answer(number).notes[1:]) == ["version 2.0 answers"]
    world.later.says(Failed(reason="no room"))
    last = wait_for(lambda: next((told for told in [world.answer(number)] if told.state != "under_way"), None))
    assert last is not None
    assert (last.state, last.goes_on) == ("refused", False)
    assert last.problems == ["the new version failed: no room; version 0.1.0 records on"]
    assert world.control.take() is None
    assert world.control.taken(HANDOVER) == []
    again = world.control.ask(Request(dry_run=True))
    assert world.answer(again).state == "done"


def test_while_a_later_version_takes_over_every_other_request_is_refused_at_once(world: World) -> None:
    number = world.control.ask(Request(kind=HANDOVER, program=["later"]))
    world.answer(number)
    others = [world.control.ask(Request()), world.control.ask(Request(kind=HANDOVER, program=["another"]))]
    for other in others:
        world.secs += 10
        answer = world.answer(other)
        assert answer.state == "refused"
        assert answer.problems == ["a later version is about to take over: ask again when it has, or has failed"]
    assert world.control.take() is None
    assert world.control.taken(HANDOVER) == [number]


def test_a_request_whose_answer_cannot_be_written_is_not_carried_out_again(tmp_path: Path) -> None:
    disk = SmallDisk(tmp_path / "small", 1 << 20)
    try:
        world = World(disk.folder)
        world.new = replace(world.current.config, log=LogConfig(level="debug"))
        number = world.control.ask(Request())
        world.applied()
        disk.fill()
        look_until(world, lambda: world.logged("request_unanswered"))
        world.secs += CLEAN_SECS
        world.signals.note(signal.SIGHUP)
        look_until(world, lambda: len(world.logged("reloaded")) == 2)
        assert [entry["changes"] for entry in world.logged("reloaded")][1:] == [[]], "only the signal was heeded"
        world.requests.close()
        disk.clear()
        later = World(disk.folder)
        assert later.answer(number).problems == [
            "the recorder that took the request ended before it answered: ask again"
        ]
        assert (later.steps, later.logged("reloaded")) == ([], [])
        later.requests.close()
    finally:
        disk.unmount()


def test_a_program_that_takes_over_leaves_the_answer_to_who_knows_how_it_went(world: World) -> None:
    number = world.control.ask(Request(kind=HANDOVER, program=["later"]))
    world.answer(number)
    later = World(world.current.config.data_dir)
    assert later.answer(later.control.ask(Request())).state == "done"
    said = later.control.answer_to(number)
    assert said is None or said.goes_on, "how far it was, as the earlier program said"
    assert later.control.taken(HANDOVER) == [number]
    later.requests.close()
