"""The benchmark works: real processes, a few thousand messages, every figure. How fast they went is never asked."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.__main__ import QUICK_MESSAGES
from tests.bench.figures import Figures
from tests.bench.report import PROCESSES
from tests.bench.results import MANY, PLAIN, TLS, read_json
from tests.bench.targets import SINGLE
from tests.whole.running import ROOT

DEADLINE_SECS = 280


def bench(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run it; what it makes goes below `folder`."""
    command = [sys.executable, "-m", "tests.bench", *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    environment |= {"TMPDIR": str(folder)}
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        check=False,
        text=True,
        encoding="utf-8",
        timeout=DEADLINE_SECS,
    )


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


@pytest.mark.parametrize("arguments", [["--runs", "0"], ["--rounds", "many"], ["--fast"]])
def test_bad_input_gets_the_usage_and_one_line(arguments: list[str], tmp_path: Path) -> None:
    done = bench(*arguments, folder=tmp_path)
    assert done.returncode == 2
    assert "error:" in done.stderr.splitlines()[-1]
