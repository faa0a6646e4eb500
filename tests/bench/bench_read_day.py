"""What a whole day of a busy book costs: `book_at` at random moments, and the memory of `depth` and `replay`. Nothing is asserted.

    .venv/bin/python -m tests.bench.bench_read_day [--hours 24]

The hour of bench_read again and again, a file an hour, as the recorder archives it; the only whole book is the day's first. Each
thing is done by a process of its own: its CPU time, all threads, and its peak memory (VmHWM). To make the day takes minutes.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import collector.read
from collector.read.archive import Archive
from tests.bench.bench_read import SYMBOL, make
from tests.bench.usage import usage_of

TILES_AN_HOUR: Final = 11
BOOKS: Final = 7
MIB: Final = 1 << 20


def at(archive: Archive, since_us: int, until_us: int) -> dict[str, float]:
    """CPU seconds to find a book, the median and the most, and of one just behind the whole book."""
    chosen = random.Random(1)
    spent = []
    for at_us in (since_us, *(chosen.randrange(since_us, until_us) for _ in range(BOOKS))):
        began = time.process_time()
        assert archive.book_at(SYMBOL, at_us).last_id
        spent.append(time.process_time() - began)
    return {"median": statistics.median(spent[1:]), "most": max(spent[1:]), "first": spent[0]}


def depth(archive: Archive, since_us: int, until_us: int) -> dict[str, float]:
    """Samples of the day."""
    began = time.process_time()
    frame = archive.depth(SYMBOL, since_us, until_us, levels=20, every="100ms")
    return {"samples": sum(batch.num_rows for batch in frame.batches()), "secs": time.process_time() - began}


def replay(archive: Archive, since_us: int, until_us: int) -> dict[str, float]:
    """Messages of the day."""
    began = time.process_time()
    messages = sum(1 for _ in archive.replay(SYMBOL, since_us, until_us))
    return {"messages": messages, "secs": time.process_time() - began}


def nothing(_archive: Archive, _since_us: int, _until_us: int) -> dict[str, float]:
    """What a process needs that has opened the archive."""
    return {}


TASKS: Final = {"nothing": nothing, "at": at, "depth": depth, "replay": replay}


def main() -> None:
    """Make the day and measure; or be one of the processes that do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--task", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        name, folder, since_us, until_us = options.task
        found = TASKS[name](collector.read.open(folder), int(since_us), int(until_us))
        usage = usage_of(os.getpid())
        assert usage is not None
        print(json.dumps({**found, "peak_mib": usage.peak_rss_bytes / MIB}))
        return
    with tempfile.TemporaryDirectory(prefix="bench-read-") as folder:
        made = make(Path(folder), TILES_AN_HOUR * options.hours)
        print(f"{made.rows:,} rows, {made.levels:,} levels", flush=True)
        for name in TASKS:
            task = [name, str(made.folder), str(made.since_us), str(made.until_us)]
            command = [sys.executable, "-m", "tests.bench.bench_read_day", "--task", *task]
            done = subprocess.run(command, check=True, capture_output=True, text=True, encoding="utf-8")
            print(f"{name:8} {done.stdout.strip()}", flush=True)


if __name__ == "__main__":
    main()
