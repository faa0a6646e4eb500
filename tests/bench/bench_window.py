"""What it costs to tell how the recorder is doing: with everything, and with nothing, in turn, in one run.

    .venv/bin/python -m tests.bench.bench_window [--rate 20000] [--secs 30] [--pairs 8] [--symbol-pairs 1]

Real frames come at a steady rate. "With": /metrics is asked every 15 s, /healthz every 5 s and /status every second, as
Prometheus, a probe and `queue_stats.py --watch` do. "Without": the recorder of bare_supervisor.py, asked by nobody.

Processor time counts, of all processes; nothing is archived meanwhile, which would only make the share smaller. What
else the machine does lengthens processor time too, so the two are run in turn, each first in every other pair, and a
pair is compared within itself: the answer is the median of the pairs.
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
from tests.bench.bench_pipeline import TYPES, real_frames, shifted
from tests.whole.running import ROOT, Exchange, Recorder, wait_for

BARE = ROOT / "tests/bench/bare_supervisor.py"
ASKED_SECS = {"/metrics": 15.0, "/healthz": 5.0, "/status": 1.0}

SETTLE_SECS = 6.0
"""Until the last batch is committed."""


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
    frames = real_frames()
    of_btc = [raw for raw in frames if "BTCUSDT" in raw]
    of_eth = [raw for raw in frames if "ETHUSDT" in raw]
    both = [raw for two in zip(of_btc, of_eth, strict=False) for raw in two]
    lines = (named(raw, pair) for number in itertools.count() for raw in shifted(both, number) for pair in names)
    with path.open("w") as file:
        for written, raw in enumerate(itertools.islice(lines, frames_wanted)):
            file.write(json.dumps({"recv_ts_us": int(written * 1e6 / rate), "dir": "in", "raw": raw}) + "\n")
    return [name for pair in names for name in pair]


def named(raw: str, pair: tuple[str, str]) -> str:
    """The frame under another symbol."""
    for old, new in zip(("BTCUSDT", "ETHUSDT"), pair, strict=True):
        raw = raw.replace(old, new).replace(old.lower(), new.lower())
    return raw


def cpu_secs(recorder: Recorder) -> dict[str, float]:
    """Processor time of the supervisor and its children so far, in the order they were started."""
    supervisor = psutil.Process(recorder.process.pid)
    processes = [supervisor, *(child for child in supervisor.children() if "spawn_main" in " ".join(child.cmdline()))]
    found = {}
    for process in processes:
        times = process.cpu_times()
        found[str(process.pid)] = times.user + times.system
    return found


def ask(recorder: Recorder, path: str) -> None:
    with contextlib.suppress(urllib.error.HTTPError):  # the frames are years old, so /healthz says 503
        urllib.request.urlopen(f"http://127.0.0.1:{recorder.port}{path}", timeout=5).read()


def run_once(recording: Path, names: list[str], count: int, *, told: bool) -> float:
    """Processor seconds for each million messages, from the first to the last one durable."""
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
    wait_for(lambda: exchange.stats()["frames_sent"] > 0)
    before, due = cpu_secs(recorder), dict.fromkeys(ASKED_SECS, time.monotonic())
    writer_file = recorder.data_dir / "run/stats/writer.json"

    def stored() -> int:
        for path, secs in ASKED_SECS.items():
            if told and time.monotonic() >= due[path]:
                due[path] += secs
                ask(recorder, path)
        return int(json.loads(writer_file.read_bytes()).get("messages", 0)) if writer_file.exists() else 0

    # The first frames may come before the last connection stands.
    while not exchange.stats()["replay"]["finished"] or stored() < 0.9 * count:
        assert recorder.alive()
        time.sleep(0.2)
    time.sleep(SETTLE_SECS)
    messages = stored()
    after = cpu_secs(recorder)
    assert recorder.stop() == 0
    exchange.stop()
    shutil.rmtree(folder)
    return sum(after[pid] - before.get(pid, 0.0) for pid in after) / messages * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=20_000)
    parser.add_argument("--secs", type=float, default=30)
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--symbol-pairs", type=int, default=1)
    options = parser.parse_args()
    count = int(options.rate * options.secs)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        recording = Path(name) / "even.jsonl"
        names = write_recording(recording, count, options.rate, options.symbol_pairs)
        print(f"{count:,} frames at {options.rate:,.0f}/s over {len(names) * len(TYPES)} streams", flush=True)
        told: list[float] = []
        bare: list[float] = []
        for pair in range(options.pairs):
            for arm in (True, False) if pair % 2 else (False, True):
                (told if arm else bare).append(run_once(recording, names, count, told=arm))
            print(
                f"with {told[-1]:6.2f}   without {bare[-1]:6.2f} CPU s per million messages"
                f"   {told[-1] / bare[-1] - 1:+6.1%}",
                flush=True,
            )
    shares = [with_ / without - 1 for with_, without in zip(told, bare, strict=True)]
    print(f"medians: with {statistics.median(told):.2f}, without {statistics.median(bare):.2f}")
    print(f"what telling costs: {statistics.median(shares):+.1%} (pairs from {min(shares):+.1%} to {max(shares):+.1%})")


if __name__ == "__main__":
    main()
