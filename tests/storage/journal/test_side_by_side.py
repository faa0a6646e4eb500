"""Reading what several incarnations append to one feed's journal at the same time."""

import os
from pathlib import Path

import pytest

from collector.storage.journal import journal_file
from collector.storage.journal import reader as reader_module
from collector.storage.journal.files import journal_path
from collector.storage.journal.format import FeedIdentity, Parsed, RecordKind, frames_of, parse_records
from collector.storage.journal.incarnations import is_alive
from collector.storage.journal.journal_file import Chunk
from collector.storage.journal.position import Position
from collector.storage.journal.reader import JournalReader
from collector.storage.journal.writer import JournalWriter
from tests.storage.journal.dead_journals import let_go

IDENTITY = FeedIdentity("f", "binance", ("BTCUSDT",), ("trade",))


def begin(folder: Path, *, after: JournalWriter | None = None, at: int = 1, file_bytes: int = 1 << 30) -> JournalWriter:
    """An incarnation, which goes on with the numbers of the one it is begun beside, if any."""
    continues = "" if after is None else after.writer_id
    return JournalWriter(folder, IDENTITY, 1, file_bytes, lambda: at, continues)


def reader_of(folder: Path, positions: dict[str, Position] | None = None) -> JournalReader:
    return JournalReader(folder, "f", positions or {})


def add(journal: JournalWriter, *frames: tuple[int, bytes]) -> None:
    for received_ns, frame in frames:
        journal.append_frames(received_ns, 0, [frame])


def frames_in(chunk: Chunk) -> list[bytes]:
    records = [record for record in chunk.records if record.kind is RecordKind.FRAMES]
    return [frame.data for record in records for frame in frames_of(record)]


def chunks(reader: JournalReader) -> list[Chunk]:
    return list(iter(reader.read, None))


def read(reader: JournalReader) -> list[bytes]:
    return [frame for chunk in chunks(reader) for frame in frames_in(chunk)]


def test_a_backlog_of_two_is_read_in_order_of_receipt(tmp_path: Path) -> None:
    old = begin(tmp_path, file_bytes=400)
    new = begin(tmp_path, after=old, at=5, file_bytes=300)
    for at in range(1, 60):
        add(old if at < 20 or at % 3 else new, (at, b"%d" % at))
    assert read(reader_of(tmp_path)) == [b"%d" % at for at in range(1, 60)]
    assert len(list(tmp_path.glob("*.journal"))) > 6


def test_no_record_is_parsed_twice_however_they_alternate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = begin(tmp_path)
    new = begin(tmp_path, after=old)
    for at in range(1, 400):
        add(new if at % 2 else old, (at, b"%d" % at))
    parsed = list[int]()

    def counted(data: bytes, offset: int) -> Parsed:
        found = parse_records(data, offset)
        parsed.append(len(found.records))
        return found

    monkeypatch.setattr(journal_file, "parse_records", counted)
    assert len(read(reader_of(tmp_path))) == sum(parsed) == 399


def test_one_that_receives_nothing_holds_up_nobody(tmp_path: Path) -> None:
    old = begin(tmp_path)
    reader = reader_of(tmp_path)
    add(old, (1, b"a"))
    new = begin(tmp_path, after=old, at=2)
    add(new, (2, b"b"), (3, b"c"))
    assert read(reader) == [b"a", b"b", b"c"]
    add(new, (4, b"d"))
    assert read(reader) == [b"d"]
    add(old, (3, b"late"))
    assert read(reader) == [b"late"]


def test_a_later_file_of_another_does_not_end_that_of_one_that_lives(tmp_path: Path) -> None:
    old = begin(tmp_path)
    reader = reader_of(tmp_path)
    add(old, (1, b"a"))
    new = begin(tmp_path, after=old, at=2)
    add(new, (2, b"b"))
    path = journal_path(tmp_path, 1)
    with path.open("ab") as file:
        file.write(b"\xd3JRC\x00")
    found = chunks(reader)
    assert [chunk.position.ended for chunk in found] == [False, False]
    assert reader.torn_bytes == 0
    let_go([old])
    (last,) = chunks(reader)
    assert (last.header.incarnation, last.position.ended, last.is_last) == (old.incarnation, True, True)
    assert reader.torn_bytes == 5
    add(new, (3, b"c"))
    assert read(reader) == [b"c"]


@pytest.mark.parametrize("is_closed", [True, False])
def test_only_the_last_file_of_an_incarnation_ends_it(tmp_path: Path, *, is_closed: bool) -> None:
    old = begin(tmp_path, file_bytes=1)
    new = begin(tmp_path, after=old)
    add(old, *((at, b"x") for at in range(1, 5)))
    if is_closed:
        old.close()
    else:
        let_go([old])
    add(new, (9, b"y"))
    found = chunks(reader_of(tmp_path))
    lasts = [chunk.position.number for chunk in found if chunk.is_last]
    ended = [chunk.position.number for chunk in found if chunk.position.ended]
    assert lasts == ended[-1:] == [old.number]
    assert frames_in(found[-1]) == [b"y"]


def test_one_that_begins_a_file_just_before_it_is_killed_ends_with_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = begin(tmp_path)
    add(old, (1, b"a"))
    reader = reader_of(tmp_path)
    assert read(reader) == [b"a"]

    def killed_now(folder: Path, incarnation: str) -> bool:
        monkeypatch.undo()
        old.resubscribe(IDENTITY)
        add(old, (2, b"b"))
        let_go([old])
        return is_alive(folder, incarnation)

    monkeypatch.setattr(reader_module, "is_alive", killed_now)
    found = chunks(reader)
    assert [(chunk.position.number, chunk.is_last) for chunk in found if chunk.position.ended] == [
        (1, False),
        (2, True),
    ]
    assert [frame for chunk in found for frame in frames_in(chunk)] == [b"b"]


def test_a_successor_that_is_killed_ends_and_the_other_is_read_on(tmp_path: Path) -> None:
    old = begin(tmp_path)
    new = begin(tmp_path, after=old)
    add(old, (1, b"a"), (4, b"d"))
    add(new, (2, b"b"))
    let_go([new])
    reader = reader_of(tmp_path)
    found = chunks(reader)
    assert [frames_in(chunk) for chunk in found] == [[b"a"], [b"b"], [], [b"d"]]
    assert [chunk.is_last for chunk in found] == [False, False, True, False]
    add(old, (5, b"e"))
    assert read(reader) == [b"e"]


def test_those_that_do_not_number_together_are_read_one_after_another(tmp_path: Path) -> None:
    before = begin(tmp_path, at=100)
    add(before, (100, b"a"), (200, b"b"))
    let_go([before])
    behind = begin(tmp_path, at=50)  # the clock was set back
    add(behind, (50, b"c"))
    assert read(reader_of(tmp_path)) == [b"a", b"b", b"c"]


def test_reading_both_goes_on_from_committed_positions(tmp_path: Path) -> None:
    old = begin(tmp_path, file_bytes=300)
    new = begin(tmp_path, after=old, file_bytes=300)
    for at in range(1, 40):
        add(new if at % 2 else old, (at, b"%d" % at))
    positions: dict[str, Position] = {}
    found: list[bytes] = []
    while (chunk := reader_of(tmp_path, positions).read()) is not None:
        positions[chunk.position.file_id] = chunk.position
        found += frames_in(chunk)
    assert found == [b"%d" % at for at in range(1, 40)]


def test_a_damaged_record_of_one_is_told_and_both_are_read_on(tmp_path: Path) -> None:
    old = begin(tmp_path)
    add(old, (1, b"a"))
    start = old.position
    add(old, (2, b"rotten"), (5, b"e"))
    new = begin(tmp_path, after=old)
    add(new, (3, b"c"), (6, b"f"))
    with journal_path(tmp_path, 1).open("r+b") as file:
        file.seek(start + 30)
        file.write(b"\xff\xff")
    found = chunks(reader_of(tmp_path))
    assert [chunk.damage.offset for chunk in found if chunk.damage] == [start]
    assert sorted(frame for chunk in found for frame in frames_in(chunk)) == [b"a", b"c", b"e", b"f"]


def test_of_many_that_went_on_from_one_another_few_are_open_at_a_time(tmp_path: Path) -> None:
    first = begin(tmp_path, at=0)
    for at in range(10, 1_000, 10):
        add(first, (at, b"%03d" % at))
        failed = begin(tmp_path, after=first, at=at)
        add(failed, (at + 1, b"%03d" % (at + 1)))
        let_go([failed])
        os.close(failed._fd)
        failed._living.release()
    reader, most, found = reader_of(tmp_path), 0, list[bytes]()
    while (chunk := reader.read()) is not None:
        most = max(most, len(reader._open))
        found += frames_in(chunk)
    assert found == sorted(found)
    assert len(found) == 198
    assert most <= 3


def test_lag_counts_what_is_unread_of_both(tmp_path: Path) -> None:
    old = begin(tmp_path)
    new = begin(tmp_path, after=old)
    reader = reader_of(tmp_path)
    assert read(reader) == []
    empty = old.position + new.position
    add(old, (1, b"a"))
    add(new, (2, b"b"))
    lag = reader.lag()
    assert (lag.bytes, lag.unread_files, lag.files, lag.since_ns) == (old.position + new.position - empty, 2, 2, 1)
    assert read(reader) == [b"a", b"b"]
    assert reader.lag()[:3] == (0, 0, 2)


def test_a_chunk_knows_the_numbers_of_all_files(tmp_path: Path) -> None:
    old = begin(tmp_path)
    new = begin(tmp_path, after=old)
    add(old, (1, b"a"))
    add(new, (2, b"b"))
    reader = reader_of(tmp_path)
    assert [chunk.others for chunk in chunks(reader)] == [{1, 2}, {1, 2}]
    new.resubscribe(IDENTITY)
    new.close()
    journal_path(tmp_path, 1).unlink()
    assert chunks(reader)[-1].others == {1, 2, 3}
