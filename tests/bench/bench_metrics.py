"""Two ways for the numbers of 3,000 streams to reach one page of metrics, each as cheap as it can be made.

    .venv/bin/python -m tests.bench.bench_metrics [--streams 3000] [--times 20]

Snapshot: the writer leaves one report a second, the supervisor adds a base for each life of a process (what the
recorder does). Multiprocess mode of prometheus-client: each process adds to counters in memory-mapped files, which the
supervisor merges when it is asked.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from collector.config import Config, FeedConfig
from collector.monitoring.exposition import exposition
from collector.monitoring.status import Status
from collector.monitoring.status_json import page as page_object
from collector.monitoring.status_json import status as status_object
from collector.monitoring.view import ChildState, Snapshot, SupervisorFacts
from collector.processes.roles import report_of
from collector.reports import StreamNumbers, WriterReport
from collector.stats_files import read_reports, stats_file

TYPES = ("book_delta", "trade", "book_ticker")
NOW_US = 1_795_000_000_000_000
COUNTERS = 5
"""The counters each stream has on the page."""


def symbols(streams: int) -> tuple[str, ...]:
    return tuple(f"S{number}USDT" for number in range(streams // len(TYPES)))


def cpu_ms(work: Callable[[], object], times: int) -> float:
    """Median processor time of one call."""
    taken = []
    for _ in range(times):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return statistics.median(taken) * 1e3


class RecorderPath:
    """The recorder's own way, from the writer's counts to the page."""

    def __init__(self, streams: int, folder: Path) -> None:
        feed = FeedConfig(symbols=symbols(streams), data_types=TYPES)
        self._status = Status("bench", Config(feed=(feed,)))
        self._folder = folder
        self._file = stats_file(folder, "writer")
        self._keys = [("binance", symbol, data_type) for symbol in feed.symbols for data_type in TYPES]
        self._looks = 0

    def report(self) -> None:
        """What the writer does once a second."""
        at = NOW_US + self._looks
        rows = [
            StreamNumbers(*key, 10**6 + n, 10**9 + n, n, 250 * n, 10**6, 10**9, n % 7, at - n, at)
            for n, key in enumerate(self._keys)
        ]
        self._file.write(WriterReport(role="writer", pid=1, incarnation=1, updated_us=at, streams=rows))

    def look(self) -> Snapshot:
        """What the supervisor does once a second."""
        self._looks += 1
        known = SupervisorFacts(NOW_US, float(self._looks), [ChildState("writer", 1, "running", 0)], (), {}, 1 << 40)
        return self._status.look(read_reports(self._folder, report_of), known)


def multiprocess(streams: int) -> tuple[Callable[[], None], Callable[[], None], Callable[[], bytes]]:
    """Add once to one counter, add once a second to all, and make the page."""
    from prometheus_client import CollectorRegistry, Counter, generate_latest  # noqa: PLC0415 -- it reads the environment
    from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415

    registry, merged = CollectorRegistry(), CollectorRegistry()
    counters = [
        Counter(f"collector_bench_{number}", "-", ("exchange", "symbol", "data_type"), registry=registry)
        for number in range(COUNTERS)
    ]
    children = [
        counter.labels("binance", symbol, data_type)
        for counter in counters
        for symbol in symbols(streams)
        for data_type in TYPES
    ]
    MultiProcessCollector(merged)  # type: ignore[no-untyped-call]

    def add_all() -> None:
        for child in children:
            child.inc(20)

    return children[0].inc, add_all, lambda: generate_latest(merged)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=3_000)
    parser.add_argument("--times", type=int, default=20)
    options = parser.parse_args()
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        # The library reads it when it is imported.
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": name}
            subprocess.run(
                [sys.executable, "-m", "tests.bench.bench_metrics", *sys.argv[1:]], env=environment, check=True
            )
        return
    rows: list[tuple[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name) / "stats"
        recorder = RecorderPath(options.streams, folder)
        rows.append(("snapshot: writer's report, once a second", cpu_ms(recorder.report, options.times)))
        rows.append(("snapshot: supervisor's look, once a second", cpu_ms(recorder.look, options.times)))
        view = recorder.look()
        rows.append(("snapshot: /metrics, whenever asked", cpu_ms(lambda: exposition(view), options.times)))
        rows.append(("snapshot: /page.json, whenever asked", cpu_ms(lambda: page_object(view), options.times)))
        rows.append(("snapshot: /status, whenever asked", cpu_ms(lambda: status_object(view), options.times)))
        add, add_all, page = multiprocess(options.streams)
        rows.append(("multiprocess: all counters, once a second", cpu_ms(add_all, options.times)))
        rows.append(("multiprocess: page, whenever asked", cpu_ms(page, options.times)))
        each = cpu_ms(lambda: [add() for _ in range(100_000)], 3) / 100
        rows.append(("multiprocess: one addition, in µs", each))
        print(f"report {(folder / 'writer.json').stat().st_size:,} bytes, page {len(exposition(view)):,} bytes")
    for text, took in rows:
        print(f"{text:45} {took:8.2f}")


if __name__ == "__main__":
    main()
