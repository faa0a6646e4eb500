"""What the reader of a journal takes: live, at rest, with a backlog, and while two incarnations append side by side.

    .venv/bin/python -m tests.bench.bench_journal [--rounds 5]

Figures are processor time in µs, medians of the rounds, in one process. `live` reads each record as soon as it is appended,
`at rest` finds nothing; both beside one finished file and beside 60. `backlog` reads 200 files of 1 MiB, by file. `side by
side` reads a backlog in which every record of 500 bytes is of the other incarnation than the one before, by record.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from collector.storage.journal.format import FeedIdentity
from collector.storage.journal.reader import JournalReader
from collector.storage.journal.writer import JournalWriter

IDENTITY: Final = FeedIdentity("f", "binance", tuple(f"S{number}USDT" for number in range(1_000)), ("trade",))
READS: Final = 1_000
FILES: Final = 200
RECORDS: Final = 10_000


def begin(folder: Path, *, file_bytes: int = 1 << 40, continues: str = "") -> JournalWriter:
    """A journal that is being written."""
    return JournalWriter(folder, IDENTITY, 1, file_bytes, lambda: 0, continues)


def read_all(reader: JournalReader) -> int:
    """Read everything; returns the number of records."""
    return sum(len(chunk.records) for chunk in iter(reader.read, None))


def live(folder: Path, finished: int) -> Iterator[tuple[str, float]]:
    """Reads of a record that was just appended, and reads that find nothing, beside so many finished files."""
    journal = begin(folder, file_bytes=1)
    for at_ns in range(finished + 1):
        journal.append_frames(at_ns, 0, [b"x"])
    journal.file_bytes = 1 << 40
    reader = JournalReader(folder, "f", {})
    read_all(reader)
    spent_secs = 0.0
    for at_ns in range(READS):
        journal.append_frames(at_ns, 0, [b"x" * 500])
        began = time.process_time()
        reader.read()
        spent_secs += time.process_time() - began
    yield f"live, beside {finished}", spent_secs / READS
    yield f"at rest, beside {finished}", timed(lambda: [reader.read() for _ in range(READS)]) / READS
    reader.close()
    journal.close()


def backlog(folder: Path) -> float:
    """Seconds to read a file of a backlog."""
    journal = begin(folder, file_bytes=1 << 20)
    while journal.number <= FILES:
        journal.append_frames(0, 0, [b"x" * (64 << 10)])
    journal.close()
    return timed(lambda: read_all(JournalReader(folder, "f", {}))) / FILES


def side_by_side(folder: Path) -> float:
    """Seconds to read a record."""
    old = begin(folder)
    new = begin(folder, continues=old.writer_id)
    for at_ns in range(RECORDS):
        (new if at_ns % 2 else old).append_frames(at_ns, 0, [b"x" * 500])
    old.close()
    new.close()
    return timed(lambda: read_all(JournalReader(folder, "f", {}))) / RECORDS


def timed(work: Callable[[], object]) -> float:
    """Processor time that it takes, in seconds."""
    began = time.process_time()
    work()
    return time.process_time() - began


def round_of(folder: Path) -> Iterator[tuple[str, float]]:
    """Each figure once."""
    yield from live(folder / "one", 1)
    yield from live(folder / "sixty", 60)
    yield "backlog", backlog(folder / "backlog")
    yield "side by side", side_by_side(folder / "both")


def main() -> None:
    """A line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    figures: dict[str, list[float]] = {}
    for _ in range(parser.parse_args().rounds):
        with tempfile.TemporaryDirectory(prefix="bench-journal-") as folder:
            for name, secs in round_of(Path(folder)):
                figures.setdefault(name, []).append(secs)
    for name, found in figures.items():
        print(f"{name:24} {statistics.median(found) * 1e6:8.1f} µs")


if __name__ == "__main__":
    main()
