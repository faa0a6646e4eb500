import ast
import http.server
import importlib
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ
from time import monotonic, time_ns
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from collector.cli import run_command
from collector.config import Config, HttpConfig
from collector.domain.log import Log
from collector.domain.names import iso_time
from collector.http import server as http_room
from collector.http.response import as_json
from collector.monitoring import status_json as shown_to
from collector.reports import ArchiverReport, IngestReport
from collector.stats_files import StatsFile, stats_file
from collector.storage.locks import supervisor_lock
from tests.ports import keep_port, port_of
from tests.terminal.statuses import make_status, make_view

ROOT = Path(__file__).parent.parent.parent
TOOL = ROOT / "scripts" / "queue_stats.py"
DEADLINE_SECS = 60.0
TOKEN = "token-token-token"


class Served(NamedTuple):
    """The address of a recorder and the status it gives, which a test may change."""

    url: str
    status: dict[str, Any]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    yield from serve(monkeypatch, "")


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    yield from serve(monkeypatch, TOKEN)


def serve(monkeypatch: pytest.MonkeyPatch, token: str) -> Iterator[Served]:
    monkeypatch.setattr(http_room, "_POLL_SECS", 0.02)
    keeper = keep_port()
    port = port_of(keeper)
    status = make_status()
    pages = {"/status": lambda: as_json(status)}
    server = http_room.StatusServer("127.0.0.1", port, pages, Log(print), token)
    assert server.try_start(), server.error
    yield Served(f"http://127.0.0.1:{port}", status)
    server.close()
    keeper.close()


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port at which nobody listens."""
    with keep_port() as keeper:
        yield port_of(keeper)


class Shown(NamedTuple):
    """What a tool did."""

    code: int
    out: str
    err: str


class Run:
    """Runs the tool in this process, with an environment of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._patch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: str | Path, columns: int = 120, port: int | str | None = None) -> Shown:
        self._patch.setenv("COLUMNS", str(columns))
        if port is not None:
            self._patch.setenv("COLLECTOR_HTTP__PORT", str(port))
        code = run_command("status", TOOL.name, [*map(str, arguments)])
        return Shown(code, *self._capsys.readouterr())


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    for name in os.environ:
        if name.startswith("COLLECTOR_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(ROOT / "scripts")
    return Run(monkeypatch, capsys)


def test_the_screen_shows_queues_processes_and_stored_rows(run: Run, served: Served) -> None:
    shown = run("--url", served.url)
    assert (shown.code, shown.err) == (0, "")
    words = " ".join(shown.out.split())
    for said in (
        "healthy Reconnecting box up 20.0 s run run-1",
        "writer running 12 2 47.7 MiB 3.5 %",
        "queue ingest:binance > writer ░░░░░░░░░░ 1 of 256",
        "journal binance ░░░░░░░░░░ 4.9 KiB 100 ms 1",
        "24,691,356 messages, 7 duplicates, 3 undecodable, 0 refused",
        "512 of at most 10,000 rows, last commit took 20 ms",
        "1 open, 2 sealed, 0 archived, 0 quarantined",
        "0 objects uploaded",
        "binance BTCUSDT trade 12,345,678 0",
    ):
        assert said in words


def test_a_backlog_is_shown_with_its_size_its_rate_and_its_end(run: Run, served: Served) -> None:
    served.status["archive"] |= {
        "backlog_segments": 168, "backlog_bytes": 3 << 30, "bytes_per_sec": 20 << 20, "eta_secs": 153.6,
    }  # fmt: skip
    words = " ".join(run("--url", served.url).out.split())
    assert "to go: 168 segments, 3.0 GiB, 20.0 MiB/s, done in 3 min" in words
    served.status["archive"] |= {"state": "away", "bytes_per_sec": None, "eta_secs": None}
    words = " ".join(run("--url", served.url).out.split())
    assert "to go: 168 segments, 3.0 GiB, the store is away" in words


def test_repairs_requests_and_answers_are_shown_if_it_runs(run: Run, served: Served) -> None:
    assert "requests waiting" not in run("--url", served.url).out
    served.status["repair"] |= {"waiting": {"book": 2, "trades": 1}, "answered": {"book": 5}, "failed": 4}
    words = " ".join(run("--url", served.url).out.split())
    assert "repair 3 requests waiting, 5 answered, 4 failed tries" in words


@pytest.mark.parametrize("columns", [80, 120])
def test_no_line_is_wider_than_the_terminal(run: Run, served: Served, columns: int) -> None:
    shown = run("--url", served.url, columns=columns).out
    assert max(len(line) for line in shown.splitlines()) <= columns
    assert "…" not in shown


def test_exchange_text_is_neither_escape_sequence_nor_markup(
    run: Run,
    served: Served,
) -> None:
    shown = run("--url", served.url).out
    assert "\x1b" not in shown
    assert r"B\x1b]0;owned\x07[red]T" in shown


def test_the_exit_code_is_1_with_the_reasons_when_it_is_not_healthy(run: Run, served: Served) -> None:
    served.status.update(make_status(archiver="backoff"))
    shown = run("--url", served.url)
    assert shown.code == 1
    assert "NOT HEALTHY" in shown.out
    assert "child_failing  archiver is in state backoff after 0 restarts" in shown.out


def test_json_is_the_object_itself(run: Run, served: Served) -> None:
    shown = run("--url", f"{served.url}/status", "--json")
    assert (shown.code, shown.err) == (0, "")
    assert json.loads(shown.out) == served.status


def test_the_address_comes_from_the_configuration(run: Run, served: Served, tmp_path: Path, held: Path) -> None:
    port = served.url.rpartition(":")[2]
    config = tmp_path / "my.toml"
    config.write_text(f'data_dir = "{held}"\n[http]\nhost = "0.0.0.0"\nport = {port}\n', "utf-8")
    assert json.loads(run("--config", config, "--json").out) == served.status
    assert json.loads(run("--json", port=port).out) == served.status


def test_an_invalid_configuration_is_named_with_exit_2(run: Run, tmp_path: Path) -> None:
    config = tmp_path / "my.toml"
    config.write_text("[http]\nport = -1\nhots = 2\n", "utf-8")
    shown = run("--config", config)
    assert (shown.code, shown.out) == (2, "")
    lines = shown.err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("error: ") for line in lines)


def test_if_nothing_answers_one_line_says_what_to_try(run: Run, tmp_path: Path, closed_port: int) -> None:
    port = closed_port
    shown = run(port=port)
    assert (shown.code, shown.out, shown.err.count("\n")) == (2, "", 1)
    assert f"no recorder is running on {tmp_path}/data (" in shown.err
    assert f"nothing answers at http://127.0.0.1:{port}/status" in shown.err
    assert "start it with 'collector run', or name another with --config or --url" in shown.err


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:9464",
        "ftp://host",
        "file:///etc/passwd",
        "http://",
        "http://[::1",
        "http://host:99999",
        "http://me:x@host:y",
    ],
)
def test_an_invalid_url_is_one_line_with_exit_2(run: Run, url: str) -> None:
    shown = run("--url", url)
    assert (shown.code, shown.out, shown.err.count("\n")) == (2, "", 1)
    assert "is not an address such as http://127.0.0.1:9464" in shown.err


def test_a_password_in_the_address_is_not_printed(run: Run, closed_port: int) -> None:
    shown = run("--url", f"http://me:planted@127.0.0.1:{closed_port}/?key=planted")
    assert shown.code == 2
    assert "planted" not in shown.err + shown.out


@pytest.mark.parametrize("answer", [b"<html>", b"[1]", b'{"status": "ok"}'])
def test_another_program_on_the_port_is_one_line(run: Run, answer: bytes) -> None:
    class Other(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Other) as other:
        threading.Thread(target=other.handle_request, daemon=True).start()
        shown = run("--url", f"http://127.0.0.1:{other.server_port}")
    assert (shown.code, shown.err.count("\n")) == (2, 1)
    assert "answers, but it is not a recorder" in shown.err


def leave_files(data_dir: Path, *, age_secs: float, run_id: str = "run-1") -> dict[str, Any]:
    """What a recorder without a port leaves in run/; returns its health."""
    now_us = time_ns() // 1_000 - int(age_secs * 1e6)
    told = {**shown_to.health(make_view()), "run_id": run_id, "updated_at": iso_time(now_us)}
    StatsFile(data_dir / "run" / "health.json").write(told)
    life: dict[str, Any] = {"pid": os.getpid(), "incarnation": 1, "state": "running", "updated_us": now_us}
    archiver = ArchiverReport(**life, role="archiver", archived=4)
    ingest = IngestReport(**life, role="ingest:binance", feed="binance", frames=9, refused=2)
    for report in (archiver, ingest):
        stats_file(data_dir / "run" / "stats", report.role).write(report)
    return told


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Path]:
    """The data directory of a recorder that runs."""
    with supervisor_lock(tmp_path / "data") as lock:
        assert lock.try_acquire()
        yield tmp_path / "data"


def test_without_a_port_the_stats_files_are_shown_with_a_note(run: Run, held: Path) -> None:
    told = leave_files(held, age_secs=1)
    shown = run("--json", port=0)
    status = json.loads(shown.out)
    assert shown.code == 0
    assert shown.err.startswith("note: its http.port is 0 (off); these are the processes' own numbers")
    assert [process["name"] for process in status["processes"]] == ["supervisor", "ingest:binance", "archiver"]
    assert [process["pid"] for process in status["processes"]] == [os.getpid()] * 3
    assert status["processes"][1]["restarts"] is None
    assert (status["segments"]["archived"], status["writer"]["refused"]) == (4, 2)
    for name in ("run_id", "uptime_secs", "healthy", "headline", "reasons"):
        assert status[name] == told[name]
    assert run(port=0).code == 0


@pytest.mark.parametrize("age_secs", [0, 60])
def test_stats_files_of_a_recorder_that_is_gone_are_not_shown(
    run: Run, tmp_path: Path, age_secs: float, closed_port: int
) -> None:
    leave_files(tmp_path / "data", age_secs=age_secs)
    shown = run(port=closed_port)
    assert (shown.code, shown.out) == (2, "")
    assert f"no recorder is running on {tmp_path}/data (" in shown.err


def test_a_recorder_that_cannot_write_its_files_is_not_healthy(run: Run, held: Path) -> None:
    leave_files(held, age_secs=60)
    shown = run("--json", port=0)
    status = json.loads(shown.out)
    assert (shown.code, status["healthy"]) == (1, False)
    assert "it cannot write its files: they are 60 s old" in status["reasons"][0]["text"]


@pytest.mark.parametrize("content", [None, b"", b'{"run_id": 1}'])
def test_a_recorder_without_its_health_file_is_running_all_the_same(
    run: Run, held: Path, content: bytes | None
) -> None:
    if content is not None:
        (held / "run" / "health.json").write_bytes(content)
    shown = run(port=0)
    assert (shown.code, shown.out, shown.err.count("\n")) == (2, "", 1)
    assert f"process {os.getpid()} records into {held}, but run/health.json cannot be read" in shown.err


def test_if_the_port_is_another_recorders_the_stats_files_are_shown(run: Run, served: Served, held: Path) -> None:
    leave_files(held, age_secs=1, run_id="run-2")
    port = served.url.rpartition(":")[2]
    shown = run("--json", port=port)
    assert json.loads(shown.out)["run_id"] == "run-2"
    assert shown.err.startswith("note: the port belongs to another recorder; these are the processes' own numbers")
    leave_files(held, age_secs=1)
    assert json.loads(run("--json", port=port).out) == served.status


def test_another_recorders_port_does_not_make_a_dead_one_healthy(run: Run, served: Served, tmp_path: Path) -> None:
    shown = run(port=served.url.rpartition(":")[2])
    assert (shown.code, shown.out, shown.err.count("\n")) == (2, "", 1)
    assert f"no recorder is running on {tmp_path}/data (another recorder answers on that port" in shown.err


def test_stats_files_are_shown_with_rates_under_watch(source: ModuleType, held: Path) -> None:
    told = leave_files(held, age_secs=1)
    look = source.LocalStatus(Config(data_dir=held, http=HttpConfig(port=0)))
    first, second = look()[0], look()[0]
    assert first["run_id"] == second["run_id"] == told["run_id"]
    assert second["processes"][0]["rss_bytes"] > 0


def test_a_token_is_sent_where_one_is_configured(
    run: Run, guarded: Served, held: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_files(held, age_secs=1)
    port = guarded.url.rpartition(":")[2]
    without = run("--url", guarded.url)
    assert (without.code, without.out) == (2, "")
    assert f"{guarded.url}/status wants its token: set COLLECTOR_HTTP__TOKEN" in without.err
    monkeypatch.setenv("COLLECTOR_HTTP__TOKEN", TOKEN)
    assert json.loads(run("--url", guarded.url, "--json").out) == guarded.status
    assert json.loads(run("--json", port=port).out) == guarded.status
    monkeypatch.setenv("COLLECTOR_HTTP__TOKEN", "planted-planted-")
    wrong = run("--url", guarded.url)
    assert wrong.code == 2
    assert "planted" not in wrong.err


@pytest.mark.parametrize("token", ["planted-token-\n", "planted-token-\u20ac", "planted\rtoken-token"])
def test_a_token_unfit_for_a_header_is_refused_without_showing_it(
    run: Run, guarded: Served, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("COLLECTOR_HTTP__TOKEN", token)
    shown = run("--url", guarded.url)
    assert (shown.code, shown.out, shown.err.count("\n")) == (2, "", 1)
    assert "planted" not in shown.err


@pytest.mark.parametrize(
    "change",
    [
        {"streams": None}, {"processes": [{}]}, {"healthy": "yes"}, {"host": {}, "uptime_secs": "long"},
        {"channels": [{"from": "a", "to": "b", "depth": 0, "capacity": 0}]},
        {"streams": [{**make_status()["streams"][0], "last_durable_at": "yesterday"}]},
    ],
)  # fmt: skip
def test_an_answer_that_is_not_a_recorders_is_one_line(run: Run, served: Served, change: dict[str, Any]) -> None:
    served.status.update(change)
    shown = run("--url", served.url)
    assert (shown.code, shown.out, shown.err.count("\n")) == (2, "", 1)


def test_an_endless_answer_is_not_waited_for(run: Run, source: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Event()

    class Dripping(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            while not done.wait(0.01):
                self.wfile.write(b" ")

        def log_message(self, *_: Any) -> None:
            pass

    monkeypatch.setattr(source, "TOTAL_SECS", 0.2)
    with http.server.HTTPServer(("127.0.0.1", 0), Dripping) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        shown = run("--url", f"http://127.0.0.1:{server.server_port}")
        done.set()
    assert (shown.code, shown.err.count("\n")) == (2, 1)
    assert "no whole answer within" in shown.err


def test_help_has_examples_and_the_tool_runs_from_any_folder(tmp_path: Path) -> None:
    shown = subprocess.run([TOOL, "--help"], cwd=tmp_path, capture_output=True, timeout=DEADLINE_SECS, check=False)
    assert (shown.returncode, shown.stderr) == (0, b"")
    assert b"scripts/queue_stats.py --json | jq .reasons" in shown.stdout


def test_a_python_without_the_packages_runs_the_projects_python(tmp_path: Path) -> None:
    if not (ROOT / ".venv" / "bin" / "python").exists():
        pytest.skip("the project has no .venv here")
    bare = [sys.executable, "-S", str(TOOL), "--url", "nowhere"]
    shown = subprocess.run(
        bare, cwd=tmp_path, capture_output=True, text=True, timeout=DEADLINE_SECS, check=False, encoding="utf-8"
    )
    assert (shown.returncode, shown.stderr.partition(" such as")[0]) == (2, "error: nowhere is not an address")


@pytest.mark.parametrize(
    "name",
    [
        "_bootstrap.py",
        "queue_stats.py",
    ],
)
def test_an_old_python_can_parse_a_tool_and_run_the_projects_python(name: str) -> None:
    assert ast.parse((ROOT / "scripts" / name).read_text("utf-8"), feature_version=(3, 8)).body


def test_a_reader_that_leaves_early_is_no_error(served: Served) -> None:
    served.status.update(make_status(symbols=tuple(f"S{number}" for number in range(3_000))))
    command = f"{sys.executable} {TOOL} --url {served.url} | head -n 1"
    shown = subprocess.run(
        command, shell=True, capture_output=True, text=True, timeout=DEADLINE_SECS, check=False, encoding="utf-8"
    )
    assert shown.stdout.startswith("Starting, nothing stored yet")
    assert shown.stderr == ""


def test_watching_prints_again_and_ends_with_the_last_health(served: Served) -> None:
    served.status.update(make_status(archiver="failed"))
    command = [sys.executable, str(TOOL), "--url", served.url, "--watch"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8") as watching:
        assert watching.stdout is not None
        headings = (line for line in watching.stdout if line.startswith("NOT HEALTHY"))
        assert next(headings)
        assert next(headings)
        watching.send_signal(signal.SIGINT)
        assert watching.wait(DEADLINE_SECS) == 1


def test_watching_on_a_terminal_fills_the_screen_and_no_more(served: Served) -> None:
    served.status.update(make_status(symbols=tuple(f"S{number}" for number in range(300))))
    ours, theirs = pty.openpty()
    ioctl(theirs, TIOCSWINSZ, struct.pack("HHHH", 30, 80, 0, 0))
    command = [sys.executable, str(TOOL), "--url", served.url, "--watch"]
    known = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
    environment = {**known, "TERM": "xterm"}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as watching:
        os.close(theirs)
        screen, ends_at = b"", monotonic() + DEADLINE_SECS
        while b"Ctrl-C ends" not in screen:
            assert select.select([ours], [], [], max(0.0, ends_at - monotonic()))[0], screen
            screen += os.read(ours, 65_536)
        watching.send_signal(signal.SIGINT)
        assert watching.wait(DEADLINE_SECS) == 0
    os.close(ours)
    assert screen.count(b"\n") < 30
    assert b"S299" in screen
    assert b"more streams, none of them silent" in screen


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    return importlib.import_module("collector.tools.status_source")
