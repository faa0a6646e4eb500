"""A hole in one line that another one fills is no gap, and is counted as saved; no kill makes a count differ."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from collector.reports import StreamNumbers
from collector.storage.journal.format import RecordKind
from collector.storage.journal.writer import JournalWriter
from tests.processes.writer.writer_harness import START_NS, World, book, trade

MS_NS = 1_000_000
EVERY_MS = 10
LAG_MS = 35
"""How far line 1 is behind line 0."""


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def connect(journal: JournalWriter, line: int, at_ms: int, connection: int | None = None) -> None:
    about = {"connection": line + 1 if connection is None else connection, "plan": 0, "url": "ws://x", "streams": 6}
    journal.append_event(RecordKind.CONNECT, START_NS + at_ms * MS_NS, line, about)


def disconnect(
    journal: JournalWriter, line: int, at_ms: int, connection: int | None = None, reason: str = "lost"
) -> None:
    about = {"connection": line + 1 if connection is None else connection, "plan": 0, "cause": "disconnect"}
    journal.append_event(RecordKind.DISCONNECT, START_NS + at_ms * MS_NS, line, {**about, "reason": reason})


def bring(journal: JournalWriter, line: int, at_ms: int, *ids: int, connection: int | None = None) -> None:
    number = line + 1 if connection is None else connection
    journal.append_frames(START_NS + at_ms * MS_NS, line, [trade(one) for one in ids], connection=number)


def bring_all(journal: JournalWriter, kept: list[list[int]]) -> None:
    """Each line brings what it kept, line 1 behind line 0."""
    arrivals = [(one * EVERY_MS + line * LAG_MS, line, one) for line, ids in enumerate(kept) for one in ids]
    for at_ms, line, one in sorted(arrivals):
        bring(journal, line, at_ms, one)


def thinned(count: int, seed: int) -> Iterator[list[int]]:
    """What each of two lines keeps of the messages 1 to `count`: the first and the last one, and 96 % of the others."""
    random = Random(seed)
    for _ in range(2):
        yield [one for one in range(1, count + 1) if one in (1, count) or random.random() >= 0.04]


def stream_of(world: World) -> StreamNumbers:
    return next(stream for stream in world.numbers.streams if stream.data_type == "trade")


def missing_ids(world: World) -> set[int]:
    rows = world.query("SELECT expected_id, missing FROM gaps WHERE kind = 'sequence' AND status = 'open'")
    return {int(first) + each for first, count in rows for each in range(count)}


def test_two_lines_with_losses_lack_only_what_both_lost_and_count_the_rest_as_saved(world: World) -> None:
    kept = list(thinned(4_000, seed=7))
    lost = [set(range(1, 4_001)).difference(ids) for ids in kept]
    assert lost[0] & lost[1], "some messages have to be lost on both lines"
    journal = world.journal()
    for line in (0, 1):
        connect(journal, line, 0)
    bring_all(journal, kept)
    for _ in range(4):
        with pytest.raises(KeyboardInterrupt):
            world.run_until_commit()
    world.run(stop_after_secs=10)
    stored = [id_ for (id_,) in world.query("SELECT id FROM messages")]
    assert sorted(stored) == sorted(set(kept[0]) | set(kept[1]))
    assert missing_ids(world) == lost[0] & lost[1]
    stream = stream_of(world)
    assert stream.saved == len(lost[0] ^ lost[1])
    assert sum(count for _, count in stream.first) == len(stored)
    first = dict(stream.first)
    assert first[0] > first[1] > 0


def test_one_line_saves_nothing_and_is_never_called_the_first(world: World) -> None:
    journal = world.journal()
    connect(journal, 0, 0)
    bring(journal, 0, 10, 1, 2, 5, 6)
    world.run(stop_after_secs=10)
    stream = stream_of(world)
    assert (stream.saved, stream.first, stream.messages) == (0, (), 4)


def test_what_a_cut_line_missed_is_saved(world: World) -> None:
    journal = world.journal()
    for line in (0, 1):
        connect(journal, line, 0)
        bring(journal, line, 10, 1, 2)
    disconnect(journal, 1, 20)
    bring(journal, 0, 30, *range(3, 100))
    connect(journal, 1, 40, connection=9)
    bring(journal, 1, 50, 99, 100, connection=9)
    world.run(stop_after_secs=10)
    assert world.query("SELECT * FROM gaps WHERE kind = 'sequence'") == []
    stream = stream_of(world)
    assert stream.saved == 96
    assert dict(stream.first) == {0: 99, 1: 1}


def test_what_came_without_a_line_that_was_let_go_is_not_saved(world: World) -> None:
    journal = world.journal()
    for line in (0, 1):
        connect(journal, line, 0)
        bring(journal, line, 1 + line, 1)
    disconnect(journal, 1, 10, reason="renewed")
    bring(journal, 0, 20, *range(2, 50))
    connect(journal, 1, 30, connection=3)
    for line, connection in ((0, 1), (1, 3)):
        bring(journal, line, 40 + line, 50, connection=connection)
    bring(journal, 0, 50, 51)
    bring(journal, 1, 60, 52, connection=3)
    journal.close()
    world.run()
    assert stream_of(world).saved == 1


def test_a_restart_of_ingest_counts_nothing_as_saved(world: World) -> None:
    for first, number in ((1, 1), (200, 3)):
        journal = world.journal()
        for line in (0, 1):
            connect(journal, line, first * EVERY_MS, connection=number + line)
        bring(journal, 0, first * EVERY_MS, first, first + 1, first + 2, connection=number)
        bring(journal, 1, first * EVERY_MS, first + 2, connection=number + 1)
        journal.close()
    world.run(stop_after_secs=10)
    assert stream_of(world).saved == 0


def test_what_was_saved_is_not_known_where_ids_prove_nothing(world: World) -> None:
    journal = world.journal()
    for line in (0, 1):
        connect(journal, line, 0)
    for line, ids in ((0, (5, 9, 12)), (1, (5, 12))):
        journal.append_frames(START_NS + MS_NS, line, [book(one) for one in ids], connection=line + 1)
    world.run(stop_after_secs=10)
    (stream,) = [stream for stream in world.numbers.streams if stream.data_type == "book_snapshot"]
    assert stream.saved is None
    assert dict(stream.first) == {0: 3}
