"""Which journal files a seal removes while two incarnations take turns with the numbers, and what it keeps of them."""

from pathlib import Path

from collector.processes.writer.finished_journals import FinishedJournals
from collector.storage.journal.format import FeedIdentity
from collector.storage.journal.position import Position
from collector.storage.journal.reader import JournalReader
from collector.storage.journal.writer import JournalWriter
from tests.storage.journal.dead_journals import let_go

IDENTITY = FeedIdentity("f", "binance", ("BTCUSDT",), ("trade",))


def test_a_seal_removes_what_is_finished_of_each_and_the_locks_of_the_dead(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    old = JournalWriter(folder, IDENTITY, 1, 1 << 20, lambda: 1)
    new = JournalWriter(folder, IDENTITY, 1, 1 << 20, lambda: 1, continues=old.writer_id)
    for journal in (old, new, new):
        journal.resubscribe(IDENTITY)
    let_go([new])
    positions: dict[str, Position] = {}
    reader = JournalReader(folder, "f", {})
    while (chunk := reader.read()) is not None:
        positions[chunk.position.file_id] = chunk.position
    old.append_frames(1, 0, [b"in the third file"])
    chunk = reader.read()
    assert chunk is not None
    positions[chunk.position.file_id] = chunk.position
    finished = FinishedJournals(tmp_path)
    assert [path.name for path in finished.paths(positions)] == [f"{number:012}.journal" for number in (1, 2, 4, 5)]
    finished.remove(positions)
    assert sorted(path.name for path in folder.iterdir()) == [f"{3:012}.journal", f"{old.incarnation}.lock"]
    assert sorted(position.number for position in finished.positions_to_keep(positions).values()) == [3, 5]


def test_the_newest_file_of_a_relay_stays_until_there_is_a_newer_one(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    for _ in range(2):
        JournalWriter(folder, IDENTITY, 1, 1 << 20, lambda: 1, sources=lambda: ()).close()
    positions: dict[str, Position] = {}
    reader = JournalReader(folder, "f", {})
    while (chunk := reader.read()) is not None:
        positions[chunk.position.file_id] = chunk.position
    finished = FinishedJournals(tmp_path)
    assert [path.name for path in finished.paths(positions)] == [f"{1:012}.journal"]
    assert finished.largest_bytes(positions) == (folder / f"{1:012}.journal").stat().st_size
