"""A truncated write-ahead log of the open segment: commits before the cut stay, the rest is read again."""

import shutil
from pathlib import Path

import pytest

from tests.processes.writer.writer_harness import START_NS, World, trade

FRAMES = 12
FRAME_BYTES = 24 + 4_096
"""Of SQLite's log: a head and a page."""


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a writer killed after some commits left: its segment with its log, and the journal."""
    world = World(tmp_path_factory.mktemp("killed"))
    journal = world.journal()
    number = 0

    def stopping() -> bool:
        nonlocal number
        if number == FRAMES:
            raise KeyboardInterrupt
        number += 1
        journal.append_frames(START_NS + number, 0, [trade(number)])
        world.secs += 10
        return False

    world.stop_when = stopping
    with pytest.raises(KeyboardInterrupt):
        world.writer().run()
    world.config.data_dir.joinpath("left").mkdir()
    for name in ("segments", "journal"):
        shutil.copytree(world.config.data_dir / name, world.config.data_dir / "left" / name)
    return world.config.data_dir / "left"


def sizes(log_bytes: int) -> list[int]:
    """In the log's head, at every frame's ends, and within frames."""
    ends = range(32, log_bytes + 1, FRAME_BYTES)
    return sorted(
        {0, 1, 31, *ends, *(end - 1 for end in ends), *(end + 7 for end in ends), *range(5, log_bytes, 9_973)}
    )


def test_a_log_cut_anywhere_leaves_every_frame_stored_once(killed: Path, tmp_path: Path) -> None:
    (log,) = killed.glob("segments/*.open.db-wal")
    whole = log.read_bytes()
    assert len(whole) > FRAMES * FRAME_BYTES
    rows_before = set()
    for size in sizes(len(whole)):
        world = World(tmp_path / str(size))
        shutil.copytree(killed, world.config.data_dir)
        (world.config.data_dir / "segments" / log.name).write_bytes(whole[:size])
        world.gone = True
        writer = world.writer()
        rows_before.add(writer._rotation.next_row - 1)
        world.stop_when = lambda: True
        writer.run()
        assert world.payloads() == [trade(number + 1) for number in range(FRAMES)], f"cut at {size}"
    assert {0, FRAMES} < rows_before, "a cut takes away the commits behind it"
    assert len(rows_before) > FRAMES / 3, "and no others"
