"""Real frames, as fast as the recorder takes them: rate to a durable row and to Parquet, CPU and memory of each process.

    .venv/bin/python -m tests.bench.bench_pipeline [--rounds 12] [--runs 3]

The recorded Binance spot frames are sent in rounds; every round shifts ids and times, so that no message is a copy of
another. The exchange runs on the same machine and takes its share of it, which is printed too.
"""

import argparse
import json
import re
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa

from tests.whole.running import ROOT, Exchange, Recorder, wait_for

FILES = ("hftbacktest_btcusdt_20240808", "hftbacktest_ethusdt_20240808")
FRAMES = ROOT.parent / "shared/data/frames/binance_spot"
TYPES = ["book_delta", "trade", "book_ticker"]
ROUND_IDS = 1_000_000_000
ROUND_MS = 600_000
NUMBER = re.compile(r'"(U|u|t|E|T)":(\d+)')


def real_frames() -> list[str]:
    """The frames of both recordings, one after the other."""
    frames = []
    for name in FILES:
        stream = pa.CompressedInputStream(pa.OSFile(str(FRAMES / f"{name}.jsonl.zst")), "zstd")
        entries = (json.loads(line) for line in stream.read().splitlines())
        frames += [entry["raw"] for entry in entries if entry["dir"] == "in"]
    return frames


def shifted(frames: list[str], number: int) -> Iterator[str]:
    """The frames of one round; trade ids stay dense from round to round only within a round, as after a real gap."""

    def shift(match: re.Match[str]) -> str:
        by = ROUND_MS if match[1] in "ET" else ROUND_IDS
        return f'"{match[1]}":{int(match[2]) + number * by}'

    return (NUMBER.sub(shift, frame) for frame in frames)


def write_recording(path: Path, rounds: int) -> int:
    """Make the input; returns how many frames it holds."""
    frames = real_frames()
    with path.open("w", encoding="utf-8") as file:
        for number in range(rounds):
            file.writelines(
                json.dumps({"recv_ts_us": 0, "dir": "in", "raw": raw}) + "\n" for raw in shifted(frames, number)
            )
    return rounds * len(frames)


class Watch:
    """CPU seconds and peak memory of the recorder's processes, as last seen."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self.cpu_secs: dict[str, float] = {}
        self.peak_rss_bytes: dict[str, int] = {}
        self.names = {recorder.process.pid: "supervisor"}

    def look(self) -> None:
        for process in (self._recorder.status() or {"processes": []})["processes"]:
            if process["pid"] is not None:
                self.names[process["pid"]] = process["name"]
        for pid, name in self.names.items():
            try:
                process = psutil.Process(pid)
                times = process.cpu_times()
                self.cpu_secs[name] = times.user + times.system
                # ru_maxrss as the kernel keeps it: no peak between two looks is missed.
                peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text("utf-8"))
                self.peak_rss_bytes[name] = max(self.peak_rss_bytes.get(name, 0), int(peak[1]) * 1024 if peak else 0)
            except (psutil.Error, OSError):
                continue


def run_once(recording: Path, count: int) -> dict[str, Any]:
    """One recorder, one exchange, all frames; returns what was measured."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    exchange = Exchange(folder, "--replay", str(recording), "--speed", "0", log=False)
    recorder = Recorder(
        folder,
        exchange.ws_url,
        feed={"symbols": ["BTCUSDT", "ETHUSDT"], "data_types": TYPES},
        writer={"batch_interval_secs": 5},
        segment={"max_bytes": "128MiB"},
        supervisor={"stop_timeout_secs": 600},
    ).start()
    watch = Watch(recorder)
    wait_for(lambda: exchange.stats()["frames_sent"] > 0)
    started = time.monotonic()
    writer_file = recorder.data_dir / "run/stats/writer.json"

    def stored() -> int:
        watch.look()
        return int(json.loads(writer_file.read_bytes())["messages"]) if writer_file.exists() else 0

    wait_for(lambda: stored() >= count, 600)
    durable_secs = time.monotonic() - started
    recorder.process.terminate()
    while recorder.process.poll() is None:
        watch.look()
        time.sleep(0.05)
    parquet_secs = time.monotonic() - started
    rows = recorder.dataset_rows()
    assert recorder.process.returncode == 0
    assert rows == count, f"{rows} rows of {count}"
    stalls = exchange.stats()["send_stalls"]
    exchange.stop()
    shutil.rmtree(folder)
    return {
        "durable_per_sec": count / durable_secs,
        "parquet_per_sec": count / parquet_secs,
        "cpu": {name: secs / count * 1e6 for name, secs in watch.cpu_secs.items()},
        "rss_mib": {name: peak >> 20 for name, peak in watch.peak_rss_bytes.items()},
        "waits_for_the_recorder_secs": stalls["secs"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        recording = Path(name) / "rounds.jsonl"
        count = write_recording(recording, options.rounds)
        print(f"{count:,} frames of {sum(map(len, real_frames())) / count * options.rounds:.0f} bytes on average")
        runs = [run_once(recording, count) for _ in range(options.runs)]
    for run in runs:
        print(json.dumps(run))
    print(f"messages/s to a durable row  {middle([run['durable_per_sec'] for run in runs]):,.0f}")
    print(f"messages/s to Parquet        {middle([run['parquet_per_sec'] for run in runs]):,.0f}")
    for process in runs[0]["cpu"]:
        cpu = middle([run["cpu"][process] for run in runs])
        rss = max(run["rss_mib"][process] for run in runs)
        print(f"{process:16} {cpu:6.2f} CPU s per million messages   {rss:4} MiB peak RSS")
    print(f"{'all':16} {middle([sum(run['cpu'].values()) for run in runs]):6.2f} CPU s per million messages")


def middle(values: list[float]) -> float:
    return statistics.median(values)


if __name__ == "__main__":
    main()
