import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

from collector.config import LogConfig
from collector.domain.log import Log
from collector.supervision.verbosity import Verbosity

Level = Literal["debug", "info", "warning", "error"]


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGUSR2)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def make(folder: Path, level: Level, events: list[dict[str, Any]]) -> Verbosity:
    verbosity = Verbosity(folder, LogConfig(level=level), Log(lambda _level, fields: events.append(fields)))
    verbosity.install()
    return verbosity


def test_sigusr1_turns_debug_on_and_sigusr2_off(tmp_path: Path) -> None:
    events: list[dict[str, Any]] = []
    verbosity = make(tmp_path, "warning", events)
    os.kill(os.getpid(), signal.SIGUSR1)
    verbosity.apply()
    assert (tmp_path / "log_level").read_text("utf-8") == "debug"
    os.kill(os.getpid(), signal.SIGUSR2)
    verbosity.apply()
    assert list(tmp_path.iterdir()) == []
    assert events == [{"event": "log_level_changed", "to": "debug"}, {"event": "log_level_changed", "to": "warning"}]


def test_a_new_supervisor_begins_with_what_is_configured(tmp_path: Path) -> None:
    (tmp_path / "log_level").write_text("debug", "utf-8")
    make(tmp_path, "info", [])
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_takes_no_file_changes_nothing_and_is_said(tmp_path: Path) -> None:
    events: list[dict[str, Any]] = []
    verbosity = make(tmp_path / "missing", "info", events)
    os.kill(os.getpid(), signal.SIGUSR1)
    verbosity.apply()
    assert [event["event"] for event in events] == ["log_level_kept"]


def test_another_configured_level_is_asked_of_all_and_stays_whatever_they_began_with(tmp_path: Path) -> None:
    events: list[dict[str, Any]] = []
    verbosity = make(tmp_path, "info", events)
    verbosity.reconfigure(LogConfig())
    verbosity.apply()
    assert (list(tmp_path.iterdir()), events) == ([], [])
    levels: tuple[Level, ...] = ("warning", "info")
    for level in levels:
        verbosity.reconfigure(LogConfig(level=level))
        verbosity.apply()
        assert (tmp_path / "log_level").read_text("utf-8") == level
    os.kill(os.getpid(), signal.SIGUSR1)
    verbosity.apply()
    os.kill(os.getpid(), signal.SIGUSR2)
    verbosity.apply()
    assert (tmp_path / "log_level").read_text("utf-8") == "info", "others began with another level"


def test_another_configured_form_is_asked_of_all(tmp_path: Path) -> None:
    verbosity = make(tmp_path, "info", [])
    verbosity.reconfigure(LogConfig(format="text"))
    assert (tmp_path / "log_format").read_text("utf-8") == "text"
    verbosity.reconfigure(LogConfig(format="json"))
    assert (tmp_path / "log_format").read_text("utf-8") == "json", "others began with another form"
    make(tmp_path, "info", [])
    assert list(tmp_path.iterdir()) == []
