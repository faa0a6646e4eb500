"""The real writer reads what a relay appended of two edges: the same however it is killed, and the relay's own records are none."""

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from collector.storage.journal.format import FeedIdentity, RecordKind, decode_header, parse_records
from collector.storage.journal.relayed import IN_HEAD, IN_SLICE, RelayedHead, Source, SourceFile
from collector.storage.journal.writer import JournalWriter
from tests.processes.writer.writer_harness import START_NS, SYMBOLS, TYPES, World, book, connection, trade

SEC_NS: Final = 1_000_000_000
IDS: Final = range(1, 400)


class EdgeJournal:
    """What one edge recorded: a connection that loses some messages, and is renewed once."""

    def __init__(self, folder: Path, name: str, chance: random.Random) -> None:
        self.name = name
        self.ids: list[int] = []
        identity = FeedIdentity("f", "binance", SYMBOLS, TYPES)
        journal = JournalWriter(folder / name, identity, 1, 1 << 30, lambda: START_NS)
        journal.append_event(RecordKind.CONNECT, START_NS, 0, connection(1))
        renewed, number = chance.choice(IDS), 1
        for id_ in IDS:
            at_ns = START_NS + id_ * SEC_NS
            if id_ == renewed:
                about = {**connection(1), "reason": "lost", "cause": "disconnect"}
                journal.append_event(RecordKind.DISCONNECT, at_ns - 2, 0, about)
                journal.append_event(RecordKind.CONNECT, at_ns - 1, 0, connection(2))
                number = 2
            if chance.random() < 0.8:
                self.ids.append(id_)
                journal.append_frames(at_ns, 0, [trade(id_), book(id_ * 3)], connection=number)
        journal.close()
        self.data = (folder / name / "000000000001.journal").read_bytes()
        header = decode_header(self.data)
        assert header is not None
        self.file_id, self.head_bytes = header.file_id, header.header_bytes
        records = parse_records(self.data[self.head_bytes :], self.head_bytes).records
        self.slices = [(0 if not n else records[n - 1].end, one.end, one.received_ns) for n, one in enumerate(records)]


class StorageJournal:
    """The storage host's journal; a file of it holds few slices."""

    def __init__(self, folder: Path) -> None:
        self._sources: dict[str, Source] = {}
        self._heads: dict[str, tuple[int, int]] = {}
        identity = FeedIdentity("f", "binance", (), ())
        self.journal = JournalWriter(
            folder, identity, 1, 40_000, lambda: START_NS, sources=lambda: tuple(self._sources.values())
        )

    def append(self, edge: EdgeJournal, slot: int, start: int, end: int, at_ns: int) -> None:
        def head_in(number: int) -> RelayedHead:
            file, at = self._heads.get(edge.name, (0, IN_SLICE))
            head_at = IN_SLICE if start == 0 else at if number == file else IN_HEAD
            ended = end == len(edge.data)
            return RelayedHead(edge.name, slot, "x", edge.file_id, 1, start, end, head_at, ended=ended, is_last=ended)

        at = self.journal.append_relayed(at_ns, slot, head_in, edge.data[start:end])
        if start == 0:
            self._heads[edge.name] = self.journal.number, at
        head = edge.data[: edge.head_bytes]
        file = SourceFile(edge.file_id, 1, end, ended=end == len(edge.data), head=head)
        self._sources[edge.name] = Source(edge.name, slot, "x", (file,), 0, 0, 0)


def by_time(edges: list[EdgeJournal], chance: random.Random) -> Iterator[tuple[EdgeJournal, int, int, int]]:
    """The slices of both and when they are appended, each edge's in order; one may be behind by some seconds."""
    lag_ns = [chance.choice([0, 3, 12]) * SEC_NS for _ in edges]
    found = [
        (received_ns + lag, number, start, end)
        for number, (edge, lag) in enumerate(zip(edges, lag_ns, strict=True))
        for start, end, received_ns in edge.slices
    ]
    for at_ns, number, start, end in sorted(found):
        yield edges[number], start, end, at_ns


def made(folder: Path, seed: int) -> tuple[World, list[EdgeJournal]]:
    chance = random.Random(seed)
    world = World(folder)
    edges = [EdgeJournal(folder / "edges", name, chance) for name in ("a", "b")]
    storage = StorageJournal(world.config.data_dir / "journal" / "f")
    slots = {edge.name: slot for slot, edge in enumerate(edges)}
    for edge, start, end, at_ns in by_time(edges, chance):
        storage.append(edge, slots[edge.name], start, end, at_ns)
    storage.journal.close()
    world.now_ns = START_NS + (IDS[-1] + 60) * SEC_NS
    return world, edges


def content(world: World) -> tuple[Counter[Any], Counter[Any]]:
    rows = world.query(
        "SELECT symbol, data_type, series, id, line, received_us FROM messages JOIN streams USING (stream_id)"
    )
    gaps = world.query("SELECT symbol, stream_type, kind, cause, expected_id, missing, status FROM gaps")
    return Counter(rows), Counter(gaps)


@pytest.mark.parametrize("seed", range(2))
def test_two_relayed_edges_are_stored_once_whenever_the_writer_is_killed(tmp_path: Path, seed: int) -> None:
    world, edges = made(tmp_path / "whole", seed)
    world.run()
    rows, gaps = content(world)
    received = sorted({id_ for edge in edges for id_ in edge.ids})
    for data_type, factor in (("trade", 1), ("book_snapshot", 3)):
        assert sorted(row[3] for row in rows.elements() if row[1] == data_type) == [id_ * factor for id_ in received]
    assert {row[4] for row in rows} == {0, 16}
    latest = {
        row[0]: row[1]
        for row in world.query("SELECT gap_id, missing FROM gaps WHERE kind = 'sequence' ORDER BY detected_at")
    }
    assert sum(latest.values()) == received[-1] + 1 - received[0] - len(received)

    killed, _ = made(tmp_path / "killed", seed)
    for _ in range(12):
        with pytest.raises(KeyboardInterrupt):
            killed.run_until_commit()
    killed.run()
    assert content(killed)[0] == rows
    assert {gap[1:3] for gap in content(killed)[1]} == {gap[1:3] for gap in gaps}
