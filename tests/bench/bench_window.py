"""What it costs to tell how the recorder is doing: with everything, and with nothing, in turn, in one run.

    .venv/bin/python -m tests.bench.bench_window [--rate 20000] [--secs 30] [--pairs 8] [--symbol-pairs 1]

Real frames come at a steady rate. "With": /metrics is asked every 15 s, /healthz every 5 s and /status every second, as
Prometheus, a probe and `queue_stats.py --watch` do. "Without": the recorder of bare_supervisor.py, asked by nobody.

Processor time counts, of all processes; nothing is archived meanwhile, which would only make the share smaller. What
else the machine does lengthens processor time too, so the two are run in turn, each first in every other pair, and a
pair is compared within itself. On a machine with nothing else to do both answers agree.
"""

import argparse
import contextlib
import itertools
import json
import shutil
import statistics
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Self

import psutil

from collector.exchanges.adapter import Subscription
from collector.exchanges.registry import adapter
from collector.processes.roles import report_of
from collector.stats_files import read_reports
from tests.bench.recorded import SYMBOLS, TYPES, frames_of
from tests.whole.running import ROOT, Exchange, Recorder, wait_for

BARE = ROOT / "tests/bench/bare_supervisor.py"
ASKED_SECS = {"/metrics": 15.0, "/healthz": 5.0, "/status": 1.0}

WARM_SECS = 8.0
"""What is done once, such as importing the library of the metrics at the first question, is over then."""


Cost = dict[str, float]
"""Processor seconds for each million messages, by process."""


class BareRecorder(Recorder):
    """The recorder that tells nothing."""

    def start(self, *arguments: str, **options: object) -> Self:
        import subprocess  # noqa: PLC0415 -- only here

        command = [sys.executable, str(BARE), "--config", str(self.config_path), *arguments]
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, env=self.environment)
        return self


def write_recording(path: Path, frames_wanted: int, rate: float, pairs: int) -> list[str]:
    """Frames at an even pace, each once for every pair of symbols; returns the symbols."""
    names = [(f"B{number}USDT", f"E{number}USDT") for number in range(pairs)]
    lines = (named(frame.text, pair) for frame in frames_of(SYMBOLS) for pair in names)
    with path.open("w", encoding="utf-8") as file:
        for written, raw in enumerate(itertools.islice(lines, frames_wanted)):
            file.write(json.dumps({"recv_ts_us": int(written * 1e6 / rate), "dir": "in", "raw": raw}) + "\n")
    return [name for pair in names for name in pair]


def named(raw: str, pair: tuple[str, str]) -> str:
    """The frame under another symbol."""
    for old, new in zip(SYMBOLS, pair, strict=True):
        raw = raw.replace(old, new).replace(old.lower(), new.lower())
    return raw


def cpu_secs(recorder: Recorder) -> dict[str, float]:
    """Processor time of the supervisor and of each child so far, by role."""
    pids = {report.pid: role for role, report in read_reports(recorder.data_dir / "run/stats", report_of).items()}
    supervisor = psutil.Process(recorder.process.pid)
    found = {"supervisor": sum(supervisor.cpu_times()[:2])}
    for child in supervisor.children():
        if child.pid in pids:
            found[pids[child.pid]] = sum(child.cpu_times()[:2])
    return found


def ask(recorder: Recorder, path: str) -> None:
    with contextlib.suppress(urllib.error.HTTPError):  # the frames are years old, so /healthz says 503
        urllib.request.urlopen(f"http://127.0.0.1:{recorder.port}{path}", timeout=5).read()


def run_once(recording: Path, names: list[str], count: int, warm: int, *, told: bool) -> Cost:
    """From the message that ends the warming up to the last."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    connections = len(adapter("binance").plan(Subscription(tuple(names), tuple(TYPES)), ""))
    exchange = Exchange(folder, "--replay", str(recording), "--speed", "1", "--clients", str(connections), log=False)
    kind = Recorder if told else BareRecorder
    recorder = kind(
        folder,
        exchange.ws_url,
        feed={"symbols": names, "data_types": TYPES},
        writer={"batch_interval_secs": 5},
        segment={"interval_secs": 86_400},
        supervisor={"stop_timeout_secs": 600},
    ).start()
    if told:
        wait_for(lambda: recorder.alive() and recorder.status())
    due = dict.fromkeys(ASKED_SECS, time.monotonic())

    def sent_at_least(frames: int) -> int:
        """Ask what is due until so many are sent; returns how many are."""
        while (sent := int(exchange.stats()["frames_sent"])) < frames:
            assert recorder.alive()
            for path, secs in ASKED_SECS.items():
                if told and time.monotonic() >= due[path]:
                    due[path] += secs
                    ask(recorder, path)
            time.sleep(0.1)
        return sent

    sent_before, before = sent_at_least(warm), cpu_secs(recorder)
    sent_after, after = sent_at_least(count), cpu_secs(recorder)
    writer_file = recorder.data_dir / "run/stats/writer.json"
    # The first frames may come before the last connection stands.
    wait_for(lambda: int(json.loads(writer_file.read_bytes())["messages"]) >= 0.9 * count)
    assert recorder.stop() == 0
    exchange.stop()
    shutil.rmtree(folder)
    return {role: (after[role] - before[role]) / (sent_after - sent_before) * 1e6 for role in before}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=20_000)
    parser.add_argument("--secs", type=float, default=30)
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--symbol-pairs", type=int, default=1)
    options = parser.parse_args()
    warm = int(options.rate * WARM_SECS)
    count = warm + int(options.rate * options.secs)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        recording = Path(name) / "even.jsonl"
        names = write_recording(recording, count, options.rate, options.symbol_pairs)
        print(f"{count:,} frames at {options.rate:,.0f}/s over {len(names) * len(TYPES)} streams", flush=True)
        told: list[Cost] = []
        bare: list[Cost] = []
        for pair in range(options.pairs):
            for arm in (True, False) if pair % 2 else (False, True):
                (told if arm else bare).append(run_once(recording, names, count, warm, told=arm))
            with_, without = sum(told[-1].values()), sum(bare[-1].values())
            print(
                f"with {with_:6.2f}   without {without:6.2f} CPU s per million messages   {with_ / without - 1:+6.1%}",
                flush=True,
            )
    medians = [{role: statistics.median(cost[role] for cost in costs) for role in bare[0]} for costs in (told, bare)]
    for role in bare[0]:
        print(f"{role:20} with {medians[0][role]:6.2f}   without {medians[1][role]:6.2f}")
    with_, without = (sum(cost.values()) for cost in medians)
    print(f"{'medians, summed':20} with {with_:6.2f}   without {without:6.2f}   {with_ / without - 1:+.1%}")
    shares = [sum(one.values()) / sum(other.values()) - 1 for one, other in zip(told, bare, strict=True)]
    print(f"median of the pairs: {statistics.median(shares):+.1%} (from {min(shares):+.1%} to {max(shares):+.1%})")


if __name__ == "__main__":
    main()
