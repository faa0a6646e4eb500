"""What is learnt of a recorder from outside."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.soak.plan import SUPERVISOR
from tests.soak.watch import TOKEN, Death, LogTail, Processes, zombies_of
from tests.whole.running import wait_for

Start = Callable[..., "subprocess.Popen[bytes]"]
WAIT = "import sys; sys.stdin.read()"


def line(event: str, **fields: Any) -> bytes:
    return json.dumps({"ts": "2026-11-23T12:00:01.500000Z", "event": event, **fields}).encode()


@pytest.fixture
def log(tmp_path: Path) -> LogTail:
    return LogTail(tmp_path / "log.jsonl")


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a process that ends when its standard input does."""
    made = []

    def make(token: str) -> "subprocess.Popen[bytes]":
        environment = {**os.environ, TOKEN: token}
        made.append(subprocess.Popen([sys.executable, "-c", WAIT], env=environment, stdin=subprocess.PIPE))
        return made[-1]

    yield make
    for process in made:
        process.communicate()


def test_roles_of_processes_are_read_from_the_log(log: LogTail) -> None:
    log.take(line("started"))
    log.take(line("process_started", child="writer", pid=7))
    log.take(line("process_died", child="writer", pid=7, exit_code=-9))
    log.take(line("process_started", child="writer", pid=8))
    assert log.roles == {7: "writer", 8: "writer"}
    assert log.starts == {"writer": 2}
    assert log.starts_in_run == 2
    assert log.children == {"writer": 8}
    assert log.deaths == [Death("writer", 7, -9, 1_795_435_201_500_000)]
    log.take(line("started"))
    assert (log.starts_in_run, log.children) == (0, {})


def test_a_child_killed_during_its_stop_counts_as_dead(log: LogTail) -> None:
    log.take(line("process_stopped", child="writer", pid=7, exit_code=0))
    log.take(line("process_stopped", child="ingest:a", pid=8, exit_code=-9))
    assert [(death.role, death.exit_code) for death in log.deaths] == [("ingest:a", -9)]


def test_the_log_is_read_in_whole_lines_from_the_last_position(log: LogTail, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(line("connected") + b"\n" + line("disconnected")[:10])
    log.read()
    assert log.events == {"connected": 1}
    with path.open("ab") as file:
        file.write(line("disconnected")[10:] + b"\n")
    log.read()
    assert log.events == {"connected": 1, "disconnected": 1}


def test_a_traceback_through_the_recorders_code_is_a_failure(log: LogTail) -> None:
    log.take(b'  File "/usr/lib/python3.11/multiprocessing/spawn.py", line 122, in spawn_main')
    log.take(b"FileNotFoundError: [Errno 2] No such file or directory")
    assert (log.strays, log.failures) == (2, [])
    log.take(b'  File "/srv/collector/processes/writer.py", line 1, in run')
    log.take(line("process_failed", child="writer"))
    assert (log.strays, len(log.failures)) == (3, 2)


def test_processes_are_known_by_the_runs_token(log: LogTail, start: Start, tmp_path: Path) -> None:
    ours, other = start("ours"), start("other")
    processes = Processes("ours", log, tmp_path)
    wait_for(processes.living)
    assert processes.living() == [ours.pid]
    assert processes.is_ours(ours.pid)
    assert not processes.is_ours(other.pid)
    processes.supervisor = ours.pid
    assert processes.of(SUPERVISOR) == [ours.pid]

    def peak_bytes() -> int:
        processes.look()
        return processes.peak_bytes[SUPERVISOR]

    wait_for(lambda: peak_bytes() > 1_000_000)


def test_a_supervisor_with_a_dead_ingests_pid_is_not_an_ingest(log: LogTail, start: Start, tmp_path: Path) -> None:
    process = start("ours")
    processes = Processes("ours", log, tmp_path)
    log.take(line("process_started", child="ingest:a", pid=process.pid))
    wait_for(lambda: processes.of("ingest:a") == [process.pid])
    processes.supervisor = process.pid
    assert processes.of("ingest:a") == []
    assert processes.of(SUPERVISOR) == [process.pid]


def test_an_ended_process_is_a_zombie_until_it_is_reaped(log: LogTail, start: Start, tmp_path: Path) -> None:
    ours = start("ours")
    processes = Processes("ours", log, tmp_path)
    assert ours.stdin is not None
    ours.stdin.close()
    ours.stdin = None
    wait_for(lambda: ours.pid in zombies_of(os.getpid()))
    assert processes.living() == []
    ours.wait()
    assert ours.pid not in zombies_of(os.getpid())
