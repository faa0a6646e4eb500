"""What reading an archive again costs, a row: CPU µs of a process of its own, and its memory. Nothing is asserted.

    .venv/bin/python -m tests.bench.bench_reprocess [--rows 300000]

So many trades of Binance in one segment: as frames that were not understood, as rows that kept their text (of which nothing
changes), and as such rows in files with the columns of version 1.
"""

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path
from typing import Final

from collector.exchanges import registry
from collector.reprocess.job import Job
from collector.reprocess.scope import Scope
from collector.storage.store.directory import DirectoryStore
from tests.reprocess.stored import as_schema_1, store_segment, trade_frame, typed, undecoded
from tests.storage.segment.segment_files import NOON_US

EVERY_US: Final = 1_000


def stored(what: str, folder: Path, rows: int) -> DirectoryStore:
    """An archive of so many trades."""
    times = [NOON_US + number * EVERY_US for number in range(rows)]
    if what == "frames that were not understood":
        frames = [undecoded(1, id_, trade_frame(id_), received_us=at_us) for id_, at_us in enumerate(times, 1)]
        return store_segment(folder, frames)
    store = store_segment(folder, [typed(id_, received_us=at_us) for id_, at_us in enumerate(times, 1)], keep_raw=True)
    if what == "the same, with the columns of version 1":
        as_schema_1(folder / "archive")
    return store


def read_again(store: DirectoryStore, target: DirectoryStore, rows: int) -> None:
    """Read an archive again; prints the CPU time a row, and the memory that came to what the process had before."""
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    job = Job(store, target, Scope(), registry.adapter, symbols=["BTCUSDT"])
    (result,) = job.read(job.look(lambda: None), lambda: None)
    spent_us = (time.process_time() - began) * 1e6 / rows
    more_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb) / 1024
    print(f"  {spent_us:6.1f} µs a row, {more_mb:4.0f} MB more; {sum(one.rows for one in result.objects)} rows written")


def main() -> None:
    """Make each archive, and read it again in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=300_000)
    rows = parser.parse_args().rows
    for what in (
        "frames that were not understood",
        "rows with their text, of which nothing changes",
        "the same, with the columns of version 1",
    ):
        print(what, flush=True)
        with tempfile.TemporaryDirectory(prefix="bench-reprocess-") as folder:
            made = os.fork()
            if made == 0:
                stored(what, Path(folder), rows)
                os._exit(0)
            os.waitpid(made, 0)
            reading = os.fork()
            if reading == 0:
                read_again(DirectoryStore(Path(folder, "archive")), DirectoryStore(Path(folder, "again")), rows)
                os._exit(0)
            os.waitpid(reading, 0)


if __name__ == "__main__":
    main()
