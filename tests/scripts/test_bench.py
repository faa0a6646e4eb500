"""The benchmark works: real processes, a few thousand messages, every figure. How fast they went is never asked."""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.bench.__main__ import INTERRUPTED, QUICK_MESSAGES
from tests.bench.figures import Figures
from tests.bench.report import PROCESSES
from tests.bench.results import MANY, PLAIN, TLS, read_json
from tests.bench.targets import SINGLE
from tests.whole.running import ROOT, wait_for

DEADLINE_SECS = 280


def start(*arguments: str, folder: Path) -> subprocess.Popen[str]:
    """Start it; what it makes goes below `folder`."""
    command = [sys.executable, str(ROOT / "tests/bench/__main__.py"), *arguments]
    environment = os.environ | {"TMPDIR": str(folder)}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True, encoding="utf-8")


def bench(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    with start(*arguments, folder=folder) as process:
        out, err = process.communicate(timeout=DEADLINE_SECS)
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def processes_of(folder: Path) -> list[str]:
    """The command lines of all that were started with this folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            if f"TMPDIR={folder}\0".encode() in (path / "environ").read_bytes():
                found.append((path / "cmdline").read_text("utf-8"))
    return found


def test_a_quick_run_has_every_figure_and_leaves_nothing(data: Path, tmp_path: Path) -> None:
    folder, file = tmp_path / "made", tmp_path / "bench.json"
    folder.mkdir()
    done = bench("--quick", "--json", str(file), folder=folder)
    assert done.returncode == 0, done.stderr
    results = read_json(file)
    assert results.recorder.keys() == {PLAIN, TLS, MANY}
    assert results.sinks.keys() == {PLAIN, TLS}
    assert results.peers.keys() == {SINGLE}
    for run in [run for runs in results.recorder.values() for run in runs]:
        every_figure_is_there(run)
    (single,) = results.peers[SINGLE]
    assert single.messages == QUICK_MESSAGES
    assert single.durable_per_sec > 0
    assert "Targets" in done.stdout
    assert list(folder.iterdir()) == []


def every_figure_is_there(run: Figures) -> None:
    assert run.messages == QUICK_MESSAGES
    assert all(value > 0 for value in (run.durable_per_sec, run.parquet_per_sec or 0, run.sender_cpu_secs))
    assert run.cpu_secs.keys() >= {name if name != "ingest" else "ingest:binance" for name in PROCESSES}
    for sizes in (run.rest_rss_bytes, run.peak_rss_bytes):
        assert all(size > 0 for size in sizes.values())
    assert all(run.written_bytes[name] >= 0 for name in ("ingest:binance", "writer", "archiver"))
    assert min(run.segment_bytes, run.objects, run.parquet_bytes, run.updates, run.update_bytes) > 0


def test_reading_is_measured_beside_the_plain_recipe(data: Path, tmp_path: Path) -> None:
    done = bench("--read", "--quick", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    told = [re.split(r"\s{2,}", line)[:2] for line in done.stdout.splitlines()]
    for line in (["top 20 each 100ms", "plain"], ["follow", "the recipe"], ["replay, each message", "plain"]):
        assert line in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments", [["--runs", "0"], ["--rounds", "many"], ["--fast"], ["--read", "none.json"], ["--json", "none/a.json"]]
)
def test_bad_input_gets_the_usage_and_one_line(arguments: list[str], tmp_path: Path) -> None:
    done = bench(*arguments, folder=tmp_path)
    assert done.returncode == 2
    assert "error:" in done.stderr.splitlines()[-1]


def test_ended_in_the_middle_it_leaves_no_process_and_no_file(data: Path, tmp_path: Path) -> None:
    with start("--quick", "--tls", folder=tmp_path) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "the recorder" in line:
                break
        wait_for(lambda: len(processes_of(tmp_path)) > 2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_SECS) == INTERRUPTED
        assert process.stderr.read().splitlines()[-1].startswith("interrupted")
    wait_for(lambda: processes_of(tmp_path) == [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["", "no JSON", "[]", "{}", '{"recorder": 1}'])
def test_a_file_without_figures_is_not_read(tmp_path: Path, content: str) -> None:
    file = tmp_path / "bench.json"
    file.write_text(content, "utf-8")
    with pytest.raises(ValueError, match=r"bench\.json is not what --json wrote"):
        read_json(file)


def test_the_quick_form_writes_no_docs(tmp_path: Path) -> None:
    done = bench("--quick", "--write-docs", folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("--write-docs needs the figures of --compare or --read")
