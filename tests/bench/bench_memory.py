"""How much memory each process takes when much piles up before it.

    .venv/bin/python -m tests.bench.bench_memory pile     a stopped writer, 5 million frames in the journal, then drained
    .venv/bin/python -m tests.bench.bench_memory hour     the busiest hour archived: as five segments, and as one
    .venv/bin/python -m tests.bench.bench_memory          both

3,000 streams: trades, best prices and book updates of 1,000 symbols. `--frames` and `--rows` make it smaller. The
figures are the kernel's own peaks (VmHWM), so none between two looks is missed.
"""

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import NamedTuple

from collector.domain.records import StreamKey
from tests.bench.bench_archive import archive
from tests.bench.flood import TYPES, Flood, frames, symbols
from tests.bench.usage import Watch
from tests.storage.segment.segment_files import NOON_US, Message, make_segment
from tests.whole.running import POLL_SECS, Recorder, wait_for

BUSIEST_HOUR = 10_000_000
PER_SEC = BUSIEST_HOUR / 3_600
LONG_SECS = 3_600.0
PILED_SYMBOLS = 999
"""Three connections share them evenly: one that the flood leaves out is silent, and would be tried on a second connection,
which begins at the first id again.
"""


class Pile(NamedTuple):
    """What came of a stopped writer."""

    frames: int
    journal_bytes: int
    drained_per_sec: float
    arrived_per_sec: float
    peaks_bytes: dict[str, int]
    stored: int
    sent: int


def pile_up(folder: Path, number: int, symbol_count: int, connections: int) -> Pile:
    """Stop the writer until so many frames are in the journal, then let it drain while more arrive in real time."""
    names = symbols(symbol_count)
    flood = Flood(names, connections, number, PER_SEC)
    recorder = Recorder(
        folder,
        flood.ws_url,
        feed={"symbols": names, "data_types": list(TYPES)},
        writer={"batch_interval_secs": 5},
        segment={"max_bytes": "512MiB"},
        supervisor={"hang_timeout_secs": LONG_SECS, "stop_timeout_secs": LONG_SECS},
    ).start()
    try:
        pids = {name: recorder.pid_of(name) for name in ("ingest:binance", "writer", "archiver")}
        return _pile_up(recorder, Watch({"supervisor": recorder.process.pid} | pids), flood, number)
    finally:
        recorder.end()


def _pile_up(recorder: Recorder, watch: Watch, flood: Flood, number: int) -> Pile:
    stats = recorder.data_dir / "run/stats"

    def reported(role: str, name: str) -> int:
        watch.look()
        path = stats / f"{role}.json"
        return int(json.loads(path.read_bytes()).get(name, 0)) if path.exists() else 0

    writer = recorder.pid_of("writer")
    os.kill(writer, signal.SIGSTOP)
    before = reported("writer", "messages")
    wait_for(lambda: reported("ingest:binance", "frames") >= number, LONG_SECS)
    journal_bytes = sum(path.stat().st_size for path in (recorder.data_dir / "journal/binance").iterdir())
    os.kill(writer, signal.SIGCONT)
    started, arrived = time.monotonic(), flood.sent
    wait_for(lambda: reported("writer", "messages") >= reported("ingest:binance", "frames") - PER_SEC, LONG_SECS)
    secs = time.monotonic() - started
    drained = reported("writer", "messages") - before
    arrived_per_sec = (flood.sent - arrived) / secs
    flood.hush()
    recorder.process.terminate()
    while recorder.process.poll() is None:
        watch.look()
        time.sleep(POLL_SECS)
    return Pile(
        number,
        journal_bytes,
        drained / secs,
        arrived_per_sec,
        {name: usage.peak_rss_bytes for name, usage in watch.seen.items()},
        recorder.dataset_rows(),
        flood.sent,
    )


class Archived(NamedTuple):
    """What came of archiving."""

    segments: int
    segment_bytes: int
    objects: int
    secs: float
    peak_bytes: int


def busiest_hour(symbol_count: int) -> Iterator[Message]:
    """Messages in the order of arrival, without end; a few symbols are much busier than the rest."""
    source = random.Random(7)
    ready = [frames([name]) for name in symbols(symbol_count)]
    sent = [0] * symbol_count
    for number in count():
        index = min(int(source.paretovariate(0.6)) - 1, symbol_count - 1)
        id_, kind = divmod(sent[index], len(TYPES))
        sent[index] += 1
        at_us = NOON_US + int(number / PER_SEC * 1e6)
        yield index * len(TYPES) + kind, 0, id_, at_us, at_us - 5_000, 0, next(ready[index])


def archive_hour(folder: Path, rows: int, segments: int, symbol_count: int) -> Archived:
    """Make the sealed segments, then archive them in a process of its own."""
    streams = [StreamKey("binance", name, data_type) for name in symbols(symbol_count) for data_type in TYPES]
    source, previous = busiest_hour(symbol_count), ""
    for number in range(segments):
        segment_id = f"20261123T12{number:02}00Z-4f2a9c"
        messages = islice(source, rows // segments)
        make_segment(folder / "segments", streams, messages, segment_id=segment_id, previous_segment=previous)
        previous = segment_id
    segment_bytes = sum(path.stat().st_size for path in (folder / "segments").glob("*.db"))
    started = time.monotonic()
    command = [sys.executable, "-m", "tests.bench.bench_memory", "--archive", str(folder)]
    archiver = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True, encoding="utf-8")
    secs = time.monotonic() - started
    objects = len(list((folder / "archive").rglob("*.parquet")))
    return Archived(segments, segment_bytes, objects, secs, int(archiver.stdout))


def own_peak_bytes() -> int:
    """The most memory of this process since it began; `ru_maxrss` would begin with that of its parent (getrusage(2))."""
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text("utf-8"))
    assert peak is not None
    return int(peak[1]) << 10


def show_pile(frames_wanted: int) -> None:
    """Measure the pile and print it."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        pile = pile_up(Path(folder), frames_wanted, PILED_SYMBOLS, connections=3)
    print(
        f"{pile.frames:,} frames of {PILED_SYMBOLS * len(TYPES):,} streams, {pile.journal_bytes >> 20:,} MiB of journal"
    )
    print(f"drained {pile.drained_per_sec:,.0f} frames/s while {pile.arrived_per_sec:,.0f} frames/s arrived")
    print(f"archived {pile.stored:,} of {pile.sent:,} sent")
    for name, peak in sorted(pile.peaks_bytes.items()):
        print(f"{name:16} {peak / 1e6:4.0f} MB peak RSS")


def show_hour(rows: int) -> None:
    """Measure the hour and print it."""
    for segments in (5, 1):
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            done = archive_hour(Path(folder), rows, segments, 1_000)
        print(
            f"{rows:,} rows of 3,000 streams in {segments} segments of {done.segment_bytes / segments / 2**20:,.0f} MiB:"
            f" {done.objects:,} objects, {done.secs:.0f} s, {done.peak_bytes / 1e6:.0f} MB peak RSS",
            flush=True,
        )


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=["pile", "hour"], help="default: both")
    parser.add_argument("--frames", type=int, default=5_000_000)
    parser.add_argument("--rows", type=int, default=BUSIEST_HOUR)
    parser.add_argument("--archive", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.archive:
        archive(options.archive)
        print(own_peak_bytes())
        return
    if options.part != "hour":
        show_pile(options.frames)
    if options.part != "pile":
        show_hour(options.rows)


if __name__ == "__main__":
    main()
