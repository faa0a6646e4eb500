"""What `collector journal --frames` writes is a recording: the simulator and the adapters' tests read it frame by frame."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from collector.cli import main
from collector.simulator.frames import is_text, payload
from collector.simulator.replay import load
from collector.storage.journal.files import journal_path
from collector.storage.journal.format import FeedIdentity, RecordKind
from collector.storage.journal.writer import JournalWriter
from collector.tools.journal_recording import output
from tests.conftest import Lines

NOON_NS = 1_795_435_200_000_000_000
IDENTITY = FeedIdentity("stamps", "bitstamp", ("ethusd",), ("trade",))

Write = Callable[[JournalWriter], None]


def journal(folder: Path, write: Write, number: int = 1) -> Path:
    writer = JournalWriter(folder, IDENTITY, number, 1 << 30, lambda: NOON_NS)
    write(writer)
    writer.close()
    return journal_path(folder, number)


def lines_of(path: Path) -> list[dict[str, Any]]:
    """Read a recording as the tests of adapters do."""
    if path.suffix != ".zst":
        return [json.loads(line) for line in path.read_bytes().splitlines()]
    with pa.input_stream(str(path), compression="zstd") as stream:
        return [json.loads(line) for line in stream.read().splitlines()]


def taken(folder: Path, name: str = "frames.jsonl") -> Path:
    """Write the recording of all journals in a folder."""
    path = folder.parent / name
    assert main(["journal", str(folder), "--frames", "--output", str(path)]) == 0
    return path


@pytest.mark.parametrize("name", ["frames.jsonl", "frames.jsonl.zst"])
def test_a_recording_that_went_through_a_journal_is_read_back_frame_by_frame(
    name: str, tmp_path: Path, recorded: Lines
) -> None:
    received = [line for line in recorded("bitstamp/cryptofeed_v3_BITSTAMP") if line["dir"] == "in"]
    half = len(received) // 2

    def part(lines: list[dict[str, Any]]) -> Write:
        def write(writer: JournalWriter) -> None:
            for line in lines:
                writer.append_frames(line["recv_ts_us"] * 1_000 + 999, 0, [line["raw"].encode()], (), 1)

        return write

    journal(tmp_path / "journal", part(received[:half]), 1)
    journal(tmp_path / "journal", part(received[half:]), 2)
    path = taken(tmp_path / "journal", name)
    again = [line for line in lines_of(path) if line["dir"] == "in"]
    assert [(line["recv_ts_us"], line["raw"]) for line in again] == [
        (line["recv_ts_us"], line["raw"]) for line in received
    ]
    assert [payload(frame.wire) for frame in load([path]).frames] == [line["raw"].encode() for line in received]


def test_frames_of_every_kind_are_replayed_as_they_were_received(tmp_path: Path) -> None:
    frames = [b"text", b"\xff text that is none", b'{"in":"binary"}', b"\x1f\x8b\x00", 'é\x1b[31m\n"'.encode(), b""]
    journal(tmp_path / "journal", lambda writer: writer.append_frames(NOON_NS, 0, frames, (2, 3), 1))
    replayed = load([taken(tmp_path / "journal")]).frames
    assert [payload(frame.wire) for frame in replayed] == frames
    assert [is_text(frame.wire) for frame in replayed] == [True, True, False, False, True, True]


def test_connections_are_told_apart_and_have_their_address(tmp_path: Path) -> None:
    def write(writer: JournalWriter) -> None:
        for number in (1, 2):
            event = {"connection": number, "plan": 0, "url": f"wss://host{number}/path{number}"}
            writer.append_event(RecordKind.CONNECT, NOON_NS, number - 1, event)
            writer.append_frames(NOON_NS, number - 1, [b"%d" % number], (), number)
        writer.append_event(RecordKind.DISCONNECT, NOON_NS, 0, {"connection": 1, "reason": "closed"})

    journal(tmp_path / "journal", write)
    path = taken(tmp_path / "journal")
    assert [frame.stream for frame in load([path]).frames] == ["/path1", "/path2"]
    head, *lines = lines_of(path)
    assert (head["dir"], json.loads(head["raw"])["exchange"]) == ("meta", "bitstamp")
    first, second = (line["conn"] for line in lines if line["dir"] == "in")
    assert first != second
    assert [(line["conn"], line["url"]) for line in lines if line["dir"] == "connect"] == [
        (first, "wss://host1/path1"),
        (second, "wss://host2/path2"),
    ]
    ended = next(line for line in lines if '"disconnect"' in line["raw"])
    assert (ended["dir"], ended["conn"], json.loads(ended["raw"])["reason"]) == ("meta", first, "closed")


def test_a_connection_is_another_in_each_incarnation_of_ingest(tmp_path: Path) -> None:
    for number in (1, 2):
        journal(tmp_path / "journal", lambda writer: writer.append_frames(NOON_NS, 0, [b"x"], (), 1), number)
    first, second = (line["conn"] for line in lines_of(taken(tmp_path / "journal")) if line["dir"] == "in")
    assert first != second


def test_the_journal_is_left_as_it_is(tmp_path: Path) -> None:
    path = journal(tmp_path / "journal", lambda writer: writer.append_frames(NOON_NS, 0, [b"x"], ()))
    before = path.read_bytes(), path.stat().st_mtime_ns, sorted(path.parent.iterdir())
    taken(tmp_path / "journal")
    assert (path.read_bytes(), path.stat().st_mtime_ns, sorted(path.parent.iterdir())) == before


def test_a_file_that_is_there_is_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal(tmp_path / "journal", lambda writer: writer.append_frames(NOON_NS, 0, [b"x"], ()))
    path = tmp_path / "frames.jsonl"
    path.write_text("precious", "utf-8")
    assert main(["journal", str(tmp_path / "journal"), "--frames", "--output", str(path)]) == 2
    assert capsys.readouterr().err == f"error: {path} is there already: name a new file\n"
    assert path.read_text("utf-8") == "precious"


@pytest.mark.parametrize("name", ["frames.jsonl", "frames.jsonl.zst"])
def test_a_recording_that_was_not_finished_is_removed(name: str, tmp_path: Path) -> None:
    path = tmp_path / name

    def interrupted() -> None:
        with output(path) as write:
            write("{}")
            assert path.exists()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not path.exists()


def test_a_file_without_frames_asked_for_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal(tmp_path / "journal", lambda writer: writer.append_frames(NOON_NS, 0, [b"x"], ()))
    assert main(["journal", str(tmp_path / "journal"), "--output", str(tmp_path / "x")]) == 2
    assert capsys.readouterr().err == "error: --output is for --frames\n"
    assert not (tmp_path / "x").exists()


def test_where_there_is_no_journal_no_recording_is_begun(tmp_path: Path) -> None:
    assert main(["journal", str(tmp_path), "--frames", "--output", str(tmp_path / "x")]) == 2
    assert not (tmp_path / "x").exists()


def test_what_is_sound_of_a_damaged_journal_is_written_and_the_damage_told(tmp_path: Path) -> None:
    def write(writer: JournalWriter) -> None:
        for frame in (b"first", b"rotten", b"third"):
            writer.append_frames(NOON_NS, 0, [frame], ())

    path = journal(tmp_path / "journal", write)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"rotten", b"ROTTEN"))
    target = tmp_path / "frames.jsonl"
    assert main(["journal", str(tmp_path / "journal"), "--frames", "--output", str(target)]) == 1
    assert [line["raw"] for line in lines_of(target) if line["dir"] == "in"] == ["first", "third"]
