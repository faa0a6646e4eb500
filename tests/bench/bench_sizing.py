"""What a host needs: processor, memory and disk at the pace at which markets really move.

    .venv/bin/python -m tests.bench.bench_sizing [--pairs 1 10 50] [--secs 60]

Pairs of symbols are the recorded BTCUSDT and ETHUSDT of Binance spot on 2024-08-08 (diffs, trades, best prices), each
pair under names of its own, at the pace of that recording. The exchange runs on the same machine and is not counted.
A day's bytes are those of the measured stretch, scaled.
"""

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Final, NamedTuple

import psutil

from collector.exchanges.adapter import Subscription
from collector.exchanges.registry import adapter
from collector.processes.roles import report_of
from collector.stats_files import read_reports
from tests.bench.bench_window import cpu_secs, write_recording
from tests.bench.recorded import TYPES
from tests.whole.running import Exchange, Recorder, wait_for

PAIR_MESSAGES_PER_SEC: Final = 216.0
"""BTCUSDT and ETHUSDT together: 74,865 frames in 346 s, as the captures of 2024-08-08 have them."""

WARM_SECS: Final = 10.0
SEGMENT_SECS: Final = 15
DAY_SECS: Final = 86_400


class Need(NamedTuple):
    """What recording took; rates are messages a second, shares are of one core."""

    symbols: int
    rate: float
    core_share: float
    rss_bytes: int
    archive_day_bytes: float


def measure(pairs: int, secs: float) -> Need:
    """Record so many pairs of symbols for that long."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    rate = pairs * PAIR_MESSAGES_PER_SEC
    recording = folder / "even.jsonl"
    names = write_recording(recording, int(rate * (WARM_SECS + secs)), rate, pairs)
    connections = len(adapter("binance").plan(Subscription(tuple(names), tuple(TYPES)), ""))
    exchange = Exchange(folder, "--replay", str(recording), "--speed", "1", "--clients", str(connections), log=False)
    recorder = Recorder(
        folder, exchange.ws_url, feed={"symbols": names, "data_types": TYPES}, segment={"interval_secs": SEGMENT_SECS},
        supervisor={"stop_timeout_secs": 600},
    ).start()  # fmt: skip
    try:
        wait_for(lambda: int(exchange.stats()["frames_sent"]) >= rate * WARM_SECS)
        began, sent_before, before = time.monotonic(), int(exchange.stats()["frames_sent"]), cpu_secs(recorder)
        wait_for(lambda: int(exchange.stats()["frames_sent"]) - sent_before >= rate * secs * 0.9, secs + 60)
        taken_secs, after = time.monotonic() - began, cpu_secs(recorder)
        sent = int(exchange.stats()["frames_sent"]) - sent_before
        rss_bytes = sum(psutil.Process(pid).memory_info().rss for pid in pids(recorder))
        assert recorder.stop() == 0
        rows = archived_rows(recorder)
        archive_bytes = sum(path.stat().st_size for path in (recorder.data_dir / "archive").rglob("*.parquet"))
    finally:
        recorder.end()
        exchange.stop()
        shutil.rmtree(folder)
    per_sec = sent / taken_secs
    used_secs = sum(after.values()) - sum(before.values())
    return Need(len(names), per_sec, used_secs / taken_secs, rss_bytes, archive_bytes / rows * per_sec * DAY_SECS)


def pids(recorder: Recorder) -> list[int]:
    """The supervisor's process and those of its children."""
    return [
        recorder.process.pid,
        *(report.pid for report in read_reports(recorder.data_dir / "run/stats", report_of).values()),
    ]


def archived_rows(recorder: Recorder) -> int:
    """Rows of all manifests."""
    manifests = (recorder.data_dir / "archive/_manifest").rglob("*.json")
    return sum(json.loads(path.read_bytes())["rows"] for path in manifests)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, nargs="+", default=[1, 10, 50])
    parser.add_argument("--secs", type=float, default=60)
    options = parser.parse_args()
    print("symbols  streams  messages/s  share of a core  memory, MiB  archive, GB a day")
    for pairs in options.pairs:
        need = measure(pairs, options.secs)
        print(
            f"{need.symbols:7}  {need.symbols * len(TYPES):7}  {need.rate:10,.0f}  {need.core_share:15.1%}  "
            f"{need.rss_bytes / 2**20:11.0f}  {need.archive_day_bytes / 1e9:17.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
