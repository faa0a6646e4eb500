"""What becomes of a request: refused whole, only shown, or written for the processes."""

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from collector.config import ArchiveConfig, Config, FeedConfig, LogConfig
from collector.config.handed_on import newest_number, read_config, write_config
from collector.domain.errors import ConfigError, NewerDataError
from collector.supervision.control import Request
from collector.supervision.reload_plan import Current, Plan, Source, plan
from collector.supervision.reload_steps import Steps

OKX = FeedConfig(exchange="okx", symbols=("BTC-USDT",), data_types=("trade",))


def nothing(_config: Config) -> None:
    """All is well."""


def enough(_processes: int) -> str:
    return ""


@pytest.fixture
def current(tmp_path: Path) -> Current:
    return Current.begin(Config(data_dir=tmp_path, host_name="box"))


def planned(
    current: Current,
    new: Config,
    request: Request | None = Request(),  # noqa: B008 -- frozen
    check: Callable[[Config], None] = nothing,
    lack: Callable[[int], str] = enough,
) -> Plan:
    return plan(request, Source(lambda: new, check, Path("/etc/my.toml")), current, lack)


def assert_refused(made: Plan, current: Current, *problems: str) -> None:
    assert (made.answer.state, made.answer.problems, made.answer.changes) == ("refused", list(problems), [])
    assert (made.config, made.steps) == (None, Steps())
    assert newest_number(current.config.data_dir) == current.number


def test_what_changes_is_shown_written_and_numbered(current: Current) -> None:
    new = replace(current.config, archive=ArchiveConfig(compression_level=9))
    made = planned(current, new)
    assert (made.config, made.steps) == (new, Steps(renew=("writer", "archiver")))
    assert read_config(new.data_dir, 1) == new
    assert (made.answer.state, made.answer.config_number, made.answer.file) == ("done", 1, "/etc/my.toml")
    assert made.answer.changes == ["archive.compression_level: 3 -> 9"]
    assert made.answer.processes == ["writer is renewed", "archiver is renewed"]
    assert planned(current, new).answer.config_number == 2


def test_what_the_recorder_would_go_on_without_is_a_warning_and_no_refusal(current: Current) -> None:
    source = Source(lambda: current.config, nothing, doubts=lambda _config: ["http.port: taken"])
    for request in (Request(), Request(dry_run=True)):
        answer = plan(request, source, current, enough).answer
        assert (answer.state, answer.warnings) == ("done", ["http.port: taken"])


def test_a_dry_run_writes_nothing_and_leaves_nothing_to_do(current: Current) -> None:
    made = planned(current, replace(current.config, log=LogConfig(level="debug")), Request(dry_run=True))
    assert (made.config, made.answer.dry_run) == (None, True)
    assert made.answer.changes == ['log.level: "info" -> "debug"']
    assert newest_number(current.config.data_dir) == 0


def test_without_a_change_there_is_no_new_number(current: Current) -> None:
    made = planned(current, current.config)
    assert (made.config, made.steps, made.answer.config_number) == (current.config, Steps(), 0)
    assert made.answer.changes == []


@pytest.mark.parametrize("error", [ConfigError(["a", "b"]), NewerDataError("a\nb")])
def test_a_configuration_with_errors_is_refused_with_all_of_them(current: Current, error: Exception) -> None:
    def broken(*_: object) -> Config:
        raise error

    for source in (Source(broken, nothing), Source(lambda: current.config, broken)):  # type: ignore[arg-type]
        assert_refused(plan(Request(), source, current, enough), current, "a", "b")


def test_what_cannot_change_is_refused_before_anything_is_made_for_it(current: Current) -> None:
    elsewhere = replace(current.config, data_dir=current.config.data_dir / "elsewhere")
    made = planned(current, elsewhere, check=lambda _config: pytest.fail("it makes folders"))
    assert made.answer.state == "refused"
    assert [problem.split()[0] for problem in made.answer.problems] == ["data_dir"]


def test_processes_for_which_there_is_no_room_are_refused(current: Current) -> None:
    new = replace(current.config, feed=(*current.config.feed, OKX))
    assert_refused(planned(current, new, lack=lambda count: f"no room for {count}"), current, "no room for 1")


def test_a_request_that_cannot_be_read_or_is_of_another_kind_is_refused(current: Current) -> None:
    for request in (None, Request(kind="handover")):
        made = planned(current, current.config, request)
        assert_refused(made, current, "the request cannot be read, or is one of another version")


def test_a_demo_is_not_reloaded(current: Current) -> None:
    assert_refused(plan(Request(), None, current, enough), current, "a demo's settings cannot change while it runs")


def test_a_disk_that_takes_no_configuration_refuses_it(current: Current) -> None:
    (current.config.data_dir / "run").write_text("in the way", "utf-8")
    made = planned(current, replace(current.config, log=LogConfig(level="debug")))
    assert (made.answer.state, made.config) == ("refused", None)
    assert made.answer.problems[0].startswith("the settings cannot be handed on: ")


def test_a_new_run_takes_nothing_of_an_earlier_one_for_newer(tmp_path: Path) -> None:
    config = Config(data_dir=tmp_path)
    for number in (3, 7):
        write_config(tmp_path, number, config)
    assert Current.begin(config).number == newest_number(tmp_path) == 0
    stuck = tmp_path / "run" / "config-5.json"
    stuck.mkdir()
    assert Current.begin(config).number == newest_number(tmp_path) == 5
