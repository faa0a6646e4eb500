"""The tabler looks when something was archived and every so often, tries again what fails, and stops soon."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from collector.channel.channel import Notice
from collector.config import ArchiveConfig, Config, SupervisorConfig, TableConfig
from collector.domain.errors import StoreError
from collector.domain.log import Log
from collector.processes.context import Context, SystemClock
from collector.processes.tabler import process
from collector.processes.tabler.looks import Looks
from collector.processes.tabler.pace import IDLE_SECS, REST_SHARE, SETTLE_SECS, Pace
from collector.reports import Report, TablerReport
from tests.storage.table.tabled import Tabled

DEADLINE_SECS = 60.0


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE_SECS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


class Surroundings:
    """A running tabler's context: notices come from the test."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.stopped = threading.Event()
        self.renewed = False
        self.reports: list[TablerReport] = []
        self.events: list[str] = []
        self._bell = threading.Event()
        self._notices: list[Notice] = []

    def wait(self, timeout_secs: float) -> Notice | None:
        self._bell.wait(min(timeout_secs, 0.05))
        self._bell.clear()
        return self._notices.pop() if self._notices else None

    def wake(self) -> None:
        self._bell.set()

    def descriptors(self) -> tuple[int, ...]:
        return ()

    def offer(self, notice: Notice) -> None:
        self._notices.append(notice)
        self._bell.set()

    def report(self, report: Report) -> None:
        assert isinstance(report, TablerReport)
        self.reports.append(report)

    @property
    def last(self) -> TablerReport:
        return self.reports[-1] if self.reports else TablerReport()

    def context(self) -> Context:
        return Context(
            role="tabler",
            config=self.config,
            sender=self,
            receiver=self,
            stopping=self.stopped.is_set,
            hurried=lambda: self.renewed,
            renewed=lambda: self.renewed,
            report=self.report,
            log=Log(lambda _level, fields: self.events.append(fields["event"])),
            clock=SystemClock(),
        )

    def stop(self) -> None:
        self.stopped.set()
        self._bell.set()


@pytest.fixture
def surroundings(tmp_path: Path) -> Surroundings:
    """Of a tabler over the archive in `tmp_path`."""
    return Surroundings(
        Config(
            data_dir=tmp_path,
            archive=ArchiveConfig(retry_base_delay_secs=0.01, retry_max_delay_secs=0.02),
            table=TableConfig(catalog=f"sqlite:///{tmp_path}/tables.db"),
        )
    )


@pytest.fixture
def running(surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Starts it; a test that does not stop it has it stopped."""
    monkeypatch.setattr("collector.processes.tabler.pace.SETTLE_SECS", 0.0)
    monkeypatch.setattr("collector.processes.tabler.pace.REST_SHARE", 0.0)
    threads: list[threading.Thread] = []

    def start() -> None:
        threads.append(threading.Thread(target=process.main, args=(surroundings.context(),)))
        threads[0].start()

    yield start
    surroundings.stop()
    for thread in threads:
        thread.join(DEADLINE_SECS)
        assert not thread.is_alive()


def test_what_is_archived_is_committed_at_the_start_at_a_notice_and_at_the_stop(
    tmp_path: Path, surroundings: Surroundings, running: Callable[[], None]
) -> None:
    tabled = Tabled(tmp_path)
    tabled.segment(0)
    running()
    wait_for(lambda: surroundings.last.segments == 1)
    tabled.segment(1)
    surroundings.offer(Notice("archiver", "archived", 0, 0))
    wait_for(lambda: surroundings.last.segments == 2)
    tabled.segment(2)
    surroundings.stop()
    wait_for(lambda: surroundings.last.segments == 3)
    report = surroundings.last
    assert (report.commits, report.files, report.conflicts, report.backlog_segments) == (3, 3, 0, 0)
    assert report.commit_secs is not None
    assert report.last_commit_us is not None
    assert report.last_error is None
    assert tabled.files() == tabled.wanted()


def test_a_catalog_that_is_away_is_tried_again_and_said_once(
    tmp_path: Path, surroundings: Surroundings, running: Callable[[], None]
) -> None:
    Tabled(tmp_path).segment(0)
    (tmp_path / "tables.db").mkdir()
    running()
    wait_for(lambda: "tables.db" in str(surroundings.last.last_error))
    assert surroundings.last.backlog_segments == 1
    (tmp_path / "tables.db").rmdir()
    wait_for(lambda: surroundings.last.segments == 1)
    wait_for(lambda: surroundings.last.last_error is None)
    assert surroundings.last.backlog_segments == 0
    assert surroundings.events.count("tables_held_up") == surroundings.events.count("tables_work_again") == 1


@pytest.mark.parametrize("renewed", [True, False], ids=["a successor goes on", "the time is up"])
def test_a_stop_does_not_wait_for_a_catalog_that_does_not_answer(tmp_path: Path, *, renewed: bool) -> None:
    entered, never = threading.Event(), threading.Event()

    def opened() -> Any:
        entered.set()
        never.wait()
        raise StoreError("away")

    stop_secs = 3_600.0 if renewed else 0.3
    surroundings = Surroundings(Config(data_dir=tmp_path, supervisor=SupervisorConfig(stop_timeout_secs=stop_secs)))
    context = surroundings.context()
    looks = Looks(opened, 1, (1.0, 1.0), context.clock, context.log)
    surroundings.renewed = renewed
    main = threading.Thread(target=process.run, args=(context, looks), daemon=True)
    main.start()
    assert entered.wait(DEADLINE_SECS)
    surroundings.stop()
    main.join(DEADLINE_SECS)
    assert not main.is_alive()
    never.set()


def test_a_fault_of_the_thread_that_looks_ends_the_process(tmp_path: Path) -> None:
    surroundings = Surroundings(Config(data_dir=tmp_path))

    def opened() -> Any:
        raise ZeroDivisionError

    context = surroundings.context()
    with pytest.raises(ZeroDivisionError):
        process.run(context, Looks(opened, 1, (1.0, 1.0), context.clock, context.log))


def test_a_look_is_due_at_once_after_a_notice_and_every_so_often() -> None:
    pace = Pace()
    assert pace.wait_secs(0.0) == 0.0
    pace.looked(100.0, 0.01, is_all=True)
    assert pace.wait_secs(100.0) == IDLE_SECS
    pace.noticed(110.0)
    pace.noticed(111.0)
    assert pace.wait_secs(111.0) == SETTLE_SECS - 1.0
    assert pace.wait_secs(110.0 + SETTLE_SECS) == 0.0


def test_a_notice_while_a_look_goes_on_makes_another_one() -> None:
    pace = Pace()
    pace.begun()
    pace.noticed(100.0)
    pace.looked(101.0, 0.01, is_all=True)
    assert pace.wait_secs(101.0) == SETTLE_SECS
    pace.begun()
    pace.looked(104.0, 0.01, is_all=True)
    assert pace.wait_secs(104.0) == IDLE_SECS


def test_more_than_one_look_sees_is_looked_at_without_a_pause() -> None:
    pace = Pace()
    pace.looked(100.0, 5.0, is_all=False)
    assert pace.wait_secs(100.0) == 0.0


def test_a_look_that_took_long_is_not_repeated_at_every_notice() -> None:
    pace = Pace()
    pace.looked(100.0, 1.0, is_all=True)
    pace.noticed(101.0)
    assert pace.wait_secs(101.0) == REST_SHARE - 1.0


def test_a_notice_does_not_cut_a_pause_after_an_error_short() -> None:
    pace = Pace()
    pace.failed(100.0, 60.0)
    pace.noticed(101.0)
    assert pace.wait_secs(101.0) == 59.0


def test_the_configuration_says_where_the_tables_are(tmp_path: Path) -> None:
    config = Config(data_dir=tmp_path, table=TableConfig(catalog="sqlite:////tables.db"))
    assert config.tables_url == f"{(tmp_path / 'archive').as_uri()}-tables"
    named = replace(config, table=TableConfig(catalog="rest+http://there", warehouse="s3://bucket/tables"))
    assert named.tables_url == "s3://bucket/tables"
    assert replace(config, table=TableConfig(catalog="rest+http://there")).tables_url == ""
    bucket = replace(config, archive=ArchiveConfig(url="s3://bucket"))
    assert bucket.tables_url == "", "there is nothing beside a whole bucket"
