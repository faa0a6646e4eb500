"""The service unit and the image: what the host runs fits what the recorder does."""

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from collector.config import Config

ROOT = Path(__file__).resolve().parents[1]
UNIT = ROOT / "scripts/collector.service"
IMAGE = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
HOME = "/srv/market-data-collector"


def unit(section: str = "Service") -> configparser.SectionProxy:
    """One of its sections, about the service unless told otherwise."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(UNIT, "utf-8")
    return parser[section]


def instructions(name: str) -> list[str]:
    """What stands behind each such instruction of the Dockerfile."""
    return re.findall(rf"^\s*{name}\s+(.*?)\s*$", IMAGE, flags=re.MULTILINE)


def test_systemd_finds_nothing_to_say_about_the_unit(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        refuse = pytest.fail if os.environ.get("CI") else pytest.skip
        refuse("systemd-analyze is not installed (Debian: apt-get install systemd)")
    installed = tmp_path / UNIT.name
    installed.write_text(
        UNIT.read_text("utf-8").replace(f"{HOME}/.venv/bin/python", sys.executable).replace(HOME, str(ROOT)), "utf-8"
    )
    done = subprocess.run(
        [program, "verify", installed], capture_output=True, text=True, timeout=120, check=False, encoding="utf-8"
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_unit_gives_the_recorder_the_time_it_takes() -> None:
    service, limits = unit(), Config().supervisor
    assert service["Type"] == "notify"
    assert float(service["TimeoutStopSec"]) > limits.stop_timeout_secs
    settings = (ROOT / "docs/CONFIGURATION.md").read_text("utf-8")
    assert f"TimeoutStopSec={service['TimeoutStopSec']}`" in settings
    (docker_secs,) = re.findall(r"docker run .*--stop-timeout (\d+)", (ROOT / "docs/OPERATIONS.md").read_text("utf-8"))
    assert float(docker_secs) > limits.stop_timeout_secs
    assert f"`--stop-timeout {docker_secs}`" in settings
    assert float(service["TimeoutStartSec"]) > limits.stop_timeout_secs + limits.hang_timeout_secs
    assert float(service["WatchdogSec"]) >= 10
    assert (service["Restart"], service["RestartPreventExitStatus"]) == ("always", "2")
    assert service["ExecStart"].split() == [f"{HOME}/.venv/bin/python", f"{HOME}/supervisor.py"]


def test_the_unit_waits_for_the_network_and_for_the_clock() -> None:
    about = unit("Unit")
    assert about["After"].split() == about["Wants"].split() == ["network-online.target", "time-sync.target"]


def test_the_unit_keeps_the_recorder_from_all_but_its_own() -> None:
    service = unit()
    assert service["User"] == "collector"
    assert service["ProtectSystem"] == "strict"
    assert service["NoNewPrivileges"] == service["PrivateDevices"] == service["ProtectHome"] == "yes"
    assert service["CapabilityBoundingSet"] == ""
    assert service["WorkingDirectory"] == f"/var/lib/{service['StateDirectory']}"


def test_the_image_holds_what_the_recorder_is_made_of() -> None:
    rules = (ROOT / ".dockerignore").read_text("utf-8").split()
    for copied in instructions("COPY"):
        source = copied.split()[0]
        assert (ROOT / source).exists()
        assert f"!{source}" in rules, "else the build does not see it"
    assert rules[0] == "*"


def test_the_image_runs_the_supervisor_itself_as_nobody_special_on_a_volume() -> None:
    assert [int(user) > 0 for user in instructions("USER")] == [True]
    assert json.loads(instructions("ENTRYPOINT")[0]) == ["python", f"{HOME}/supervisor.py"]
    assert instructions("STOPSIGNAL") == ["SIGTERM"]
    (volume,) = json.loads(instructions("VOLUME")[0])
    assert f"COLLECTOR_DATA_DIR={volume}" in instructions("ENV")[0]
