"""What Iceberg tables cost: commits of a few files, one of many, and planning a scan.

.venv/bin/python -m tests.bench.bench_tables [--commits 500] [--files 10000]

Files are named as manifests name them and are not there: commits open none, and neither does planning.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

from collector.domain.names import ObjectPartition, object_key
from collector.storage.archive.manifest import ManifestObject
from collector.storage.table.commits import SegmentFiles, add
from collector.storage.table.options import TableOptions
from collector.storage.table.tables import Tables
from collector.storage.table.tidy import tidy

FEW = 10
TIDY_EACH = 60
NEIGHBOURS = 5
"""Commits on either side of the one that is told, whose median is taken."""

FIRST = date(2026, 1, 1)


def segment(number: int, files: int) -> SegmentFiles:
    """An hour's segment with a file for each of so many symbols."""
    day = (FIRST + timedelta(days=number // 24)).isoformat()
    segment_id = f"{day.replace('-', '')}T{number % 24:02}0000Z-4f2a9c"
    hour = f"{day}T{number % 24:02}"
    return SegmentFiles("host-1", segment_id, list(_entries(segment_id, day, hour, files)))


def _entries(segment_id: str, day: str, hour: str, files: int) -> Iterator[ManifestObject]:
    for symbol in range(files):
        partition = ObjectPartition("binance", "trade", f"SYM{symbol:05}USDT", day)
        key = object_key(partition, "host-1", segment_id)
        times = (f"{hour}:00:00.000000Z", f"{hour}:59:59.000000Z")
        yield ManifestObject(key, 10_000, 200_000, "0" * 64, "binance", "trade", partition.symbol, day, *times, 1, 2)


def seconds(work: Callable[[], object]) -> float:
    """Processor time of it, all threads together."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def opened(folder: Path) -> Tables:
    """Tables in a folder of their own."""
    folder.mkdir()
    return Tables(TableOptions(f"sqlite:///{folder}/tables.db", f"file://{folder}/tables"))


def metadata_bytes(folder: Path) -> int:
    """All that was written beside the catalog."""
    return sum(path.stat().st_size for path in (folder / "tables").rglob("*") if path.is_file())


def small_commits(folder: Path, commits: int) -> None:
    """Commits of a few files each, tidied up as often as the tabler does with a segment a minute: the first ones and the last ones."""
    tables = opened(folder)
    took, tidied = [], 0.0
    for number in range(commits):
        took.append(seconds(lambda number=number: add(tables, "trade", "file:///archive", [segment(number, FEW)])))  # type: ignore[misc]
        if number % TIDY_EACH == TIDY_EACH - 1:
            tidied = seconds(lambda: tidy(tables.opened("trade", "file:///archive"), time.time_ns() // 1_000, 1))
    first, last = statistics.median(took[1 : 1 + 2 * NEIGHBOURS]), statistics.median(took[-2 * NEIGHBOURS :])
    print(f"a commit of {FEW} files, CPU: {first * 1e3:.0f} ms at first, {last * 1e3:.0f} ms after {commits} commits")
    print(f"  the longest of them: {max(took[1:]) * 1e3:.0f} ms, which merged lists of files")
    print(f"  forgetting snapshots after every {TIDY_EACH} of them: {tidied * 1e3:.0f} ms at last")
    again = seconds(lambda: add(tables, "trade", "file:///archive", [segment(0, FEW)]))
    print(f"  the first segment looked for again after {commits} commits: {again * 1e3:.0f} ms")


def large_commit(folder: Path, files: int) -> None:
    """A backlog in one commit, and what planning a scan of it takes."""
    tables = opened(folder)
    add(tables, "trade", "file:///archive", [segment(0, 1)])
    before = metadata_bytes(folder)
    took = seconds(lambda: add(tables, "trade", "file:///archive", [segment(1, files)]))
    size = metadata_bytes(folder) - before
    print(f"{files} files in one commit: {took:.2f} s of CPU, {size} bytes of metadata, {size / files:.0f} a file")
    table = tables.opened("trade", "file:///archive")
    plan = min(seconds(lambda: list(table.scan().plan_files())) for _ in range(3))
    one = min(seconds(lambda: list(table.scan(row_filter="symbol = 'SYM00007USDT'").plan_files())) for _ in range(3))
    print(f"planning a scan: {plan:.2f} s of CPU for all {files} files, {one:.2f} s for those of a symbol")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commits", type=int, default=500)
    parser.add_argument("--files", type=int, default=10_000)
    options = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="bench-tables-"))
    try:
        large_commit(base / "large", options.files)
        small_commits(base / "small", options.commits)
    finally:
        shutil.rmtree(base)


if __name__ == "__main__":
    main()
