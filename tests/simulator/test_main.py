import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import websocket

from tests.simulator.running import DEADLINE_SECS, abandon, trade

COMMAND = [sys.executable, "-m", "collector.simulator"]


@pytest.fixture
def start() -> Iterator[Callable[..., tuple[subprocess.Popen[str], Any]]]:
    """Run the command until its ready line."""
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str) -> tuple[subprocess.Popen[str], Any]:
        process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True, encoding="utf-8")
        started.append(process)
        assert process.stdout is not None
        return process, json.loads(process.stdout.readline())

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_closes_connections_completes_the_log_and_exits_0(
    start: Callable[..., tuple[subprocess.Popen[str], Any]],
    recording: Callable[..., Path],
    tmp_path: Path,
    number: signal.Signals,
) -> None:
    texts = [trade(number) for number in range(1000)]
    log = tmp_path / "sent.jsonl"
    process, ready = start("--replay", str(recording(*texts)), "--speed", "0", "--sent-log", str(log))
    assert ready["pid"] == process.pid
    assert ready["rest_url"] == ready["ws_url"].replace("ws://", "http://")
    client = websocket.create_connection(f"{ready['ws_url']}/stream?streams=btcusdt@trade", timeout=DEADLINE_SECS)
    got = [client.recv() for _ in texts]
    process.send_signal(number)
    opcode, data = client.recv_data()
    assert (opcode, data[:2]) == (websocket.ABNF.OPCODE_CLOSE, (1001).to_bytes(2, "big"))
    assert process.wait(DEADLINE_SECS) == 0
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    assert [line["raw"] for line in lines if "event" not in line] == got == texts
    assert [line["event"] for line in lines if "event" in line] == ["connect", "close"]


def test_a_signal_ends_it_while_a_client_reads_nothing(
    start: Callable[..., tuple[subprocess.Popen[str], Any]], recording: Callable[..., Path]
) -> None:
    path = recording(*(trade(number) + " " * 50_000 for number in range(200)))
    process, ready = start("--replay", str(path), "--speed", "0")
    client = websocket.create_connection(f"{ready['ws_url']}/stream?streams=btcusdt@trade", timeout=DEADLINE_SECS)
    process.terminate()
    assert process.wait(DEADLINE_SECS) == 0
    abandon(client)


def test_symbols_seed_and_faults_are_taken_from_the_command_line(
    start: Callable[..., tuple[subprocess.Popen[str], Any]],
) -> None:
    _, ready = start("--symbols", "ethusdt,BTCUSDT", "--rate", "200", "--fault", "malformed,form=json", "--seed", "4")
    client = websocket.create_connection(f"{ready['ws_url']}/stream?streams=ethusdt@bookTicker/btcusdt@bookTicker")
    texts = [client.recv() for _ in range(50)]
    assert sum('{"e":,}' in text for text in texts) == 1
    assert {json.loads(text)["stream"] for text in texts if '{"e":,}' not in text} == {
        "ethusdt@bookTicker",
        "btcusdt@bookTicker",
    }


def test_it_ends_when_its_parent_is_gone() -> None:
    script = f"""
import os, subprocess, sys
child = subprocess.Popen([*{COMMAND!r}, "--exit-with-parent"], stdout=subprocess.PIPE, text=True, encoding="utf-8")
sys.stdout.write(child.stdout.readline()); sys.stdout.flush()
os._exit(0)
"""
    ready = json.loads(subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=True).stdout)
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(ready["pid"]).wait(DEADLINE_SECS)
    assert not psutil.pid_exists(ready["pid"])


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--fault", "explode"], "explode"),
        (["--replay", "missing.jsonl"], "missing.jsonl"),
        (["--port", "x"], "--port"),
        (["--rate", "0"], "--rate"),
        (["--port", "99999"], "--port: must be from 0 to 65535, not 99999"),
        (["--port", "-1"], "--port: must be from 0 to 65535, not -1"),
        (["--speed", "-1"], "--speed"),
        (["--symbols", ","], "--symbols"),
        (["--replay", __file__], "line 1 is not a line of a recording"),
    ],
)
def test_bad_arguments_are_named_and_end_with_exit_code_2(arguments: list[str], word: str) -> None:
    result = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False, encoding="utf-8")
    assert result.returncode == 2
    assert word in result.stderr
    assert "Traceback" not in result.stderr


def test_help_shows_examples() -> None:
    result = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, check=True, encoding="utf-8")
    assert "examples:" in result.stdout
    assert "disconnect" in result.stdout


def test_the_simulator_imports_only_the_domain_and_pyarrow_for_zstd() -> None:
    names = subprocess.run(
        [sys.executable, "-c", "import collector.simulator.server, sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        encoding="utf-8",
    ).stdout.split()
    rooms = {name.split(".")[1] for name in names if name.startswith("collector.")}
    assert rooms == {"simulator", "domain"}
    assert "pyarrow" not in names
