"""A child's histories, played with lives that are no processes."""

from collections.abc import Callable, Iterator
from itertools import repeat

from collector.channel.channel import Notice
from collector.domain.log import Log
from collector.supervision.child import STABLE_SECS, Child
from collector.supervision.stop_sequence import HURRY_SECS, Stop

PIDS = iter(range(100, 10_000))


class Life:
    """A process that lives until the test ends it."""

    def __init__(self, role: str, log: list[str]) -> None:
        self.role = role
        self.pid = next(PIDS)
        self.exit_code: int | None = None
        self.descriptors = ()
        self.is_stopped = False
        self._log = log

    def notices(self) -> list[Notice]:
        return []

    def forward(self, notice: Notice) -> None:
        self._log.append(f"{self.role} hears {notice.sender}")

    def depths(self) -> tuple[int, int]:
        return 0, 0

    def tell_stop(self) -> None:
        self._log.append(f"{self.role} told")

    def renew(self) -> None:
        self._log.append(f"{self.role} renewed")

    def ask_to_leave(self) -> None:
        self._log.append(f"{self.role} asked to leave")

    def kill(self) -> None:
        self._log.append(f"{self.role} killed")
        self.exit_code = -9

    def release(self) -> None:
        self._log.append(f"{self.role} buried")


class Stage:
    """Children with fake lives, and what happened to them."""

    def __init__(
        self, delays: Callable[[], Iterator[float]] = lambda: iter([1.0, 2.0, 4.0, *repeat(8.0, 100)])
    ) -> None:
        self.log: list[str] = []
        self.lives: dict[str, Life] = {}
        self.after_crash: list[bool] = []
        self._delays = delays

    def child(self, role: str, *, drains: bool = True) -> Child:
        return Child(role, self._spawn, self._delays, Log(print), drains=drains)

    def _spawn(self, role: str, number: int, after_crash: bool) -> Life:
        self.after_crash.append(after_crash)
        self.log.append(f"{role} {number} started")
        self.lives[role] = Life(role, self.log)
        return self.lives[role]


def starts(child: Child, stage: Stage, until: float, *, step: float = 0.25, code: int = 1) -> list[float]:
    """Let the child die the moment it starts; returns when it was started again."""
    times: list[float] = []
    now = 0.0
    while now < until:
        stage.lives[child.role].exit_code = code
        before = child.restarts
        child.tend(now)
        child.tend(now)
        times += [now] * (child.restarts - before)
        now += step
    return times


def test_a_child_is_restarted_at_once_and_then_with_longer_delays() -> None:
    stage = Stage()
    child = stage.child("writer")
    child.start(0.0)
    assert starts(child, stage, 20.0) == [0.0, 1.25, 3.5, 7.75, 16.0]


def test_after_a_stable_run_the_next_restart_is_immediate() -> None:
    stage = Stage()
    child = stage.child("writer")
    child.start(0.0)
    starts(child, stage, 4.0)
    child.tend(100.0)
    stage.lives["writer"].exit_code = -11
    child.tend(100.0 + STABLE_SECS)
    child.tend(100.0 + STABLE_SECS)
    assert child.pid == stage.lives["writer"].pid
    assert stage.lives["writer"].exit_code is None


def test_a_report_of_the_present_life_makes_it_running() -> None:
    stage = Stage()
    child = stage.child("writer")
    child.start(0.0)
    child.note_report(1, "a", 1.0)
    assert (child.state, child.ever_up) == ("starting", False)
    child.note_report(stage.lives["writer"].pid, "a", 1.0)
    assert (child.state, child.ever_up) == ("running", True)


def test_a_child_that_runs_knows_for_how_long_it_has_reported_nothing() -> None:
    stage = Stage()
    child = stage.child("writer")
    child.start(0.0)
    assert child.unreported_secs(20.0) is None
    for stamp, now in (("a", 20.0), ("b", 25.0), ("b", 60.0)):
        child.note_report(stage.lives["writer"].pid, stamp, now)
    assert child.unreported_secs(60.0) == 35.0
    stage.lives["writer"].exit_code = -9
    child.tend(61.0)
    assert child.unreported_secs(61.0) is None


def test_a_child_without_new_reports_is_killed_and_restarted() -> None:
    stage = Stage()
    child = stage.child("writer")
    child.start(0.0)
    pid = stage.lives["writer"].pid
    for now in range(100):
        child.note_report(pid, f"report {min(now, 30)}", float(now))
        child.end_if_hung(float(now), 60.0)
        child.tend(float(now))
        child.tend(float(now))
    assert stage.log[1:4] == ["writer killed", "writer buried", "writer 2 started"]
    assert child.restarts == 1


def test_a_child_waiting_for_the_disk_is_killed_only_if_it_is_stopped() -> None:
    stage = Stage()
    child = stage.child("writer")
    child.start(0.0)
    child.note_heartbeat(10.0, waits=True)
    for now in range(11, 1_000):
        child.end_if_hung(float(now), 60.0)
    assert "writer killed" not in stage.log
    assert child.waits_for_disk
    stage.lives["writer"].is_stopped = True
    child.end_if_hung(1_000.0, 60.0)
    assert "writer killed" in stage.log


def test_after_a_wait_for_the_disk_a_child_must_report_again() -> None:
    stage = Stage()
    child = stage.child("writer")
    child.start(0.0)
    child.note_heartbeat(10.0, waits=True)
    child.note_heartbeat(500.0, waits=False)
    child.end_if_hung(560.0, 60.0)
    assert "writer killed" not in stage.log
    child.end_if_hung(561.0, 60.0)
    assert "writer killed" in stage.log


def test_a_new_incarnation_starts_without_a_wait_for_the_disk() -> None:
    stage = Stage()
    child = stage.child("writer")
    child.start(0.0)
    child.note_heartbeat(10.0, waits=True)
    stage.lives["writer"].exit_code = -9
    child.tend(11.0)
    child.tend(12.0)
    child.end_if_hung(73.0, 60.0)
    assert stage.log.count("writer killed") == 1


def test_a_child_that_never_reports_is_killed_too() -> None:
    stage = Stage()
    child = stage.child("writer")
    child.start(5.0)
    child.end_if_hung(64.0, 60.0)
    assert "writer killed" not in stage.log
    child.end_if_hung(66.0, 60.0)
    assert "writer killed" in stage.log


def test_an_incarnation_knows_whether_the_previous_one_crashed() -> None:
    stage = Stage()
    child = stage.child("archiver")
    child.start(0.0)
    for number, code in enumerate((-11, 1, -6, -9, 7, 0, -15)):
        stage.lives["archiver"].exit_code = code
        child.tend(100.0 * number)
        child.tend(100.0 * number + 99.0)
    assert stage.after_crash == [False, True, True, True, False, False, False, False]


def test_a_hung_process_that_is_killed_has_not_crashed() -> None:
    stage = Stage()
    child = stage.child("archiver")
    child.start(0.0)
    child.end_if_hung(61.0, 60.0)
    for now in (61.0, 61.1):
        child.tend(now)
    assert stage.log.count("archiver killed") == 1
    assert stage.after_crash == [False, False]


def test_stages_stop_by_death_in_order() -> None:
    stage = Stage()
    ingest, writer, archiver = stage.child("ingest", drains=False), stage.child("writer"), stage.child("archiver")
    for child in (ingest, writer, archiver):
        child.start(0.0)
    stop = Stop([[ingest], [writer], [archiver]], deadline=30.0)
    del stage.log[:]
    for role in ("ingest", "writer", "archiver"):
        assert not stop.step(1.0)
        assert stage.log[-1] == f"{role} told"
        stage.lives[role].exit_code = 0
        for child in (ingest, writer, archiver):
            child.tend(1.0)
    assert stop.step(1.0)
    assert stage.log == [
        "ingest told", "ingest buried", "writer told", "writer buried", "archiver told", "archiver buried",
    ]  # fmt: skip


def test_children_still_at_work_near_the_deadline_are_told_to_exit() -> None:
    stage = Stage()
    archiver = stage.child("archiver")
    archiver.start(0.0)
    stop = Stop([[archiver]], deadline=30.0)
    asked = [(stop.step(now / 100), stage.log.count("archiver asked to leave"))[1] for now in range(0, 3_000, 2)]
    assert asked[(3_000 - 102) // 2] == 0
    assert asked[(3_000 - 100) // 2] == 1
    assert 2 < asked[-1] < 10
    stage.lives["archiver"].exit_code = 0
    archiver.tend(29.9)
    assert stop.step(29.9)


def test_a_writer_that_dies_while_it_drains_is_started_again_to_finish() -> None:
    stage = Stage()
    writer = stage.child("writer")
    writer.start(0.0)
    stop = Stop([[writer]], deadline=30.0)
    stop.step(0.0)
    stage.lives["writer"].exit_code = -9
    writer.tend(0.0)
    assert not stop.step(0.0)
    writer.tend(0.0)
    assert stage.log[-2:] == ["writer 2 started", "writer told"]
    stage.lives["writer"].exit_code = 0
    writer.tend(1.0)
    assert stop.step(1.0)


def test_a_dead_writer_is_started_to_drain_and_a_dead_ingest_is_not() -> None:
    stage = Stage(lambda: repeat(60.0))
    ingest, writer = stage.child("ingest", drains=False), stage.child("writer")
    for child in (ingest, writer):
        child.start(0.0)
        for now in (0.0, 0.1):
            stage.lives[child.role].exit_code = 1
            child.tend(now)
            child.tend(now)
        assert child.state == "backoff"
    stop = Stop([[ingest], [writer]], deadline=30.0)
    stop.step(1.0)
    assert (ingest.state, writer.state) == ("done", "draining")


def test_a_second_signal_shortens_the_deadline_and_never_lengthens_it() -> None:
    stop = Stop([], deadline=30.0)
    stop.hurry(10.0)
    assert stop.deadline == 10.0 + HURRY_SECS
    stop.hurry(11.9)
    assert stop.deadline == 10.0 + HURRY_SECS
    assert stop.is_late(12.0)


def test_a_child_that_is_renewed_is_followed_at_once_and_counts_no_restart() -> None:
    stage = Stage(lambda: repeat(60.0))
    child = stage.child("writer")
    child.start(0.0)
    first = child.pid
    child.renew(5.0, limit_secs=30.0)
    assert child.state == "draining"
    child.tend(6.0)
    assert child.pid == first
    stage.lives["writer"].exit_code = 0
    child.tend(7.0)
    assert child.pid != first
    assert stage.log == ["writer 1 started", "writer renewed", "writer buried", "writer 2 started"]
    assert (child.restarts, child.state, stage.after_crash) == (0, "starting", [False, False])
    stage.lives["writer"].exit_code = 1
    child.tend(8.0)
    child.tend(8.0)
    assert child.restarts == 1, "its next death is an ordinary one"


def test_a_child_that_does_not_leave_for_its_successor_is_killed_and_did_not_crash() -> None:
    stage = Stage()
    child = stage.child("writer")
    child.start(0.0)
    child.renew(5.0, limit_secs=30.0)
    for now in (34.9, 35.0, 35.1):
        child.tend(now)
    assert stage.log[-3:] == ["writer killed", "writer buried", "writer 2 started"]
    assert (child.restarts, stage.after_crash) == (0, [False, False])
    child.tend(100.0)
    assert stage.log[-1] == "writer 2 started", "the limit was that of the process before"


def test_a_child_that_crashes_while_it_is_renewed_is_restarted_as_after_any_crash() -> None:
    stage = Stage(lambda: repeat(60.0))
    child = stage.child("writer")
    child.start(0.0)
    starts(child, stage, 1.0)
    child.start(2.0)
    child.renew(5.0, limit_secs=30.0)
    stage.lives["writer"].exit_code = 1
    child.tend(6.0)
    assert (child.state, child.retry_secs(6.0)) == ("backoff", 60.0)


def test_a_child_in_backoff_that_is_renewed_is_started_at_once() -> None:
    stage = Stage(lambda: repeat(60.0))
    child = stage.child("writer")
    child.start(0.0)
    starts(child, stage, 1.0)
    assert (child.state, child.retry_secs(1.0) > 1.0) == ("backoff", True)
    child.renew(1.0, limit_secs=30.0)
    child.tend(1.0)
    assert child.state == "starting"


def test_a_writer_that_is_renewed_as_the_stop_begins_is_started_again_to_drain() -> None:
    stage = Stage()
    writer, ingest = stage.child("writer"), stage.child("ingest", drains=False)
    for child in (writer, ingest):
        child.start(0.0)
        child.renew(1.0, limit_secs=30.0)
    stop = Stop([[ingest], [writer]], deadline=30.0)
    stop.step(2.0)
    stage.lives["ingest"].exit_code = 0
    ingest.tend(2.0)
    assert (ingest.state, stage.log[-1]) == ("done", "ingest buried")
    stop.step(3.0)
    stage.lives["writer"].exit_code = 0
    writer.tend(3.0)
    assert stage.log[-3:] == ["writer buried", "writer 2 started", "writer told"]
    assert writer.state == "draining"
    stage.lives["writer"].exit_code = 0
    writer.tend(4.0)
    assert stop.step(4.0)


def test_a_child_that_retires_is_stopped_for_good_and_killed_if_it_stays() -> None:
    stage = Stage()
    prompt, stubborn, dead = (stage.child(f"ingest:{name}", drains=False) for name in ("a", "b", "c"))
    for child in (prompt, stubborn, dead):
        child.start(0.0)
    stage.lives["ingest:c"].exit_code = 1
    dead.tend(1.0)
    for child in (prompt, stubborn, dead):
        child.retire(2.0, limit_secs=30.0)
    assert dead.state == "done"
    stage.lives["ingest:a"].exit_code = 0
    for now in (3.0, 32.0, 32.1):
        for child in (prompt, stubborn, dead):
            child.tend(now)
    assert [child.state for child in (prompt, stubborn, dead)] == ["done"] * 3
    assert "ingest:b killed" in stage.log
    assert "ingest:a killed" not in stage.log


def test_a_child_that_leaves_is_done_whatever_its_exit_code_and_can_be_recalled() -> None:
    for code in (0, -9):
        stage = Stage()
        child = stage.child("writer")
        child.start(0.0)
        child.leave(1.0, 30.0)
        assert child.state == "draining"
        stage.lives["writer"].exit_code = code
        child.tend(2.0)
        assert child.state == "done"
        child.recall(3.0)
        assert (child.state, child.restarts) == ("starting", 0)
        stage.lives["writer"].exit_code = 1
        child.tend(4.0)
        assert child.state == "backoff", "it is restarted again as ever"
        assert stage.log == [
            "writer 1 started", "writer renewed", "writer buried", "writer 2 started", "writer buried",
        ]  # fmt: skip


def test_a_dead_child_that_leaves_is_not_started_to_drain() -> None:
    stage = Stage()
    child = stage.child("writer")
    child.start(0.0)
    stage.lives["writer"].exit_code = 1
    child.tend(0.1)
    child.leave(0.2, 30.0)
    child.tend(60.0)
    assert (child.state, list(stage.log)) == ("done", ["writer 1 started", "writer buried"])


def test_a_child_that_retires_is_recalled_before_and_after_its_end() -> None:
    stage = Stage()
    early, late = stage.child("ingest:a", drains=False), stage.child("ingest:b", drains=False)
    for child in (early, late):
        child.start(0.0)
        child.retire(1.0, limit_secs=30.0)
    early.recall(2.0)
    for role in ("ingest:a", "ingest:b"):
        stage.lives[role].exit_code = 0
    for child in (early, late):
        child.tend(3.0)
    late.recall(4.0)
    assert [child.state for child in (early, late)] == ["starting", "starting"]
    assert [child.restarts for child in (early, late)] == [0, 0]
    for child in (early, late):
        child.tend(100.0)
    assert "ingest:a killed" not in stage.log
