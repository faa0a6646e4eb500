"""How long a writer takes to start on a full open segment: the check of the file, and each stream's newest ids.

    .venv/bin/python -m tests.bench.bench_start [--mib 1024] [--messages 300000]

A segment is made of recorded frames, of 6 streams and of 3,000, and filled up to its size with older copies of its own
blocks, as if received in an hour. Figures are of one start after another: seconds of processor time and by the wall clock.
"""

import argparse
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from collector.domain.silence import Bounds
from collector.processes.writer.streams import StreamTable
from collector.storage.segment.blocks import Messages
from collector.storage.segment.newest import IsEnough
from collector.storage.segment.open_segment import OpenSegment
from tests.bench.bench_writer import BATCH, Case, Writing, cases, write_journal

OVERLAP_SECS: Final = 40.0
HOUR_US: Final = 3_600_000_000
"""The messages of a segment are received in this time."""


def fill(path: Path, size_bytes: int) -> int:
    """Put copies of all blocks before them until the file has its size; returns the number of messages."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous=OFF")
        (page_bytes,) = db.execute("PRAGMA page_size").fetchone()
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        copies = max(0, size_bytes // (pages * page_bytes) - 1)
        (blocks,), (rows,) = (
            db.execute(f"SELECT {what} FROM blocks").fetchone() for what in ("max(block)", "sum(rows)")
        )
        shared = db.execute("SELECT * FROM block_streams ORDER BY rowid").fetchall()
        db.execute("BEGIN")
        db.execute("DELETE FROM block_streams")
        db.execute("UPDATE blocks SET block = -block")
        for copy in range(copies + 1):
            db.execute(
                "INSERT INTO blocks SELECT -block + ?, stream_id, first_row + ?, rows, series, id_min, id_max,"
                " received_min - ?, received_max - ?, columns, payloads FROM blocks WHERE block < 0 ORDER BY block DESC",
                (copy * blocks, copy * rows, *[(copies - copy) * HOUR_US // (copies + 1)] * 2),
            )
            db.executemany(
                "INSERT INTO block_streams VALUES (?,?,?)",
                ((stream_id, block + copy * blocks, count) for stream_id, block, count in shared),
            )
        db.execute("DELETE FROM blocks WHERE block < 0")
        db.execute("UPDATE streams SET last_row = last_row + ?", (copies * rows,))
        db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return int(rows * (copies + 1))


def timed(what: Callable[[], Any]) -> tuple[float, float, Any]:
    """Seconds of the processor and of the wall clock that it takes, and what it returns."""
    cpu, wall = time.process_time(), time.monotonic()
    result = what()
    return time.process_time() - cpu, time.monotonic() - wall, result


def start(path: Path) -> dict[str, tuple[float, float]]:
    """Open a segment and restore its streams as a writer does."""
    segment: OpenSegment
    opened_cpu, opened_wall, segment = timed(lambda: OpenSegment(path))
    checked_cpu, checked_wall, _ = timed(segment.check)
    streams = StreamTable(OVERLAP_SECS, Bounds(300.0, 30.0))

    def newest(is_enough: IsEnough) -> Iterator[list[Messages]]:
        return segment.newest(is_enough)

    restored_cpu, restored_wall, _ = timed(lambda: streams.restore(segment.load(), newest))
    segment.close()
    parts = {
        "open": (opened_cpu, opened_wall), "check": (checked_cpu, checked_wall),
        "restore": (restored_cpu, restored_wall),
    }  # fmt: skip
    return {**parts, "all": (sum(cpu for cpu, _ in parts.values()), sum(wall for _, wall in parts.values()))}


def measure(folder: Path, case: Case, size_bytes: int) -> None:
    """Make the segment of a case, and start on it."""
    write_journal(folder / "journal", case)
    Writing(folder, folder / "journal", BATCH).run()
    path = folder / "a.open.db"
    messages = fill(path, size_bytes)
    print(f"{case.name}: {messages:,} messages in {path.stat().st_size >> 20} MiB")
    for _ in range(3):
        print("   ", "  ".join(f"{name} {cpu:.2f} s (wall {wall:.2f} s)" for name, (cpu, wall) in start(path).items()))


def main() -> None:
    """Both cases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=1_024)
    parser.add_argument("--messages", type=int, default=300_000)
    options = parser.parse_args()
    for case in cases(options.messages)[:2]:
        with tempfile.TemporaryDirectory(prefix="bench-start-") as folder:
            measure(Path(folder), case, options.mib << 20)


if __name__ == "__main__":
    main()
