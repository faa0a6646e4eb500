"""The real recorder on a real pseudo-terminal: the live view, its log file, and how both end."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.ports import keep_port, port_of
from tests.terminal.pseudo import PseudoTerminal
from tests.whole.running import ROOT, Exchange, get_json, to_toml, wait_for

NOWHERE = "ws://127.0.0.1:9"
LEAVES_SCREEN = b"\x1b[?1049l"
ENTERS_SCREEN = b"\x1b[?1049h"
CTRL_C, CTRL_Z = b"\x03", b"\x1a"
SHELL = ("bash", "--norc", "--noprofile", "-i")
STOP_SECS = 120


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    made = Exchange(tmp_path, "--symbols", "BTCUSDT", "--rate", "100")
    yield made
    made.stop()


def configure(folder: Path, ws_url: str, port: int = 0) -> Path:
    config = folder / "my.toml"
    feed = {"exchange": "binance", "symbols": ["BTCUSDT"], "ws_url": ws_url, "rest_url": "http://127.0.0.1:9"}
    sections: dict[str, dict[str, Any]] = {"http": {"port": port}, "writer": {"batch_interval_secs": 0.2}}
    config.write_text(to_toml(folder / "data", [feed], sections), "utf-8")
    return config


@contextmanager
def started(
    terminal: PseudoTerminal, config: Path, *arguments: str, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, str(ROOT / "supervisor.py"), "--config", str(config), *arguments]
    with on_terminal(terminal, command, config.parent, **environment) as process:
        yield process


@contextmanager
def in_shell(terminal: PseudoTerminal) -> Iterator[subprocess.Popen[bytes]]:
    """A shell that a person types into; what it has started is killed at the end."""
    with on_terminal(terminal, SHELL, ROOT, PS1="ready> ") as shell:
        yield shell


@contextmanager
def on_terminal(
    terminal: PseudoTerminal, command: Sequence[str], folder: Path, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    known = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES", "NO_COLOR"}}
    process = subprocess.Popen(
        command, cwd=folder, stdin=terminal.theirs, stdout=terminal.theirs, stderr=terminal.theirs,
        env={**known, "TERM": "xterm-256color", **environment}, start_new_session=True,
        preexec_fn=terminal.control,  # noqa: PLW1509 (one system call, which takes no lock)
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def log_of(data_dir: Path) -> list[dict[str, Any]]:
    paths = sorted((data_dir / "run").glob("recorder.log*"), reverse=True)
    return [json.loads(line) for path in paths for line in path.read_text("utf-8").splitlines()]


def test_a_terminal_shows_the_live_view_and_the_log_goes_to_its_file(exchange: Exchange, tmp_path: Path) -> None:
    with keep_port() as keeper, PseudoTerminal(80, 24) as terminal:
        port = port_of(keeper)
        with started(terminal, configure(tmp_path, exchange.ws_url, port)) as process:

            def alive() -> bool:
                return process.poll() is None

            terminal.read_until(lambda screen: ENTERS_SCREEN in screen and b"healthy" in screen, alive)
            terminal.read_until(lambda screen: b"Recording" in screen.rpartition(b"healthy")[2], alive)
            terminal.read_until(f"page http://127.0.0.1:{port}/".encode(), alive)
            terminal.resize(160, 50)
            terminal.read_until(b"last 5 minutes", alive)
            terminal.type(CTRL_C)
            terminal.read_until(b"STOPPING", alive)
            terminal.read_until(b"recorder.log\r\n", lambda: True)
            terminal.read_until(LEAVES_SCREEN, lambda: True)
            assert process.wait(STOP_SECS) == 0
            terminal.read_until(lambda screen: b"Log: " in screen.rpartition(LEAVES_SCREEN)[2])
    closing = terminal.screen.rpartition(LEAVES_SCREEN)[2].decode()
    assert "Stopped in order after " in closing
    assert f"Log: {tmp_path}/data/run/recorder.log" in closing
    assert b'"event":' not in terminal.screen
    said = {(line["process"], line["event"]) for line in log_of(tmp_path / "data")}
    assert {("supervisor", "recording"), ("ingest:binance", "connected"), ("supervisor", "stopped")} <= said
    assert {"writer", "archiver"} <= {process for process, _ in said}


def test_a_terminal_nobody_reads_delays_neither_recording_nor_stop(exchange: Exchange, tmp_path: Path) -> None:
    # A frame of this size is more than a pseudo-terminal holds.
    with keep_port() as keeper, PseudoTerminal(500, 200) as terminal:
        port = port_of(keeper)
        with started(terminal, configure(tmp_path, exchange.ws_url, port)) as process:

            def stored() -> int:
                status = get_json(f"http://127.0.0.1:{port}/status")
                return int(status["writer"]["stored"]) if status else 0

            before = wait_for(stored)
            looked_at = time.monotonic()
            wait_for(lambda: stored() > before + 100)
            wait_for(lambda: time.monotonic() - looked_at > 3)
            wait_for(lambda: stored() > before + 200)
            process.send_signal(signal.SIGTERM)
            assert process.wait(STOP_SECS) == 0
    assert log_of(tmp_path / "data")[-1]["event"] == "stopped"


def test_a_closed_terminal_stops_the_recorder_in_order(exchange: Exchange, tmp_path: Path) -> None:
    with PseudoTerminal(80, 24) as terminal, started(terminal, configure(tmp_path, exchange.ws_url)) as process:
        # Before the first picture the recorder is not begun, and a signal just ends it.
        terminal.read_until(
            lambda screen: ENTERS_SCREEN in screen and b"healthy" in screen, lambda: process.poll() is None
        )
        terminal.hang_up()
        assert process.wait(STOP_SECS) == 0
    events = [(line["event"], line.get("cause")) for line in log_of(tmp_path / "data")]
    assert ("stopping", "SIGHUP") in events
    assert events[-1][0] == "stopped"


def test_after_ctrl_z_recording_goes_on_and_fg_brings_the_view_back(exchange: Exchange, tmp_path: Path) -> None:
    config = configure(tmp_path, exchange.ws_url)

    def stored() -> int:
        return int(json.loads((tmp_path / "data/run/stats/writer.json").read_bytes())["stored"])

    def shows(text: bytes, after: bytes) -> Callable[[bytes], bool]:
        return lambda screen: after in screen and text in screen.rpartition(after)[2]

    with PseudoTerminal(80, 24) as terminal, in_shell(terminal) as shell:

        def alive() -> bool:
            return shell.poll() is None

        terminal.type(f"{sys.executable} {ROOT / 'supervisor.py'} --config {config}\n".encode())
        terminal.read_until(shows(b"Recording", after=ENTERS_SCREEN), alive)
        terminal.type(CTRL_Z)
        terminal.read_until(shows(b"ready> ", after=b"Suspended: recording goes on"), alive)
        before = stored()
        wait_for(lambda: stored() > before + 200)
        assert LEAVES_SCREEN in terminal.screen.rpartition(ENTERS_SCREEN)[2]
        terminal.type(b"fg\n")
        terminal.read_until(lambda screen: screen.count(ENTERS_SCREEN) == 2, alive)
        terminal.read_until(shows(b"Recording", after=ENTERS_SCREEN), alive)
        terminal.type(CTRL_C)
        terminal.read_until(b"Stopped in order after ", alive)
        terminal.read_until(shows(b"ready> ", after=b"Log: "), alive)
        terminal.type(b"exit\n")
        assert shell.wait(STOP_SECS) == 0
    assert {line["event"] for line in log_of(tmp_path / "data")} & {"process_died", "process_hung"} == set()


@pytest.mark.parametrize(("arguments", "environment"), [(["--log"], {}), ([], {"TERM": "dumb"}), ([], {"TERM": ""})])
def test_lines_are_printed_on_request_and_where_the_terminal_has_no_cursor(
    tmp_path: Path, arguments: list[str], environment: Mapping[str, str]
) -> None:
    with PseudoTerminal(80, 24) as terminal:
        config = configure(tmp_path, NOWHERE)
        with started(terminal, config, *arguments, "--stop-after", "0.1", **environment) as process:
            terminal.read_until(b'"event":"stopped"', lambda: True)
            assert process.wait(STOP_SECS) == 0
    assert ENTERS_SCREEN not in terminal.screen
    assert not (tmp_path / "data" / "run" / "recorder.log").exists()


def test_a_log_file_that_cannot_be_opened_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "data" / "run" / "recorder.log").mkdir(parents=True)
    with PseudoTerminal(80, 24) as terminal:
        with started(terminal, configure(tmp_path, NOWHERE)) as process:
            terminal.read_until(b"error: ", lambda: True)
            assert process.wait(STOP_SECS) == 2
        terminal.read_until(b"Is a directory\r\n")
    assert f"error: the log file {tmp_path}/data/run/recorder.log cannot be written: " in terminal.screen.decode()


def test_every_process_rotates_the_log_of_a_recorder(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from collector.config.load import load
from collector.exchanges.registry import data_types
from collector.logs import LogFile
from collector.supervision.recorder import record
config = load(Path({str(configure(tmp_path, NOWHERE))!r}), {{}}, data_types())
log_file = LogFile(config.data_dir / "run" / "recorder.log", limit_bytes=1_000, files=50)
raise SystemExit(record(config, stop_after_secs=1.0, log_file=log_file))
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=STOP_SECS, check=False).returncode == 0
    assert len(list((tmp_path / "data" / "run").glob("recorder.log*"))) > 2
    said = {(line["process"], line["event"]) for line in log_of(tmp_path / "data")}
    assert {("supervisor", "started"), ("supervisor", "stopped")} <= said
    assert "writer" in {process for process, _ in said}
