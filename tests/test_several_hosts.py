"""What the compose file and the configuration for NATS say of several hosts fits the recorder and a real server."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from collector.config.load import load
from collector.processes.roles import processes_of
from tests.bus.servers import PROGRAM

ROOT = Path(__file__).resolve().parents[1]
COMPOSE = yaml.safe_load((ROOT / "compose.hosts.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
NODES = [name for name, service in SERVICES.items() if service["image"].startswith("nats:")]
RECORDERS = [name for name in SERVICES if name not in NODES]
CONFIG = ROOT / "docs/hosts/nats.conf"


def environment(name: str) -> dict[str, str]:
    """What the compose file sets for a recorder, where the user's shell sets nothing."""
    variables = SERVICES[name]["environment"]
    return {key: re.sub(r"\$\{\w+:-(.*?)\}", r"\1", value) for key, value in variables.items()}


def mounts(name: str) -> dict[str, str]:
    """Where each file or volume of a service comes from, by its place in the container."""
    return {place: source for source, place, *_ in (volume.split(":") for volume in SERVICES[name]["volumes"])}


def test_compose_has_three_nodes_two_edges_and_one_storage_host() -> None:
    assert len(NODES) == 3
    assert sorted(environment(name)["COLLECTOR_ROLE"] for name in RECORDERS) == ["edge", "edge", "storage"]
    assert {name: service["hostname"] for name, service in SERVICES.items()} == {name: name for name in SERVICES}


@pytest.mark.parametrize("name", RECORDERS)
def test_each_recorder_of_the_compose_file_finds_the_nodes_and_runs_its_part(name: str) -> None:
    config = load(None, environment(name), {"binance": ("book_snapshot", "book_delta", "trade")})
    assert config.nats.urls == tuple(f"nats://{node}:4222" for node in NODES)
    parts = {process.partition(":")[0] for process in processes_of(config)}
    assert parts >= ({"ingest"} if config.role == "edge" else {"writer", "archiver"})
    assert float(SERVICES[name]["stop_grace_period"].removesuffix("s")) > config.supervisor.stop_timeout_secs


def test_every_volume_of_the_compose_file_is_kept_by_one_service_alone() -> None:
    sources = [source for name in SERVICES for source in mounts(name).values() if not source.startswith("./")]
    assert sorted(sources) == sorted(COMPOSE["volumes"])
    assert all("/data" in mounts(name) for name in SERVICES)


def test_compose_publishes_the_storage_hosts_page_to_loopback_and_nothing_else() -> None:
    assert {name: service["ports"] for name, service in SERVICES.items() if "ports" in service} == {
        "storage": ["127.0.0.1:9464:9464"]
    }


def test_compose_runs_the_server_that_the_tests_run() -> None:
    told = subprocess.run([PROGRAM, "--version"], capture_output=True, check=True, text=True, encoding="utf-8").stdout
    (version,) = re.findall(r"v(\d+\.\d+\.\d+)", told)
    assert {SERVICES[name]["image"] for name in NODES} == {f"nats:{version}"}


def test_every_node_reads_its_configuration_and_a_real_server_takes_it() -> None:
    for name in NODES:
        place = SERVICES[name]["command"][1]
        assert mounts(name)[place] == f"./{CONFIG.relative_to(ROOT)}"
        checked = subprocess.run(
            [PROGRAM, "-t", "-c", CONFIG], env={**os.environ, **SERVICES[name]["environment"]}, capture_output=True,
            check=False, text=True, encoding="utf-8",
        )  # fmt: skip
        assert checked.returncode == 0, checked.stderr
        assert f'"nats://{name}:6222"' in CONFIG.read_text("utf-8")


def test_the_nodes_confirm_only_what_is_on_their_disks() -> None:
    assert "sync_interval: always" in CONFIG.read_text("utf-8")
    assert "max_payload: 2MB" in CONFIG.read_text("utf-8"), "a slice has to fit into a message"
