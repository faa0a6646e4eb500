"""The service unit, the image and the compose file: what the host runs fits what the recorder does."""

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from collector.config import Config
from tests.promtool import promtool

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


def test_systemd_analyze_finds_no_problem_in_the_unit(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        refuse = pytest.fail if os.environ.get("CI") else pytest.skip
        refuse("systemd-analyze is not installed (Debian: apt-get install systemd)")
    installed, command = tmp_path / UNIT.name, f"{HOME}/.venv/bin/collector"
    installed.write_text(UNIT.read_text("utf-8").replace(command, sys.executable).replace(HOME, str(ROOT)), "utf-8")
    done = subprocess.run(
        [program, "verify", installed], capture_output=True, text=True, timeout=120, check=False, encoding="utf-8"
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_units_timeouts_cover_the_recorders_start_and_stop() -> None:
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
    assert service["ExecStart"].split() == [f"{HOME}/.venv/bin/collector", "run"]
    assert service["ExecReload"].split() == [f"{HOME}/.venv/bin/collector", "reload"]


def test_the_unit_waits_for_the_network_and_for_the_clock() -> None:
    about = unit("Unit")
    assert about["After"].split() == about["Wants"].split() == ["network-online.target", "time-sync.target"]


def test_the_unit_confines_the_recorder_to_its_own_folder() -> None:
    service = unit()
    assert service["User"] == "collector"
    assert service["ProtectSystem"] == "strict"
    assert service["NoNewPrivileges"] == service["PrivateDevices"] == service["ProtectHome"] == "yes"
    assert service["CapabilityBoundingSet"] == ""
    assert service["WorkingDirectory"] == f"/var/lib/{service['StateDirectory']}"


def test_a_service_is_checked_with_its_own_user_folder_and_environment() -> None:
    (command,) = re.findall(
        r"^systemd-run (?:.*\\\n)*.*", (ROOT / "docs/OPERATIONS.md").read_text("utf-8"), re.MULTILINE
    )
    properties = dict(re.findall(r"--property=(\w+)=(\S+)", command))
    service = unit()
    assert properties == {name: service[name] for name in properties}
    assert properties.keys() >= {"User", "WorkingDirectory", "EnvironmentFile", "StateDirectory"}
    assert command.endswith(service["ExecStart"].removesuffix("run") + "check")


def test_the_image_contains_every_file_the_recorder_needs() -> None:
    rules = (ROOT / ".dockerignore").read_text("utf-8").split()
    sources = {source for copied in instructions("COPY") if "--from" not in copied for source in copied.split()[:-1]}
    assert {source for source in sources if not (ROOT / source).exists()} == set()
    assert {f"!{source}" for source in sources} == {rule for rule in rules if rule.startswith("!")}
    assert rules[0] == "*"


def test_every_package_in_the_image_is_pinned_by_its_hash() -> None:
    installs = re.findall(r"pip install (.*?)(?:&&|$)", IMAGE, flags=re.MULTILINE)
    assert len(installs) == 3
    assert [line for line in installs if "--require-hashes" not in line and "--no-deps" not in line] == []
    (backend,) = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["build-system"]["requires"]
    name, _, least = backend.partition(">=")
    (pinned,) = re.findall(rf"^{name}==(\S+)", (ROOT / "requirements-build.txt").read_text("utf-8"), re.MULTILINE)
    assert tuple(map(int, pinned.split("."))) >= tuple(map(int, least.split(".")))


def test_the_image_has_a_pinned_base_and_labels() -> None:
    (base,) = re.findall(r"^ARG BASE=python:(\S+)$", IMAGE, flags=re.MULTILINE)
    assert re.fullmatch(r"3\.11\.\d+-slim-bookworm", base)
    assert {line.split()[0] for line in instructions("FROM")} == {"${BASE}"}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    (labels,) = instructions("LABEL")
    for name, text in (("title", "name"), ("description", "description"), ("licenses", "license")):
        assert f'org.opencontainers.image.{name}="{project[text]}"' in labels


def test_the_image_runs_the_supervisor_as_an_unprivileged_user_on_a_volume() -> None:
    assert [int(user) > 0 for user in instructions("USER")] == [True]
    assert json.loads(instructions("ENTRYPOINT")[0]) == ["collector", "run"]
    assert json.loads(instructions("HEALTHCHECK")[0].partition("CMD ")[2]) == ["collector", "status"]
    assert instructions("EXPOSE") == [str(Config().http.port)]
    assert instructions("STOPSIGNAL") == ["SIGTERM"]
    (volume,) = json.loads(instructions("VOLUME")[0])
    assert f"COLLECTOR_DATA_DIR={volume}" in instructions("ENV")[0]


COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
SERVICES = COMPOSE["services"]
BESIDE = ROOT / "docs/dashboards/compose"


def mounts(name: str) -> dict[str, str]:
    """Where each file or volume of a service comes from, by its place in the container."""
    return {place: source for source, place, *_ in (volume.split(":") for volume in SERVICES[name]["volumes"])}


def test_compose_names_only_volumes_and_files_that_exist() -> None:
    sources = {source for name in SERVICES for source in mounts(name).values()}
    files = {source for source in sources if source.startswith("./")}
    assert {source for source in files if not (ROOT / source).is_file()} == set()
    assert sources - files == set(COMPOSE["volumes"])


def test_compose_pins_each_image_it_does_not_build() -> None:
    images = [service["image"] for service in SERVICES.values() if "build" not in service]
    assert len(images) == 2
    assert [image for image in images if not re.search(r":v?\d+\.\d+\.\d+$", image)] == []


def test_compose_publishes_every_port_to_loopback_only() -> None:
    ports = {name: [port.split(":") for port in service["ports"]] for name, service in SERVICES.items()}
    assert {host for published in ports.values() for host, _, _ in published} == {"127.0.0.1"}
    assert ports["collector"] == [["127.0.0.1", str(Config().http.port), *instructions("EXPOSE")]]


def test_compose_sets_the_recorders_volume_host_name_and_stop_time() -> None:
    recorder = SERVICES["collector"]
    (volume,) = json.loads(instructions("VOLUME")[0])
    assert volume in mounts("collector")
    assert recorder["hostname"], "else files carry the container's random name"
    assert float(recorder["stop_grace_period"].removesuffix("s")) > Config().supervisor.stop_timeout_secs


def test_composes_prometheus_scrapes_the_recorder_and_loads_the_rules(tmp_path: Path) -> None:
    told = BESIDE / "prometheus.yml"
    (job,) = yaml.safe_load(told.read_text("utf-8"))["scrape_configs"]
    assert job["static_configs"] == [{"targets": [f"collector:{Config().http.port}"]}]
    places = mounts("prometheus")
    assert places["/etc/prometheus/prometheus.yml"] == f"./{told.relative_to(ROOT)}"
    (rules,) = yaml.safe_load(told.read_text("utf-8"))["rule_files"]
    shutil.copy(ROOT / places[rules], tmp_path)
    checked = tmp_path / "prometheus.yml"
    checked.write_text(told.read_text("utf-8").replace(rules, str(tmp_path / Path(rules).name)), "utf-8")
    code, said = promtool("check", "config", str(checked))
    assert code == 0, said
    assert f'job="{job["job_name"]}"' in (ROOT / places[rules]).read_text("utf-8")


def test_composes_prometheus_has_a_place_for_the_token() -> None:
    told = (BESIDE / "prometheus.yml").read_text("utf-8")
    (job,) = yaml.safe_load(re.sub(r"# (?=authorization:|  credentials:)", "", told))["scrape_configs"]
    assert job["authorization"] == {"credentials": "TOKEN"}
    assert "authorization" not in yaml.safe_load(told)["scrape_configs"][0]


def test_composes_grafana_finds_its_data_source_and_the_dashboard() -> None:
    places = mounts("grafana")
    (source,) = yaml.safe_load((BESIDE / "datasources.yml").read_text("utf-8"))["datasources"]
    host, port = source["url"].removeprefix("http://").split(":")
    assert (source["type"], source["isDefault"]) == ("prometheus", True)
    assert SERVICES[host]["ports"] == [f"127.0.0.1:{port}:{port}"]
    (provider,) = yaml.safe_load((BESIDE / "dashboards.yml").read_text("utf-8"))["providers"]
    assert places[f"{provider['options']['path']}/recorder.json"] == "./docs/dashboards/recorder.json"
    for folder in ("datasources", "dashboards"):
        assert places[f"/etc/grafana/provisioning/{folder}/collector.yml"] == f"./docs/dashboards/compose/{folder}.yml"
