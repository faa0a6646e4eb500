"""The journal: what was appended is read back whole, and damage is told from a torn tail."""

import errno
import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.domain.errors import DamagedError, NewerDataError
from collector.storage.journal import format as journal_format
from collector.storage.journal.files import journal_files, next_number
from collector.storage.journal.format import (
    FeedIdentity,
    PlanShare,
    RecordKind,
    decode_header,
    encode_frames,
    event_of,
    find_record,
    frames_of,
    parse_records,
)
from collector.storage.journal.writer import JournalWriter

IDENTITY = FeedIdentity("binance", "binance", ("BTCUSDT",), ("trade",))


def make_writer(folder: Path, *, number: int = 1, file_bytes: int = 1 << 20) -> JournalWriter:
    return JournalWriter(folder, IDENTITY, number, file_bytes, lambda: 1_700_000_000_000_000_000)


def records_in(path: Path) -> list[journal_format.Record]:
    data = path.read_bytes()
    header = decode_header(data)
    assert header is not None
    parsed = parse_records(data[header.header_bytes :], header.header_bytes)
    assert not parsed.damaged
    assert parsed.end == len(data)
    return parsed.records


def test_the_header_says_whose_frames_the_file_holds(tmp_path: Path) -> None:
    make_writer(tmp_path, number=7).close()
    header = decode_header((tmp_path / "000000000007.journal").read_bytes())
    assert header is not None
    assert (header.number, header.identity) == (7, IDENTITY)
    assert len(bytes.fromhex(header.file_id)) == 16


def test_frames_come_back_byte_for_byte_with_their_place_in_the_file(tmp_path: Path) -> None:
    writer = make_writer(tmp_path)
    frames = [b'{"a":1}', b"", b"\xff\xfe", b"x" * 100_000]
    writer.append_frames(5, 2, frames, {2})
    writer.close()
    path = tmp_path / "000000000001.journal"
    record, close = records_in(path)
    read = frames_of(record)
    assert [frame.data for frame in read] == frames
    assert [frame.binary for frame in read] == [False, False, True, False]
    assert (record.received_ns, record.line, close.kind) == (5, 2, RecordKind.CLOSE)
    whole = path.read_bytes()
    assert all(whole[frame.offset : frame.offset + len(frame.data)] == frame.data for frame in read)


def test_a_record_says_which_connection_brought_it(tmp_path: Path) -> None:
    writer = make_writer(tmp_path)
    for connection in (1, 65_535, 65_536, 65_537):
        writer.append_frames(1, 0, [b"x"], connection=connection)
    writer.append_resumed(1, {"frames": 1}, 1, 0, [b"x"], connection=9)
    writer.append_frames(1, -1, [b"brought by none"])
    writer.close()
    told = [record.connection for record in records_in(tmp_path / "000000000001.journal")]
    assert told == [1, 65_535, 1, 2, 0, 9, 0, 0]


def test_events_come_back_as_they_were(tmp_path: Path) -> None:
    writer = make_writer(tmp_path)
    writer.append_event(RecordKind.DISCONNECT, 9, 1, {"reason": "späť", "code": 1006})
    writer.close()
    assert event_of(records_in(tmp_path / "000000000001.journal")[0]) == {"reason": "späť", "code": 1006}


def test_a_full_file_is_followed_by_the_next_number(tmp_path: Path) -> None:
    writer = make_writer(tmp_path, file_bytes=1_000)
    for _ in range(10):
        writer.append_frames(1, 0, [b"y" * 300])
    writer.close()
    files = journal_files(tmp_path)
    assert [number for number, _ in files] == [1, 2, 3, 4]
    frames = [
        frame
        for _, path in files
        for record in records_in(path)[:]
        if record.kind == RecordKind.FRAMES
        for frame in frames_of(record)
    ]
    assert len(frames) == 10


@pytest.mark.parametrize("removed", ["file", "folder", "replaced"])
def test_after_its_file_was_removed_a_writer_begins_another(tmp_path: Path, removed: str) -> None:
    folder = tmp_path / "f"
    writer = make_writer(folder)
    assert not writer.keep()
    path = folder / "000000000001.journal"
    shutil.rmtree(folder) if removed == "folder" else path.unlink()
    if removed == "replaced":
        path.write_bytes(b"of somebody else")
    assert writer.keep()
    assert not writer.keep()
    writer.append_frames(1, 0, [b"x"])
    writer.close()
    assert next(record.kind for record in records_in(folder / "000000000002.journal")) is RecordKind.FRAMES


def test_a_changed_subscription_begins_a_file_that_says_which_plan_carries_what(tmp_path: Path) -> None:
    shares = (PlanShare(0, ("BTCUSDT",), ("trade",)), PlanShare(7, ("ETHUSDT", "币USDT"), ("trade", "book_delta")))
    changed = IDENTITY._replace(symbols=("BTCUSDT", "ETHUSDT", "币USDT"), shares=shares)
    journal = make_writer(tmp_path)
    journal.append_frames(1, 0, [b"before"])
    journal.resubscribe(changed)
    journal.append_frames(2, 0, [b"behind"])
    journal.close()
    heads = [decode_header(path.read_bytes()) for _, path in journal_files(tmp_path)]
    assert [head.identity for head in heads if head] == [IDENTITY, changed]
    assert len({head.writer_id for head in heads if head}) == 1
    assert len({head.file_id for head in heads if head}) == 2


def test_a_subscription_that_cannot_be_told_is_not_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int, pieces: list[bytes], position: int) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    journal = make_writer(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwritev", full)
        with pytest.raises(OSError, match="No space left"):
            journal.resubscribe(IDENTITY._replace(shares=(PlanShare(0, ("A",), ("trade",)),)))
    journal.append_frames(1, 0, [b"goes on"])
    assert journal.keep() is False
    (tmp_path / "000000000001.journal").unlink()
    assert journal.keep() is True
    head = decode_header((tmp_path / "000000000002.journal").read_bytes())
    assert head is not None
    assert head.identity == IDENTITY


def test_only_a_divided_subscription_needs_a_version_that_knows_it(tmp_path: Path) -> None:
    divided = IDENTITY._replace(shares=(PlanShare(0, ("A",), ("trade",)),))
    heads = [journal_format.encode_header("00" * 16, "w", 1, 1, identity) for identity in (IDENTITY, divided)]
    assert [b'"version":1' in head for head in heads] == [True, False]
    assert [b'"version":2' in head for head in heads] == [False, True]


def test_an_existing_file_is_never_appended_to(tmp_path: Path) -> None:
    make_writer(tmp_path).close()
    first = (tmp_path / "000000000001.journal").read_bytes()
    later = make_writer(tmp_path)
    later.close()
    assert later.number == 2
    assert (tmp_path / "000000000001.journal").read_bytes() == first


def test_a_number_that_another_incarnation_took_meanwhile_is_skipped(tmp_path: Path) -> None:
    old = make_writer(tmp_path, file_bytes=1)
    new = make_writer(tmp_path, number=2, file_bytes=1)
    for journal in (old, new, old, new):
        journal.append_frames(1, 0, [b"x"])
        journal.append_frames(1, 0, [b"y"])
    old.resubscribe(IDENTITY._replace(symbols=("ETHUSDT",)))
    new.resubscribe(IDENTITY._replace(symbols=("ETHUSDT",)))
    heads = heads_in(tmp_path)
    assert [head.number for head in heads] == list(range(1, len(heads) + 1))
    for journal in (old, new):
        own = [head for head in heads if head.incarnation == journal.incarnation]
        assert [head.previous for head in own] == [0, *(head.number for head in own[:-1])]
        assert len(own) > 3


def test_a_successor_goes_on_with_the_writer_id_and_names_an_incarnation_of_its_own(tmp_path: Path) -> None:
    old = make_writer(tmp_path)
    new = JournalWriter(tmp_path, IDENTITY, 2, 1 << 20, lambda: 1, continues=old.writer_id)
    other = make_writer(tmp_path, number=3)
    heads = heads_in(tmp_path)
    assert [head.writer_id for head in heads] == [old.writer_id, old.writer_id, other.writer_id]
    assert [head.incarnation for head in heads] == [old.incarnation, new.incarnation, other.incarnation]
    assert len({old.incarnation, new.incarnation, other.incarnation}) == 3
    assert new.writer_id == old.writer_id != other.writer_id


def test_a_head_of_an_earlier_version_is_of_the_incarnation_that_its_writer_id_names() -> None:
    head = decode_header(journal_format.encode_header("00" * 16, "w", 1, 1, IDENTITY))
    assert head is not None
    assert (head.incarnation, head.previous) == ("w", None)


def heads_in(folder: Path) -> list[journal_format.JournalHeader]:
    heads = [decode_header(path.read_bytes()) for _, path in journal_files(folder)]
    return [head for head in heads if head is not None]


def test_numbers_continue_from_files_and_positions(tmp_path: Path) -> None:
    positions = tmp_path / "positions.json"
    assert next_number(tmp_path / "none", positions, "binance") == 1
    make_writer(tmp_path, number=4).close()
    assert next_number(tmp_path, positions, "binance") == 5
    positions.write_text('{"positions":[{"feed":"binance","number":9},{"feed":"other","number":50}]}', "utf-8")
    assert next_number(tmp_path, positions, "binance") == 10


def test_file_names_that_no_writer_makes_are_ignored(tmp_path: Path) -> None:
    positions = tmp_path / "positions.json"
    entry = {"file_id": "a", "feed": "binance", "number": 9 << 60, "offset": 1, "ended": True}
    positions.write_text(json.dumps({"positions": [entry]}), "utf-8")
    for name in ("999999999999", "²", "-1", "1 (copy)", "9" * 30):
        (tmp_path / f"{name}.journal").touch()
    make_writer(tmp_path, number=3).close()
    assert [number for number, _ in journal_files(tmp_path)] == [3]
    assert next_number(tmp_path, positions, "binance") == 4


def test_a_failed_append_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = make_writer(tmp_path)
    writer.append_frames(1, 0, [b"kept"])
    before = (tmp_path / "000000000001.journal").read_bytes()
    real_pwritev = os.pwritev

    def half_then_full(fd: int, pieces: list[bytes], position: int) -> int:
        real_pwritev(fd, [b"".join(pieces)[:10]], position)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwritev", half_then_full)
    with pytest.raises(OSError, match="No space left"):
        writer.append_frames(2, 0, [b"refused"])
    assert (tmp_path / "000000000001.journal").read_bytes() == before
    monkeypatch.undo()
    writer.append_frames(3, 0, [b"after"])
    writer.close()
    frames = [
        frame.data for record in records_in(tmp_path / "000000000001.journal")[:-1] for frame in frames_of(record)
    ]
    assert frames == [b"kept", b"after"]


def one_record(frames: list[bytes]) -> bytes:
    return b"".join(encode_frames(1, 0, frames, ()))


@given(st.lists(st.binary(max_size=40), max_size=5), st.data())
def test_a_file_cut_anywhere_gives_its_whole_records_and_no_damage(frames: list[bytes], data: st.DataObject) -> None:
    whole = one_record([b"first"]) + one_record(frames)
    cut = data.draw(st.integers(0, len(whole)))
    parsed = parse_records(whole[:cut], 0)
    assert not parsed.damaged
    ends = [0, len(one_record([b"first"])), len(whole)]
    assert parsed.end == max(end for end in ends if end <= cut)
    assert find_record(whole[parsed.end : cut], 1) is None


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=5), st.data())
def test_after_a_changed_byte_the_next_record_is_found(frames: list[bytes], data: st.DataObject) -> None:
    bad = bytearray(one_record(frames))
    at = data.draw(st.integers(0, len(bad) - 1))
    bad[at] ^= data.draw(st.integers(1, 255))
    following = one_record([b"next"])
    parsed = parse_records(bytes(bad) + following, 0)
    assert parsed.records == []
    found = find_record(bytes(bad) + following, 1)
    assert found == len(bad)


def test_a_foreign_file_and_a_newer_format_are_distinguished(tmp_path: Path) -> None:
    with pytest.raises(DamagedError):
        decode_header(b"something else entirely, long enough")
    head = journal_format.encode_header("00" * 16, "w", 1, 1, IDENTITY)
    assert decode_header(head[:20]) is None
    with pytest.raises(DamagedError):
        decode_header(head[:-1] + b"!")
    newer = pytest.MonkeyPatch()
    newer.setattr(journal_format, "VERSION", journal_format.VERSION + 1)
    head = journal_format.encode_header("00" * 16, "w", 1, 1, IDENTITY, sources=())
    newer.undo()
    with pytest.raises(NewerDataError):
        decode_header(head)


def test_a_failed_sync_fails_again_with_a_short_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    writer = make_writer(tmp_path)
    writer.append_frames(5, 1, [b"frame"])
    monkeypatch.setattr("os.fdatasync", fail)
    with pytest.raises(OSError, match="Input/output error"):
        writer.sync()
    monkeypatch.undo()
    depths = []
    for _ in range(3):
        with pytest.raises(OSError, match="Input/output error") as caught:
            writer.sync()
        depths.append(len(caught.traceback))
    assert depths == [2, 2, 2]
