"""Reading journals that grow, end, tear and rot."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.storage.journal.files import journal_path
from collector.storage.journal.format import FeedIdentity, Record, RecordKind, encode_frames, encode_header, frames_of
from collector.storage.journal.head import file_id_of
from collector.storage.journal.journal_file import Damage
from collector.storage.journal.position import Position
from collector.storage.journal.reader import JournalReader
from collector.storage.journal.writer import JournalWriter
from tests.storage.journal.dead_journals import closed_journals, let_go

IDENTITY = FeedIdentity("f", "binance", ("BTCUSDT",), ("trade",))


class Scene:
    """A feed's folder with a reader on it, and an ingest that lives until told otherwise."""

    def __init__(self, folder: Path, positions: Mapping[str, Position] | None = None) -> None:
        self.folder = folder
        self.journals: list[JournalWriter] = []
        self.reader = JournalReader(folder, "f", positions or {})
        self.positions: dict[str, Position] = {}
        self.damage: list[Damage] = []

    def writer(self, number: int = 1, file_bytes: int = 1 << 30) -> JournalWriter:
        self.journals.append(JournalWriter(self.folder, IDENTITY, number, file_bytes, lambda: 1))
        return self.journals[-1]

    def kill(self) -> None:
        """Every ingest is dead from now on."""
        let_go(self.journals)

    def read(self) -> list[bytes]:
        frames: list[bytes] = []
        while chunk := self.reader.read():
            self.positions[chunk.position.file_id] = chunk.position
            self.damage += [chunk.damage] if chunk.damage else []
            frames += [frame for record in chunk.records for frame in frames_in(record)]
        return frames


def frames_in(record: Record) -> list[bytes]:
    return [frame.data for frame in frames_of(record)] if record.kind is RecordKind.FRAMES else []


def test_records_appended_later_are_read_once(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    writer = scene.writer()
    assert scene.read() == []
    writer.append_frames(1, 0, [b"a", b"b"])
    assert scene.read() == [b"a", b"b"]
    assert scene.read() == []
    writer.append_frames(1, 0, [b"c"])
    assert scene.read() == [b"c"]
    writer.close()
    assert scene.read() == []
    assert [p.ended for p in scene.positions.values()] == [True]


def test_a_torn_tail_waits_until_its_ingest_is_gone(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    writer = scene.writer()
    writer.append_frames(1, 0, [b"whole"])
    with journal_path(tmp_path, 1).open("ab") as file:
        file.write(b"\xd3JRC\x00")
    assert scene.read() == [b"whole"]
    assert not next(iter(scene.positions.values())).ended
    scene.kill()
    assert scene.read() == []
    assert next(iter(scene.positions.values())).ended
    assert (scene.reader.torn_bytes, scene.damage) == (5, [])


def test_a_later_file_of_the_same_incarnation_ends_the_one_before(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    writer = scene.writer(1)
    writer.append_frames(1, 0, [b"one"])
    writer.resubscribe(IDENTITY)
    writer.append_frames(1, 0, [b"two"])
    assert scene.read() == [b"one", b"two"]
    assert [p.ended for p in scene.positions.values()] == [True, False]


@pytest.mark.parametrize("is_followed", [True, False])
def test_files_of_an_earlier_version_end_whether_or_not_others_follow(tmp_path: Path, *, is_followed: bool) -> None:
    for number in (1, 2):
        head = encode_header(f"{number:032x}", f"writer {number}", number, number, IDENTITY)
        record = b"".join(encode_frames(number, 0, [b"%d" % number], ()))
        journal_path(tmp_path, number).write_bytes(head + record + record[:20])
    scene = Scene(tmp_path)
    if is_followed:
        scene.writer(3).append_frames(3, 0, [b"3"])
    assert scene.read() == [b"1", b"2", b"3"][: 2 + is_followed]
    assert [p.ended for p in scene.positions.values()] == [True, True, False][: 2 + is_followed]
    assert (scene.reader.torn_bytes, scene.damage) == (40, [])


@pytest.mark.parametrize("written", [b"", b"MDCJ"])
def test_a_file_without_a_head_yet_waits_while_any_incarnation_lives(tmp_path: Path, written: bytes) -> None:
    scene = Scene(tmp_path)
    scene.writer(1).append_frames(1, 0, [b"a"])
    journal_path(tmp_path, 2).write_bytes(written)
    assert scene.read() == [b"a"]
    assert [p.number for p in scene.positions.values()] == [1]
    scene.kill()
    assert scene.read() == []
    assert [(p.number, p.ended) for p in scene.positions.values()] == [(1, True), (2, True)]
    assert (scene.reader.torn_bytes, scene.damage) == (len(written), [])


def test_a_damaged_record_in_the_middle_is_reported_and_skipped(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    writer = scene.writer()
    writer.append_frames(1, 0, [b"first"])
    start = writer.position
    writer.append_frames(1, 0, [b"rotten"])
    size = writer.position - start
    writer.append_frames(1, 0, [b"third"])
    with journal_path(tmp_path, 1).open("r+b") as file:
        file.seek(start + 30)
        file.write(b"\xff\xff")
    assert scene.read() == [b"first", b"third"]
    assert [(d.offset, d.size_bytes) for d in scene.damage] == [(start, size)]


@pytest.mark.parametrize("length", [10_000, 10 << 20, 128 << 20])
def test_a_record_with_a_damaged_length_is_skipped_once_others_follow(tmp_path: Path, length: int) -> None:
    scene = Scene(tmp_path)
    writer = scene.writer()
    writer.append_frames(1, 0, [b"first"])
    start = writer.position
    writer.append_frames(1, 0, [b"rotten"])
    size = writer.position - start
    writer.append_frames(1, 0, [b"third"])
    path = journal_path(tmp_path, 1)
    with path.open("r+b") as file:
        file.seek(start + 8)
        file.write(length.to_bytes(4, "little"))
    os.utime(path, ns=(1, 1))
    assert [scene.read(), scene.read()] == [[b"first"], []]
    assert scene.damage == []
    writer.append_frames(1, 0, [b"fourth"])
    os.utime(path, ns=(2, 2))
    assert scene.read() == [b"third", b"fourth"]
    assert [(d.offset, d.size_bytes) for d in scene.damage] == [(start, size)]


def test_a_record_being_appended_is_waited_for_whatever_its_bytes(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    writer = scene.writer()
    writer.append_frames(1, 0, [b"first"])
    looks_like_one = b"".join(encode_frames(1, 0, [b"no record of ours"], ()))
    frame = b"a" * 1_000 + looks_like_one + b"b" * 1_000
    record = b"".join(encode_frames(1, 0, [frame], ()))
    path = journal_path(tmp_path, 1)
    begun_ns = path.stat().st_mtime_ns
    for end in range(0, len(record), 100):
        with path.open("r+b") as file:
            file.seek(writer.position)
            file.write(record[:end])
        os.utime(path, ns=(begun_ns, begun_ns))  # as a single write leaves it, however long that takes
        assert scene.read() == ([b"first"] if end == 0 else [])
    writer.append_frames(1, 0, [frame])
    assert scene.read() == [frame]
    assert scene.damage == []


def test_a_file_with_a_damaged_head_is_reported_and_the_next_is_read(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    journal_path(tmp_path, 1).write_bytes(b"not a journal at all, but long enough")
    scene.writer(2).append_frames(1, 0, [b"two"])
    assert scene.read() == [b"two"]
    assert [d.reason for d in scene.damage] == ["not a journal file"]


def test_a_torn_tail_is_damage_if_its_ingest_wrote_a_later_file(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    writer = scene.writer(1, file_bytes=1)
    for frame in (b"one", b"two", b"three"):
        writer.append_frames(1, 0, [frame])
    second = journal_path(tmp_path, writer.number - 1)
    os.truncate(second, second.stat().st_size - 3)
    scene.writer(writer.number + 1).append_frames(1, 0, [b"of another"])
    assert scene.read() == [b"one", b"three", b"of another"]
    assert [damage.reason for damage in scene.damage] == ["the file is cut, and its ingest wrote more"]
    assert scene.reader.torn_bytes == 0


HEADS = {
    "zeros": lambda head: bytes(len(head)),
    "noise": lambda head: b"\x9e" * len(head),
    "a flipped bit in the magic": lambda head: flipped(head, 0),
    "a flipped bit in the length": lambda head: flipped(head, 8 * 8 + 7),
    "a length beyond the file": lambda head: flipped(head, 8 * 10),
    "a length beyond all files": lambda head: flipped(head, 8 * 11 + 7),
    "a flipped bit in the checksum": lambda head: flipped(head, 8 * 12),
    "a flipped bit in the text": lambda head: flipped(head, 8 * 40),
}


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def spoil_head(path: Path, how: str) -> None:
    data = path.read_bytes()
    size = 16 + int.from_bytes(data[8:12], "little")
    path.write_bytes(HEADS[how](data[:size]) + data[size:])


@pytest.mark.parametrize("how", HEADS)
def test_a_damaged_head_waits_until_its_ingest_is_gone(tmp_path: Path, how: str) -> None:
    scene = Scene(tmp_path)
    writer = scene.writer()
    writer.append_frames(1, 0, [b"lost"])
    spoil_head(journal_path(tmp_path, 1), how)
    assert scene.read() == []
    assert (scene.damage, scene.positions) == ([], {})
    writer.append_frames(1, 0, [b"lost too"])
    scene.kill()
    assert scene.read() == []
    assert [(damage.offset, damage.size_bytes) for damage in scene.damage] == [(0, writer.position)]
    assert [p.ended for p in scene.positions.values()] == [True]


@pytest.mark.parametrize("how", HEADS)
def test_a_damaged_head_before_a_later_file_is_damage(tmp_path: Path, how: str) -> None:
    scene = Scene(tmp_path)
    for number in (1, 2, 3):
        scene.writer(number).append_frames(1, 0, [b"%d" % number])
    spoil_head(journal_path(tmp_path, 2), how)
    assert scene.read() == [b"1", b"3"]
    assert len(scene.damage) == 1


def test_a_file_cut_in_its_head_has_no_records(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    journal_path(tmp_path, 1).write_bytes(b"MDCJ")
    assert scene.read() == []
    assert next(iter(scene.positions.values())).ended


@pytest.mark.parametrize("symbols", [300, 50_000])
def test_a_head_is_read_however_many_symbols_it_names(tmp_path: Path, symbols: int) -> None:
    identity = IDENTITY._replace(symbols=tuple(f"A{number:09}USDT" for number in range(symbols)))
    writer = JournalWriter(tmp_path, identity, 1, 1 << 30, lambda: 1)
    writer.append_frames(1, 0, [b"a"])
    scene = Scene(tmp_path)
    assert (scene.read(), scene.damage) == ([b"a"], [])
    assert scene.reader.begun_ns() == 1
    assert scene.positions.keys() == {file_id_of(journal_path(tmp_path, 1), "f", 1)}


def test_a_record_longer_than_a_chunk_is_read_whole(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    writer = scene.writer()
    big = b"x" * 5_000_000
    writer.append_frames(1, 0, [big])
    writer.append_frames(1, 0, [b"small"])
    assert scene.read() == [big, b"small"]


def test_reading_goes_on_from_committed_positions(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    writer = scene.writer(1, file_bytes=200)
    for n in range(20):
        writer.append_frames(1, 0, [b"%d" % n])
    first = scene.reader.read()
    assert first is not None
    seen = [frame for record in first.records for frame in frames_in(record)]
    again = Scene(tmp_path, {first.position.file_id: first.position})
    assert seen + again.read() == [b"%d" % n for n in range(20)]


def test_records_received_after_the_limit_wait_with_all_behind_them(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    writer = scene.writer()
    for received_ns, frame in ((1, b"a"), (3, b"b"), (2, b"c")):
        writer.append_frames(received_ns, 0, [frame])
    chunk = scene.reader.read(2)
    assert chunk is not None
    assert frames_in(chunk.records[0]) == [b"a"]
    assert chunk.position.offset == chunk.records[0].end
    assert scene.reader.read(2) is None
    assert scene.read() == [b"b", b"c"]


def test_lag_counts_what_is_not_read_yet(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    writer = scene.writer()
    scene.read()
    before = writer.position
    writer.append_frames(7, 0, [b"abc"])
    writer.append_frames(8, 0, [b"def"])
    assert scene.reader.lag() == (writer.position - before, 1, 1, 7)
    scene.reader.read(7)
    assert scene.reader.lag()[1:] == (1, 1, 8)
    scene.read()
    assert scene.reader.lag() == (0, 0, 1, None)
    scene.writer(2)
    assert scene.reader.lag().files == 2


def test_a_file_without_records_has_no_lag_in_time(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.writer()
    lag = scene.reader.lag()
    assert (lag.bytes > 0, lag.since_ns) == (True, None)
    scene.writer(2).append_frames(9, 0, [b"a"])
    assert scene.reader.lag().since_ns == 9


@pytest.mark.parametrize("rots", ["the head", "the record"])
def test_lag_counts_from_the_record_behind_a_damaged_one(tmp_path: Path, rots: str) -> None:
    scene = Scene(tmp_path)
    writer = scene.writer()
    at = 0 if rots == "the head" else writer.position
    writer.append_frames(3, 0, [b"a"])
    writer.append_frames(4, 0, [b"b"])
    path = journal_path(tmp_path, 1)
    content = bytearray(path.read_bytes())
    content[at] ^= 0xFF
    path.write_bytes(content)
    assert scene.reader.lag().since_ns == (3 if rots == "the head" else 4)


@given(st.integers(0, 400))
def test_a_power_cut_at_any_byte_neither_fails_nor_invents_data(cut: int) -> None:
    import tempfile  # noqa: PLC0415 -- a folder for each example, which a fixture does not give

    with tempfile.TemporaryDirectory() as name, closed_journals(Path(name)):
        scene = Scene(Path(name))
        writer = scene.writer()
        writer.append_frames(1, 0, [b"kept" * 5])
        writer.append_frames(1, 0, [b"last" * 5])
        path = journal_path(Path(name), 1)
        path.write_bytes(path.read_bytes()[:cut])
        scene.kill()
        assert scene.read() in ([], [b"kept" * 5], [b"kept" * 5, b"last" * 5])
        assert scene.damage == []


def test_a_removed_file_is_read_on_while_its_ingest_holds_it(tmp_path: Path) -> None:
    journal = JournalWriter(tmp_path, IDENTITY, 1, 1 << 30, lambda: 1)
    reader = JournalReader(tmp_path, "f", {})
    journal.append_frames(1, 0, [b"a"])
    before = reader.read()
    assert reader.read() is None
    journal_path(tmp_path, 1).unlink()
    assert reader.read() is None
    journal.append_frames(1, 0, [b"b"])
    after = reader.read()
    assert [frames_in(chunk.records[0]) for chunk in (before, after) if chunk] == [[b"a"], [b"b"]]
    let_go([journal])
    last = reader.read()
    assert last is not None
    assert last.position.ended


def test_records_appended_to_a_file_taken_as_ended_are_read(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    journal = scene.writer()
    journal.append_frames(1, 0, [b"a"])
    scene.kill()
    assert scene.read() == [b"a"]
    assert [p.ended for p in scene.positions.values()] == [True]
    journal.append_frames(1, 0, [b"b"])
    assert scene.reader.lag().unread_files == 1
    assert scene.read() == [b"b"]
    assert (scene.damage, scene.reader.lag().bytes) == ([], 0)
    journal.append_frames(1, 0, [b"c"])
    later = Scene(tmp_path, scene.positions)
    later.kill()
    assert later.read() == [b"c"]
