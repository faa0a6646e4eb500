"""The newest rows of a stream, and those that follow, while segments are written, sealed and archived."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from collector.domain.records import StreamKey
from collector.read.pieces import Piece
from collector.read.segment_ends import SegmentEnds
from collector.read.tail import Tail
from collector.storage.store.directory import DirectoryStore
from tests.read.recorded_world import Frame, RecordedWorld, trade_ids

TRADES = StreamKey("binance", "BTCUSDT", "trade")
PARTS = ((0, 400), (400, 800), (800, 1_200))


def nothing(*_: object) -> None:
    raise AssertionError("nothing to say was expected")


def tail_of(world: RecordedWorld, remark: object = nothing, stream: StreamKey = TRADES) -> Tail:
    archive = world.data_dir / "archive"
    return Tail(SegmentEnds(stream, world.data_dir, lambda: DirectoryStore(archive), "host-1", nothing), remark)  # type: ignore[arg-type]


@pytest.fixture
def tail(world: RecordedWorld) -> Iterator[Tail]:
    with tail_of(world) as made:
        yield made


def ids(*tables: pa.Table) -> list[str]:
    return [one for table in tables for one in table["trade_id"].to_pylist()]


@pytest.mark.parametrize("place", ["open", "sealed", "staged", "archived"])
def test_the_newest_rows_are_found_wherever_they_stand(
    world: RecordedWorld, tail: Tail, frames: list[Frame], place: str
) -> None:
    world.receive(frames[:400])
    world.seal()
    if place == "archived":
        world.archive()
    world.receive(frames[400:800])
    world.commit() if place == "open" else world.seal()
    if place == "staged":
        world.stage_only()
    if place == "archived":
        world.archive()
    there = trade_ids(frames[:800])
    assert len(there) > 100
    for count in (0, 1, 30, len(there) - 5, len(there) + 5):
        assert ids(tail.newest(count)) == there[max(0, len(there) - count) :]
    assert list(tail.more()) == []


def test_each_row_comes_once_and_in_order_across_commits_seals_restarts_and_uploads(
    world: RecordedWorld, tail: Tail, frames: list[Frame]
) -> None:
    step = 100
    found = ids(tail.newest(0))
    for number, start in enumerate(range(0, 1_600, step)):
        world.receive(frames[start : start + step])
        # Some steps end in a commit, some in a seal, and of some nothing is left here at the next look.
        (world.commit, world.seal, world.seal, world.commit, world.seal)[number % 5]()
        if number % 5 in {2, 4}:
            world.archive()
        if number % 3:
            found += ids(*tail.more())
    found += ids(*tail.more())
    assert found == trade_ids(frames[:1_600])


def test_a_segment_that_began_and_went_between_two_looks_is_read_from_the_archive(
    world: RecordedWorld, tail: Tail, frames: list[Frame]
) -> None:
    world.receive(frames[:200])
    world.commit()
    assert ids(tail.newest(1_000)) == trade_ids(frames[:200])
    for start in (200, 400, 600):
        world.receive(frames[start : start + 200])
        world.seal()
        world.archive()
    assert ids(*tail.more()) == trade_ids(frames[200:800])
    assert list(tail.more()) == []


def test_a_set_that_is_archived_while_it_is_looked_for_is_read_from_the_archive(
    world: RecordedWorld, tail: Tail, frames: list[Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.receive(frames[:400])
    world.seal()
    world.stage_only()
    look, looks = SegmentEnds._moved, list[str]()

    def then_archived(ends: SegmentEnds, segment_id: str) -> list[Piece]:
        found = look(ends, segment_id)
        if not looks:
            world.archive()
        looks.append(found[0].place)
        return found

    monkeypatch.setattr(SegmentEnds, "_moved", then_archived)
    assert ids(tail.newest(1_000)) == trade_ids(frames[:400])
    assert looks == ["staged", "archive"]


def test_segments_that_are_archived_while_the_newest_rows_are_read_come_once(
    world: RecordedWorld, tail: Tail, frames: list[Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.receive(frames[:200])
    world.commit()
    look = SegmentEnds.archived

    def meanwhile(ends: SegmentEnds, rows: int, local: list[str]) -> tuple[list[pa.Table], str]:
        for start in (200, 400):
            world.receive(frames[start : start + 200])
            world.seal()
            world.archive()
        return look(ends, rows, local)

    monkeypatch.setattr(SegmentEnds, "archived", meanwhile)
    found = ids(tail.newest(1_000))
    assert found == trade_ids(frames[:200])
    assert found + ids(*tail.more()) == trade_ids(frames[:600])


def test_what_follows_an_archive_whose_recorder_has_no_segment_left_comes_once(
    world: RecordedWorld, tail: Tail, frames: list[Frame]
) -> None:
    world.receive(frames[:200])
    world.seal()
    world.archive()
    for path in (world.data_dir / "segments").glob("*.open.db*"):
        path.unlink()
    assert ids(tail.newest(1_000)) == trade_ids(frames[:200])
    world.receive(frames[200:400])
    world.seal()
    assert ids(*tail.more()) == trade_ids(frames[200:400])


def test_a_segment_that_is_set_aside_and_recorded_anew_is_told(world: RecordedWorld, frames: list[Frame]) -> None:
    said = list[str]()
    world.receive(frames[:200])
    world.commit()
    with tail_of(world, said.append) as tail:
        assert ids(tail.newest(5)) == trade_ids(frames[:200])[-5:]
        (opened,) = (world.data_dir / "segments").glob("*.open.db")
        for path in (world.data_dir / "segments").glob("*.open.db*"):
            path.write_bytes(b"rotten" * 1_000)
        world.receive(frames[200:400])
        world.commit()
        assert ids(*tail.more()) == trade_ids(frames[:400])
    assert [opened.name.partition(".")[0] in text for text in said] == [True]


def test_a_tail_that_waits_holds_up_no_seal(world: RecordedWorld, tail: Tail, frames: list[Frame]) -> None:
    world.receive(frames[:200])
    world.commit()
    tail.newest(10)
    (opened,) = Path(world.data_dir, "segments").glob("*.open.db")
    world.receive(frames[200:400])
    world.seal()
    assert opened.with_name(opened.name.replace(".open", "")).exists()
    assert ids(*tail.more()) == trade_ids(frames[200:400])
