"""What a process has imported when it begins its work: memory at rest is mostly imports."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from collector.processes.roles import ROLES, Role

ROOT = Path(__file__).resolve().parents[2]

COSTLY = {
    "asyncio", "backoff", "boto3", "botocore", "http.server", "prometheus_client", "psutil", "pyarrow", "pydantic", "rich",
    "shtab", "sqlite3", "ssl", "tomllib", "urllib3", "websocket", "websockets", "zstandard",
}  # fmt: skip
"""Packages that take a megabyte or more, or bring others that do."""

USED_AT_REST = {
    "ingest": {"ssl", "websocket"},
    "publish": {"asyncio", "ssl", "zstandard"},
    "relay": {"asyncio", "ssl", "zstandard"},
    "cluster": {"asyncio", "ssl"},
    "repair": {"ssl", "urllib3"},
    "writer": {"sqlite3", "zstandard"},
    "archiver": {"sqlite3", "zstandard"},
    "tabler": set(),
}
"""Those that each role imports before anything flows. What it needs later it imports then."""


def costly_packages(*modules: str) -> set[str]:
    """The costly packages that a fresh interpreter has loaded once it has imported these."""
    code = f"import json, sys, {', '.join(modules)}; print(json.dumps(list(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=60, encoding="utf-8"
    )
    return COSTLY & set(json.loads(done.stdout))


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_a_process_at_rest_has_loaded_only_the_costly_packages_that_it_uses(role: Role) -> None:
    # A spawned process imports the program that was started, then what all processes share, then its role's module.
    assert costly_packages("supervisor", "collector.processes.child_main", role.module) == USED_AT_REST[role.name]


def test_the_supervisor_loads_no_package_of_the_data_path_and_none_for_people() -> None:
    loaded = costly_packages("supervisor", "collector.supervision.commands.run")
    assert "pydantic" in loaded, "it reads the configuration"
    assert (
        loaded & {"asyncio", "boto3", "botocore", "pyarrow", "rich", "shtab", "urllib3", "websocket", "websockets"}
        == set()
    )
