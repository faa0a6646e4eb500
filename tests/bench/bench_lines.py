"""What a second line is worth, and what it takes: recorded frames with losses, through real journals and the real writer.

    .venv/bin/python -m tests.bench.bench_lines [--frames 200000] [--loss 0.01] [--seed 1]

Recorded diffs and trades of two symbols come on one line or on two, the second 5 to 50 ms behind. Each line loses each
frame by itself with the given probability, or is cut every 10 s for 3 s, through two minutes. What is stored and what the gap ledger says is compared, frame by frame and id
by id, with what no line brought. The processor time is that of the writer, by message stored.
"""

import argparse
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from collector.domain.records import Envelope, StreamKey
from collector.exchanges.adapter import Subscription
from collector.exchanges.registry import adapter
from collector.processes.garbage import look_seldom
from collector.storage.journal.format import RecordKind
from collector.storage.journal.writer import JournalWriter
from tests.bench.recorded import SYMBOLS, frames_of
from tests.processes.writer.writer_harness import START_NS, World

TYPES: Final = ("book_delta", "trade")
EVERY_US: Final = 8_000
"""About the rate of the recording."""
LAG_US: Final = (5_000, 50_000)
READ_US: Final = 20_000
CUT_EVERY_US: Final = 10_000_000
CUT_US: Final = 3_000_000
CUT_FRAMES: Final = 14_500
"""Those of two minutes, at whose end both lines stand."""


class Case(NamedTuple):
    """How many lines there are, and what befalls each."""

    lines: int
    loss: float = 0.0
    """The probability with which a line loses a frame."""
    is_cut: bool = False
    """Whether each line is cut again and again, never two at once."""

    @property
    def name(self) -> str:
        """What the case is called."""
        how = "cut every 10 s" if self.is_cut else f"{self.loss:.1%} lost"
        return f"{self.lines} line{'s' * (self.lines > 1)}, {how}"

    def life(self, line: int, at_us: int) -> int | None:
        """Which of the line's connections, from 0, stands at that time; None if it is cut."""
        number, into_us = divmod(at_us + line * CUT_EVERY_US // 2, CUT_EVERY_US)
        if not self.is_cut:
            return 0
        return None if into_us >= CUT_EVERY_US - CUT_US else number


class Arrival(NamedTuple):
    """A frame on a line."""

    at_us: int
    line: int
    number: int
    connection: int


class Outcome(NamedTuple):
    """What came of some frames."""

    stored: int
    lost: int
    """Frames that no line brought."""
    rows: int
    """Of the gap ledger, one for each gap."""
    saved: int
    cpu_us: float
    """Processor time of the writer for each message stored."""


def recorded(count: int) -> list[bytes]:
    """So many frames."""
    frames = (frame.text.encode() for frame in frames_of(SYMBOLS) if frame.data_type in TYPES)
    return list(islice(frames, count))


def arrivals(count: int, case: Case, random: Random) -> list[Arrival]:
    """What each line brings, in order of receipt. No line loses the first or the last frames, between which holes show."""
    found = []
    for line in range(case.lines):
        at_us = 0
        for number in range(count):
            life = case.life(line, number * EVERY_US)
            is_kept = not 100 <= number < count - 100 or random.random() >= case.loss
            at_us = max(at_us, number * EVERY_US + line * random.randint(*LAG_US))
            if is_kept and life is not None:
                found.append(Arrival(at_us, line, number, 1 + line + life * case.lines))
    return sorted(found)


def write_journal(journal: JournalWriter, frames: Sequence[bytes], coming: Sequence[Arrival]) -> None:
    """Put what came into the journal, in a record what a line brought within `READ_US` without another between."""
    last_of_line = {one.line: one.connection for one in coming}
    last_frame = {one.connection: one.number for one in coming}
    for line in last_of_line:
        tell(journal, RecordKind.CONNECT, 0, line, line + 1)
    connected = {line + 1 for line in last_of_line}
    for (line, connection, _), group in groupby(coming, lambda one: (one.line, one.connection, one.at_us // READ_US)):
        brought = list(group)
        at_us, until_us = brought[0].at_us, brought[-1].at_us
        if connection not in connected:
            connected.add(connection)
            tell(journal, RecordKind.CONNECT, at_us, line, connection)
        taken = [frames[one.number] for one in brought]
        journal.append_frames(START_NS + at_us * 1_000, line, taken, connection=connection)
        if brought[-1].number == last_frame[connection] and connection != last_of_line[line]:
            tell(journal, RecordKind.DISCONNECT, until_us, line, connection)
    journal.close()


def tell(journal: JournalWriter, kind: RecordKind, at_us: int, line: int, connection: int) -> None:
    """Put into the journal that a connection has opened or is lost."""
    about = {
        "connection": connection,
        "plan": 0,
        "url": "ws://x",
        "streams": 4,
        "cause": "disconnect",
        "reason": "lost",
    }
    journal.append_event(kind, START_NS + at_us * 1_000, line, about)


def ids_of(frames: Iterable[bytes]) -> Iterator[tuple[Envelope, range]]:
    """The message of each frame, and the ids that it covers."""
    decode = adapter("binance").decoder(Subscription(SYMBOLS, TYPES))
    for frame in frames:
        (message,) = decode(frame)
        last = message.id or 0
        yield message, range(last if message.first_id is None else message.first_id, last + 1)


def run(folder: Path, frames: Sequence[bytes], case: Case, seed: int) -> Outcome:
    """Record the frames, and compare. Raises AssertionError where a frame or an id is neither stored nor in the ledger."""
    coming = arrivals(len(frames), case, Random(seed))
    world = World(folder)
    write_journal(world.journal(symbols=SYMBOLS, data_types=TYPES), frames, coming)
    began = time.process_time()
    world.run(stop_after_secs=10)
    cpu_secs = time.process_time() - began
    kept = sorted({one.number for one in coming})
    lost = sorted(set(range(len(frames))).difference(kept))
    assert sorted(world.payloads()) == sorted(frames[number] for number in kept)
    rows = ledger(world)
    missing: defaultdict[tuple[str, str], int] = defaultdict(int)
    for message, ids in ids_of(frames[number] for number in lost):
        key = message.stream.symbol, message.stream.data_type
        assert any(first <= ids[0] and ids[-1] < after for first, after, _ in rows[key]), (key, ids)
        missing[key] += len(ids)
    assert missing == {key: sum(count for _, _, count in of_stream) for key, of_stream in rows.items()}
    saved = sum(stream.saved or 0 for stream in world.numbers.streams)
    assert saved == sum(skipped(frames, coming, line) for line in range(case.lines))
    return Outcome(len(kept), len(lost), sum(map(len, rows.values())), saved, cpu_secs / len(kept) * 1e6)


def skipped(frames: Sequence[bytes], coming: Iterable[Arrival], line: int) -> int:
    """How many messages other lines brought and this one did not, though it brought a later one of the stream."""
    numbers = sorted({one.number for one in coming})
    brought = {one.number for one in coming if one.line == line}
    count, since_last = 0, Counter[StreamKey]()
    for number, (message, _) in zip(numbers, ids_of(frames[number] for number in numbers), strict=True):
        if number in brought:
            count += since_last.pop(message.stream, 0)
        else:
            since_last[message.stream] += 1
    return count


def ledger(world: World) -> dict[tuple[str, str], list[tuple[int, int, int]]]:
    """The first missing id, the next id and the number of missing ids of each gap, by stream."""
    latest = {
        gap: (symbol, data_type, int(first), int(after), missing)
        for gap, symbol, data_type, first, after, missing in world.query(
            "SELECT gap_id, symbol, stream_type, expected_id, actual_id, missing FROM gaps"
            " WHERE kind = 'sequence' ORDER BY detected_at"
        )
    }
    found = defaultdict(list)
    for symbol, data_type, first, after, missing in latest.values():
        if missing:
            found[symbol, data_type].append((first, after, missing))
    return dict(found)


def main() -> None:
    """A line for each case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=200_000)
    parser.add_argument("--loss", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    look_seldom()
    frames = recorded(options.frames)
    lossy = [Case(lines, loss) for lines in (1, 2) for loss in (0.0, options.loss)]
    for case in [*lossy, Case(1, is_cut=True), Case(2, is_cut=True)]:
        with tempfile.TemporaryDirectory(prefix="bench-lines-") as folder:
            found = run(Path(folder), frames[:CUT_FRAMES] if case.is_cut else frames, case, options.seed)
        print(
            f"{case.name}: stored {found.stored:,}, lost on all {found.lost:,},"
            f" gaps {found.rows:,}, saved {found.saved:,}, {found.cpu_us:.1f} µs a message"
        )


if __name__ == "__main__":
    main()
