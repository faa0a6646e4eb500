"""Counts are committed with the rows, so no kill of the writer makes them differ."""

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collector.domain.counts import GAP_CODES, StreamCounts
from collector.domain.records import GAP_KINDS
from collector.domain.sequence.stream_progress import StreamProgress
from collector.storage.journal.writer import JournalWriter
from tests.processes.writer.writer_harness import START_NS, World, diff, trade

SEC_NS = 1_000_000_000
ROUNDS = 8
ROWS = "SELECT exchange, symbol, data_type, count(*) FROM messages JOIN streams USING (stream_id) GROUP BY stream_id"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def fill(journal: JournalWriter, first: int = 0, rounds: int = ROUNDS) -> None:
    """Each round has 21 messages, 1 copy, 1 late message, 3 missing ids, 1 undecodable frame, 7 refused frames."""
    for number in range(first, first + rounds):
        at, begin = START_NS + number * 20 * SEC_NS, number * 30
        frames = [trade(begin), trade(begin), *(trade(begin + 1 + each) for each in range(17))]
        journal.append_frames(at, 0, [*frames, trade(begin + 23), diff(begin, begin), b"no JSON"])
        journal.append_frames(at + SEC_NS // 10, 0, [trade(begin + 20)])
        refused = {"frames": 7, "bytes": 700, "started_ns": at + 5 * SEC_NS}
        journal.append_resumed(at + 6 * SEC_NS, refused, at + 6 * SEC_NS, 0, [])


def killed(world: World, times: int) -> None:
    """Kill this many writers, each right after its first commit and before it could report it."""
    for _ in range(times):
        with pytest.raises(KeyboardInterrupt):
            world.run_until_commit()


def agrees(world: World, rounds: int = ROUNDS) -> None:
    """The last writer's report covers the whole run and agrees with its rows."""
    numbers = world.numbers
    stored = {tuple(row[:3]): (row.stored, row.messages) for row in numbers.streams}
    assert stored == {key: (count, count) for key, count in rows(world).items()}
    ledger = Counter({tuple(labels): count for *labels, count in numbers.ledger})
    assert ledger == Counter(world.query("SELECT exchange, symbol, stream_type, kind, status FROM gaps"))
    assert sum(row.gaps for row in numbers.streams) <= numbers.gaps == ledger.total()
    said = {
        name: getattr(numbers, name) for name in ("messages", "stored", "duplicates", "undecodable", "refused", "late")
    }
    assert said == {
        "messages": 21 * rounds, "stored": 22 * rounds, "duplicates": rounds, "undecodable": rounds,
        "refused": 7 * rounds, "late": rounds,
    }  # fmt: skip


def rows(world: World) -> Counter[tuple[Any, ...]]:
    found: Counter[tuple[Any, ...]] = Counter()
    for *key, count in world.query(ROWS):
        found[tuple(key)] += count
    return found


def test_counts_are_exact_whenever_writers_are_killed(world: World) -> None:
    fill(world.journal())
    killed(world, 3)
    world.run(stop_after_secs=10)
    agrees(world)


def test_counts_continue_after_a_seal(world: World) -> None:
    journal = world.journal()
    fill(journal, rounds=4)
    world.run(stop_after_secs=10)
    fill(journal, first=4, rounds=4)
    killed(world, 2)
    world.run(stop_after_secs=10)
    agrees(world)


def test_counts_return_with_the_rows_of_a_rebuilt_segment(world: World) -> None:
    journal = world.journal()
    fill(journal, rounds=4)
    world.run(stop_after_secs=10)
    fill(journal, first=4, rounds=4)
    killed(world, 2)
    for path in (world.config.data_dir / "segments").glob("*.open.db*"):
        path.write_bytes(b"rotten" * 1_000)
    world.run(stop_after_secs=10)
    assert "segment_rebuilt" in world.events
    agrees(world)


def test_another_run_counts_from_zero(world: World) -> None:
    journal = world.journal()
    fill(journal, rounds=1)
    world.run_id = "first"
    world.run()
    journal.append_frames(START_NS + 100 * SEC_NS, 0, [trade(1_000), trade(1_000)])
    world.run_id = "second"
    world.run()
    numbers = world.numbers
    assert (numbers.messages, numbers.stored, numbers.duplicates) == (1, 1, 1)
    assert (numbers.undecodable, numbers.refused, numbers.late) == (0, 0, 0)
    assert numbers.gaps == sum(count for *_, count in numbers.ledger) < len(world.query("SELECT * FROM gaps"))


def test_every_kind_and_status_of_a_gap_has_a_number_of_its_own() -> None:
    assert len(GAP_CODES) == len(GAP_KINDS) * 4 == len(set(GAP_CODES.values()))
    assert max(GAP_CODES.values()) < 128, "one byte of stored state"


def test_state_without_counts_is_read_as_zero() -> None:
    before = msgspec.msgpack.encode(msgspec.to_builtins(StreamProgress())[:-1])
    assert msgspec.msgpack.decode(before, type=StreamProgress).counts == StreamCounts()


def test_counts_are_few_bytes_of_a_streams_state() -> None:
    counts = StreamCounts("4f2a9c01", 10**7, 10**9, 10**5, 10**7, 10**3, dict.fromkeys(range(0, 40, 8), 1000))
    assert len(msgspec.msgpack.encode(counts)) < 64
    assert len(msgspec.msgpack.encode(StreamCounts())) <= 10
