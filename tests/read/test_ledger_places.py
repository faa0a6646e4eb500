"""The gap ledger is read wherever a segment stands: written, sealed, staged while the store is away, or archived."""

from pathlib import Path

import pytest

from collector.read.ledger.gaps import Ledger, read
from collector.storage.store.directory import DirectoryStore
from tests.read.recorded_world import Frame, RecordedWorld
from tests.read.test_reading_gaps import without

STEPS = ("commit", "seal", "stage_only", "archive")


def found(world: RecordedWorld) -> Ledger:
    return read(DirectoryStore(world.data_dir / "archive"), world.data_dir)


def missing(ledger: Ledger) -> list[int | None]:
    return [row.gap.missing for row in ledger.rows() if (row.gap.stream_type, row.gap.kind) == ("trade", "sequence")]


def test_a_gap_is_told_wherever_its_segment_stands(world: RecordedWorld, frames: list[Frame]) -> None:
    world.receive(without(frames[:1_000], b"@trade", slice(20, 27)))
    for step in STEPS:
        getattr(world, step)()
        assert missing(found(world)) == [7], step
        assert found(world).symbols == {"BTCUSDT"}, step
    assert not list((world.data_dir / "staging").iterdir())


@pytest.mark.parametrize("name", ["manifest.json", "*.parquet"])
def test_a_set_that_cannot_be_read_is_told(world: RecordedWorld, frames: list[Frame], name: str) -> None:
    world.receive(without(frames[:1_000], b"@trade", slice(20, 27)))
    world.seal()
    world.stage_only()
    for path in Path(world.data_dir / "staging").glob(f"*/{name}"):
        path.write_bytes(b"{")
    (problem,) = found(world).unread
    assert str(world.data_dir / "staging") in problem
