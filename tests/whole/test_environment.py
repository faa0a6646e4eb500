"""The environment belongs to others too: whatever they set in it, the recorder records."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.whole.running import ROOT, Exchange, Recorder, wait_for

FEED = {"symbols": ["BTCUSDT"], "data_types": ["trade"]}
OF_PYTHON = {
    "PYTHONSAFEPATH": "1",
    "PYTHONOPTIMIZE": "2",
    "PYTHONWARNINGS": "error",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONNOUSERSITE": "1",
    "PYTHONDEVMODE": "1",
    "PYTHONIOENCODING": "ascii",
}
OF_THE_SYSTEM = {
    "HOME": "/nonexistent",
    "TMPDIR": "/nonexistent",
    "TZ": ":nowhere/at/all",
    "LC_ALL": "xx_XX.nonsense",
    "COLUMNS": "1",
    "NO_COLOR": "1",
    "no_proxy": "*",
    "COLLECTOR_SERVICE_HOST": "10.0.0.1",
    "COLLECTOR_PORT": "tcp://10.0.0.1:9464",
    "COLLECTOR_PORT_9464_TCP_ADDR": "10.0.0.1",
}
TOOLS = sorted(path.name for path in (ROOT / "scripts").glob("[a-z]*.py"))


def namesake(folder: Path) -> str:
    """A path for PYTHONPATH on which something else is called like our package."""
    package = folder / "others" / "collector"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('not ours')", "utf-8")
    return str(package.parent)


def records(recorded: Recorder) -> None:
    """It stores, shows its pages and numbers, and stops in order, without a trace of anything."""
    recorded.start()
    recorded.wait_for_messages(50)
    assert wait_for(recorded.status)["healthy"] in {True, False}
    assert recorded.stop() == 0
    assert recorded.dataset_rows() >= 50
    assert "Traceback" not in recorded.log_path.read_text("utf-8")


@pytest.mark.parametrize("variables", [OF_PYTHON, OF_THE_SYSTEM], ids=["of python", "of the system"])
def test_it_records_whatever_the_environment_holds(
    tmp_path: Path,
    exchange: Callable[..., Exchange],
    recorder: Callable[..., Recorder],
    variables: dict[str, str],
) -> None:
    source = exchange("--symbols", "BTCUSDT", "--rate", "200")
    others = {**variables, "PYTHONPATH": namesake(tmp_path)}
    recorded = recorder(source.ws_url, environment=others, feed={**FEED, "rest_url": source.rest_url})
    records(recorded)
    told = recorded.log_path.read_text("utf-8").count("warning: COLLECTOR_PORT")
    assert told == ("COLLECTOR_PORT" in variables)


@pytest.mark.parametrize("way", ["isolated, by a symlink", "as a module"])
def test_it_records_when_started_by_a_symlink_or_as_a_module(
    tmp_path: Path, exchange: Callable[..., Exchange], recorder: Callable[..., Recorder], way: str
) -> None:
    source = exchange("--symbols", "BTCUSDT", "--rate", "200")
    recorded = recorder(source.ws_url, environment={"PYTHONPATH": str(ROOT)}, feed=FEED)
    link = tmp_path / "recorder"
    link.symlink_to(ROOT / "supervisor.py")
    how = {"isolated, by a symlink": ["-I", str(link)], "as a module": ["-m", "supervisor"]}
    recorded.program = [sys.executable, *how[way]]
    records(recorded)


@pytest.mark.parametrize("name", TOOLS)
def test_every_tool_runs_whatever_the_environment_holds(tmp_path: Path, name: str) -> None:
    environment = {**os.environ, **OF_PYTHON, **OF_THE_SYSTEM, "PYTHONPATH": namesake(tmp_path)}
    for flags in ([], ["-I"]):
        command = [sys.executable, *flags, str(ROOT / "scripts" / name), "--help"]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, timeout=120, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.startswith(b"usage: ")


def test_the_demo_runs_with_pythonsafepath(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONSAFEPATH": "1", "COLLECTOR_HTTP__PORT": "0"}
    command = [sys.executable, str(ROOT / "supervisor.py"), "--demo", "--stop-after", "1"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, timeout=240, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
