"""Each connection has a decoder of its own, whose state is committed with the rows: nothing is read by another's words."""

import random
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collector.config import WriterConfig
from collector.domain.records import StreamKey
from collector.processes.writer.gaps.feed_state import FeedState
from collector.processes.writer.runs import Bounds, run_from
from collector.processes.writer.stored_state import decode_feed
from collector.storage.journal.format import RecordKind, encode_frames, parse_records
from tests.conftest import Lines
from tests.processes.writer.bitfinex_talk import (
    RECORDING,
    Bitfinex,
    recorded_frames,
    renumbered,
    rightly,
    symbols_of,
)
from tests.processes.writer.processor_world import ProcessorWorld
from tests.processes.writer.toy_exchange import NAME, at
from tests.processes.writer.writer_harness import World, connection

Frames = list[tuple[int, bytes]]


@pytest.fixture(scope="module")
def first(recorded: Lines) -> Frames:
    return recorded_frames(recorded(RECORDING))


def world_of(frames: Frames) -> ProcessorWorld:
    exchange = Bitfinex()
    return ProcessorWorld(
        NAME, symbols_of(frames), tuple(exchange.id_rules), repaired=False, adapter_of=lambda _: exchange
    )


def stored(world: ProcessorWorld) -> Counter[tuple[StreamKey, bytes]]:
    world.commit()
    key_of = {stream.stream_id: stream.key for stream in world.streams}
    return Counter(
        (key_of[stream_id], payload) for (stream_id, _), payload in zip(world.messages, world.payloads, strict=True)
    )


def in_turn(first: Frames, second: Frames, seed: int) -> list[tuple[int, int, list[bytes]]]:
    """Records of two connections that deliver the same: receive time, connection, frames."""
    random_, left, latest_us = random.Random(seed), {1: list(first), 2: list(second)}, 0
    records = []
    while any(left.values()):
        number = random_.choice([number for number, frames in left.items() if frames])
        count = random_.choice([1, 1, 3, 20])
        part, left[number] = left[number][:count], left[number][count:]
        latest_us = max(latest_us, part[-1][0])
        records.append((latest_us, number, [frame for _, frame in part]))
    return records


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("restarts", [False, True])
def test_while_a_connection_is_renewed_no_row_gets_another_ones_symbol(
    first: Frames, seed: int, *, restarts: bool
) -> None:
    second, world = renumbered(first), world_of(first)
    for link in (1, 2):
        world.connect(link, first[0][0])
    for number, (at_us, link, frames) in enumerate(in_turn(first, second, seed)):
        world.receive(at_us, frames, connection=link)
        if number % 7 == 0:
            world.commit()
            if restarts:
                world.restart()
    expected = Counter([*rightly(first), *rightly(second)])
    assert sum(count for (key, _), count in expected.items() if key.data_type == "book_delta") == 2 * 1_040
    assert stored(world) == expected
    assert world.processor.counts.undecodable == 0


def test_without_the_connections_number_they_share_a_decoder_and_rows_would_be_wrong(first: Frames) -> None:
    second, world = renumbered(first), world_of(first)
    for at_us, _, frames in in_turn(first, second, 0):
        world.receive(at_us, frames)
    wrong = Counter([*rightly(first), *rightly(second)]) - stored(world)
    assert sum(count for (key, _), count in wrong.items() if key.data_type == "book_delta") > 500


@pytest.mark.parametrize("together", [False, True])
def test_one_by_one_and_together_are_the_same(first: Frames, *, together: bool) -> None:
    world = world_of(first)
    world.connect(1, first[0][0])
    world.processor._together = together
    for start in range(0, len(first), 40):
        part = first[start : start + 40]
        world.receive(part[-1][0], [frame for _, frame in part], connection=1)
    assert stored(world) == Counter(rightly(first))


def test_a_writer_that_is_killed_after_each_commit_goes_on_in_the_middle_of_both(first: Frames, tmp_path: Path) -> None:
    """With real journals, segments and seals."""
    second, exchange = renumbered(first), Bitfinex(has_tickets=True)
    world = World(tmp_path, writer=WriterConfig(max_batch_size=200, adaptive=False))
    world.exchange, world.adapter_of = NAME, lambda _: exchange
    journal = world.journal(20_000, symbols_of(first), tuple(exchange.id_rules))
    for number in (1, 2):
        journal.append_event(RecordKind.CONNECT, first[0][0] * 1_000, 0, connection(number))
    for number, (at_us, link, frames) in enumerate(in_turn(first, second, 0)):
        journal.append_frames(at_us * 1_000, 0, frames, connection=link)
        world.now_ns = at_us * 1_000
        if number % 40 == 20:
            world.run_for(world.secs + 6)
        if number % 100 == 99:
            world.run(stop_after_secs=6)
    world.run()
    rows = world.query("SELECT symbol, data_type, payload FROM messages JOIN streams USING (stream_id)")
    expected = Counter((key.symbol, key.data_type, text) for key, text in [*rightly(first), *rightly(second)])
    assert Counter(rows) == expected
    assert world.query("SELECT * FROM gaps WHERE kind IN ('sequence', 'out_of_order', 'undecodable')") == []


def memories(world: ProcessorWorld) -> dict[int, bytes]:
    return {number: memory.heard for number, memory in world.processor.ledger.feeds["f"].connections.items()}


def test_what_a_connection_said_is_forgotten_when_it_ends(first: Frames) -> None:
    world = world_of(first)
    for link in (1, 2):
        world.connect(link, at(0))
        world.receive(at(1), [frame for _, frame in first[:10]], connection=link)
    assert len(memories(world)[1]) > 100
    world.disconnect(1, at(2))
    assert list(memories(world)) == [2]
    world.writer_id = "another ingest"
    world.connect(1, at(3))
    assert memories(world) == {}


def test_a_new_incarnations_connection_of_the_same_number_begins_anew(first: Frames) -> None:
    world = world_of(first)
    world.connect(1, at(0))
    acks = [frame for _, frame in first if b'"chanId"' in frame]
    data = next(frame for _, frame in first if frame.startswith(b"[") and b'"hb"' not in frame)
    world.receive(at(1), [*acks, data], connection=1)
    assert world.processor.counts.undecodable == 0
    world.writer_id = "another ingest"
    world.connect(1, at(2))
    world.receive(at(3), [data], connection=1)
    assert world.processor.counts.undecodable == 1


def test_the_state_of_an_older_version_is_read_and_has_no_connections() -> None:
    older = msgspec.to_builtins(FeedState(undecodable_us=7))
    del older["connections"]
    found: Any = decode_feed(msgspec.msgpack.encode(older))
    assert (found.undecodable_us, found.connections) == (7, {})


def test_a_run_by_connection_ends_before_the_next_ones_record() -> None:
    pieces = [
        piece
        for number, connection in enumerate((1, 1, 2, 1))
        for piece in encode_frames(number, 0, [b"x"] * 3, (), connection)
    ]
    records = parse_records(b"".join(pieces), 0).records
    bounds = Bounds(1 << 60, 1 << 60, 0, 1 << 60)
    assert len(run_from(records, 0, bounds).records) == 4
    assert [len(run_from(records, start, bounds, by_connection=True).records) for start in range(4)] == [2, 1, 1, 1]
