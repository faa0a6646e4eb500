"""What the writer's parts take for a message, in one process: journal, frame processor, segment.

    .venv/bin/python -m tests.bench.bench_writer [--messages 150000] [--rounds 3]

Recorded frames are put into a journal, which is then read, decoded, judged and committed as the writer does it. `6 streams`
and `3,000 streams` come as a flood, in records of 64 KiB; `paced` has one frame a record, a hundred a commit. Each case is
measured with its messages judged one by one, and together where nothing is unusual. Figures are processor time in µs a
message, medians of the rounds, each of which measures every case in turn.
"""

import argparse
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from collector.domain.silence import Bounds
from collector.exchanges.registry import adapter
from collector.processes.garbage import look_seldom
from collector.processes.rest_adapters import RepairableFeeds
from collector.processes.writer.batch import Counts
from collector.processes.writer.frame_processor import FrameProcessor
from collector.processes.writer.latency import Latencies
from collector.processes.writer.streams import StreamTable
from collector.storage.journal.format import FeedIdentity
from collector.storage.journal.journal_file import Chunk
from collector.storage.journal.reader import JournalReader
from collector.storage.journal.writer import JournalWriter
from collector.storage.segment.open_segment import OpenSegment
from collector.storage.segment.seal import create_segment
from collector.storage.segment.state import EMPTY_STATE, Commit
from tests.bench.recorded import SYMBOLS, TYPES, frames_of, many_symbols

START_NS: Final = 1_723_075_200_000_000_000
READ_BYTES: Final = 64 << 10
NS_PER_FRAME: Final = 30_000
BATCH: Final = 10_000
PARTS: Final = ("read", "process", "state", "store", "note")
WAYS: Final = {"one by one": False, "together": True}
WARM_UP: Final = 10_000
"""Messages before the timed ones: a stream's first message takes longer than others."""


class Case(NamedTuple):
    """Frames, and how they come."""

    name: str
    symbols: tuple[str, ...]
    record_bytes: int
    batch: int
    messages: int


def cases(messages: int) -> tuple[Case, ...]:
    """The cases, of which the paced one has few messages, because each is a record."""
    return (
        Case("6 streams", SYMBOLS, READ_BYTES, BATCH, messages),
        Case("3,000 streams", many_symbols(1_000), READ_BYTES, BATCH, messages),
        Case("paced", SYMBOLS, 1, 100, messages // 5),
    )


def write_journal(folder: Path, case: Case) -> None:
    """Put the case's frames into one journal file, received at a steady pace."""
    journal = JournalWriter(folder, FeedIdentity("f", "binance", case.symbols, TYPES), 1, 1 << 40, lambda: START_NS)
    frames = (frame.text.encode() for frame in islice(frames_of(case.symbols), case.messages))
    for number, record in enumerate(records(frames, case.record_bytes), 1):
        journal.append_frames(START_NS + number * len(record) * NS_PER_FRAME, 0, record, connection=1)
    journal.close()


def records(frames: Iterator[bytes], record_bytes: int) -> Iterator[list[bytes]]:
    """The frames of each record."""
    record: list[bytes] = []
    size = 0
    for frame in frames:
        record.append(frame)
        size += len(frame)
        if size >= record_bytes:
            yield record
            record, size = [], 0
    if record:
        yield record


class Writing:
    """The writer's parts, each timed."""

    def __init__(self, folder: Path, journal: Path, batch: int, *, together: bool = True) -> None:
        self._reader = JournalReader(journal, "f", {})
        self._streams = StreamTable(40.0, Bounds(300.0, 30.0))
        repaired = RepairableFeeds({}, {})
        self._processor = FrameProcessor(self._streams, {}, adapter, repaired, 1, Counts(), together=together)
        path = folder / "a.open.db"
        create_segment(path, {}, EMPTY_STATE)
        self._segment = OpenSegment(path)
        self._latencies = Latencies()
        self._batch = batch
        self.spent_secs: defaultdict[str, float] = defaultdict(float)
        self.warm_up = 0
        """Messages before the timed ones, which have brought every stream."""
        self.messages = 0

    def run(self) -> None:
        """Read and commit everything."""
        while (chunk := self._read()) is not None:
            rest: Chunk | None = chunk
            while rest is not None:
                rest = self._process(rest)
                if self._processor.batch.is_full(self._batch):
                    self._commit()
        self._commit()
        self._segment.close()

    def _read(self) -> Chunk | None:
        began = time.process_time()
        chunk = self._reader.read()
        self.spent_secs["read"] += time.process_time() - began
        return chunk

    def _process(self, chunk: Chunk) -> Chunk | None:
        began = time.process_time()
        rest = self._processor.process(chunk, 0, self._batch, lambda: None)
        self.spent_secs["process"] += time.process_time() - began
        return rest

    def _commit(self) -> None:
        batch, started = self._processor.batch, time.process_time()
        rows = self._streams.rows(batch.touched.values(), lambda: None)
        commit = Commit(batch.messages.values(), batch.reasons, batch.gaps, rows, {}, list(batch.positions.values()))
        encoded = time.process_time()
        self._segment.store(commit)
        stored = time.process_time()
        durable_us = START_NS // 1_000 + 60_000_000
        for stream in batch.touched.values():
            stream.note_stored(durable_us)
        self._processor.counts.note_stored(batch)
        self._latencies.note(batch, durable_us, 0.01, stored)
        self.messages += batch.count
        self._processor.begin(self._segment.next_row)
        noted = time.process_time()
        for part, secs in {"state": encoded - started, "store": stored - encoded, "note": noted - stored}.items():
            self.spent_secs[part] += secs
        if self.warm_up == 0 and self.messages >= WARM_UP:
            self.spent_secs.clear()
            self.warm_up = self.messages


def measure(journal: Path, case: Case, *, together: bool) -> dict[str, float]:
    """Processor time of each part, in µs a message."""
    with tempfile.TemporaryDirectory(prefix="bench-writer-") as folder:
        writing = Writing(Path(folder), journal, case.batch, together=together)
        writing.run()
    assert writing.messages == case.messages
    timed = writing.messages - writing.warm_up
    parts = {part: writing.spent_secs[part] / timed * 1e6 for part in PARTS}
    return {"all": sum(parts.values()), **parts}


def line(name: str, figures: Sequence[dict[str, float]]) -> str:
    """The medians of a case."""
    parts = (f"{part} {statistics.median(one[part] for one in figures):.2f}" for part in figures[0])
    return f"{name:26} {'  '.join(parts)}"


def main() -> None:
    """One line for every case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=150_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    look_seldom()
    figures: defaultdict[str, list[dict[str, float]]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="bench-writer-") as folder:
        for case in cases(options.messages):
            write_journal(Path(folder) / case.name, case)
        for _ in range(options.rounds):
            for case in cases(options.messages):
                for way, together in WAYS.items():
                    journal = Path(folder) / case.name
                    figures[f"{case.name}, {way}"].append(measure(journal, case, together=together))
    for name, found in figures.items():
        print(line(name, found))


if __name__ == "__main__":
    main()
