"""The journal's inspector, started as a person would."""

import importlib
import json
import re
import subprocess
import sys
import tracemalloc
import weakref
from pathlib import Path

import pytest

from collector.cli import run_command
from collector.storage.journal.files import journal_path
from collector.storage.journal.format import FeedIdentity, JournalHeader, RecordKind, decode_header
from collector.storage.journal.relayed import IN_SLICE, RelayedHead
from collector.storage.journal.writer import JournalWriter

TOOL = Path(__file__).resolve().parents[2] / "scripts/inspect_journal.py"
NOON_NS = 1_795_435_200_000_000_000


def inspect(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(TOOL), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        encoding="utf-8",
    )


def journal(folder: Path, number: int = 1) -> Path:
    identity = FeedIdentity("binance", "binance", ("BTCUSDT",), ("trade",))
    writer = JournalWriter(folder / "journal/binance", identity, number, 1 << 20, lambda: NOON_NS)
    writer.append_event(RecordKind.CONNECT, NOON_NS, 0, {"connection": 1, "plan": 0})
    writer.append_frames(NOON_NS, 0, [b'{"a":1}', b"two\x1b[31m"])
    writer.append_frames(NOON_NS + 1_000_000_000, 0, [b"three"])
    writer.close()
    return journal_path(folder / "journal/binance", number)


def test_the_summary_names_the_feed_its_records_and_their_times(tmp_path: Path) -> None:
    journal(tmp_path)
    done = inspect(str(tmp_path), "--json")
    (summary,) = json.loads(done.stdout)
    assert done.returncode == 0
    assert (summary["feed"], summary["frames"], summary["closed"]) == ("binance", 3, True)
    assert summary["records"] == {"connect": 1, "frames": 2, "close": 1}
    assert summary["first_received_at"] == "2026-11-23T12:00:00.000000Z"


def test_the_table_is_never_cut_in_a_pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    path = journal(tmp_path)
    heading, row = inspect(str(path)).stdout.splitlines()
    assert heading.split()[:4] == ["feed", "file", "frames", "bytes"]
    assert row.split() == [
        "binance", path.name, "3", f"{path.stat().st_size:,}", "2026-11-23T12:00:00", "2026-11-23T12:00:01",
        header_of(path).incarnation, "closed",
    ]  # fmt: skip


def header_of(path: Path) -> JournalHeader:
    header = decode_header(path.read_bytes())
    assert header is not None
    return header


def test_the_incarnation_of_a_file_is_named_and_whether_it_lives(tmp_path: Path) -> None:
    identity = FeedIdentity("binance", "binance", ("BTCUSDT",), ("trade",))
    old, new = (JournalWriter(tmp_path, identity, 1, 1 << 20, lambda: NOON_NS) for _ in range(2))
    old.close()
    summaries = json.loads(inspect(str(tmp_path), "--json").stdout)
    told = [(summary["incarnation"], summary["alive"]) for summary in summaries]
    assert told == [(old.incarnation, False), (new.incarnation, True)]
    assert f"{new.incarnation} (alive)" in inspect(str(tmp_path)).stdout
    new.close()


def test_a_torn_tail_is_not_called_damage(tmp_path: Path) -> None:
    path = journal(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    done = inspect(str(path))
    assert done.returncode == 0
    assert "torn by" in done.stdout
    middle = whole.index(b"three")
    path.write_bytes(whole[:middle] + b"T" + whole[middle + 1 :])
    done = inspect(str(path))
    assert done.returncode == 1
    assert "damaged" in done.stdout


@pytest.mark.parametrize("content", [b"garbage", b"root:x:0:0:root:/root:/bin/bash\n" * 9], ids=["short", "long"])
@pytest.mark.parametrize("asked", ["--frames", "--records", "--json", ""])
def test_a_file_that_is_no_journal_is_named_in_whatever_form_is_asked_for(
    tmp_path: Path, content: bytes, asked: str
) -> None:
    path = tmp_path / "1.journal"
    path.write_bytes(content)
    done = inspect(str(path), *filter(None, [asked]))
    assert done.returncode == 1
    if asked in {"--frames", "--records"}:
        assert (done.stdout, done.stderr) == ("", f"error: {path}: not a journal file\n")
    else:
        assert "not a journal file" in done.stdout


def test_damage_between_frames_is_said_beside_them(tmp_path: Path) -> None:
    path = journal(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"two", b"TWO"))
    done = inspect(str(path), "--frames")
    assert (done.returncode, "three" in done.stdout) == (1, True)
    assert re.fullmatch(rf"error: {path}: [\d,]+ bytes damaged\n", done.stderr)


@pytest.mark.parametrize(("kept", "state"), [(7, "torn by 7 bytes"), (0, "empty")])
def test_a_head_that_was_not_written_whole_is_not_called_open(tmp_path: Path, kept: int, state: str) -> None:
    path = journal(tmp_path)
    path.write_bytes(path.read_bytes()[:kept])
    done = inspect(str(path))
    assert done.returncode == 0
    assert done.stdout.splitlines()[1].endswith(state)


def test_frames_and_events_are_shown_without_escapes(tmp_path: Path) -> None:
    path = journal(tmp_path)
    frames = inspect(str(path), "--frames").stdout
    assert [json.loads(line)["raw"] for line in frames.splitlines() if '"dir":"in"' in line] == [
        '{"a":1}',
        "two\x1b[31m",
        "three",
    ]
    assert "\x1b" not in frames
    assert '"connection": 1' in inspect(str(path), "--records").stdout


@pytest.mark.parametrize(("asked", "each"), [("--json", '"number"'), ("--frames", "three"), ("--records", "close {}")])
def test_two_files_are_never_in_memory_at_once(
    asked: str, each: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(TOOL.parent)
    tool = importlib.import_module("collector.tools.inspect_journal")
    alive = weakref.WeakSet[object]()
    others = []

    class Watched(tool.Inspection):  # type: ignore[name-defined, misc]
        def __init__(self, path: Path) -> None:
            others.append(len(alive))
            alive.add(self)
            super().__init__(path)

    monkeypatch.setattr(tool, "Inspection", Watched)
    for number in range(3):
        journal(tmp_path, number)
    assert run_command("journal", TOOL.name, [str(tmp_path), asked]) == 0
    assert others == [0, 0, 0]
    assert capsys.readouterr().out.count(each) == 3


def test_a_file_takes_little_more_memory_than_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(TOOL.parent)
    tool = importlib.import_module("collector.tools.inspect_journal")
    identity = FeedIdentity("binance", "binance", ("BTCUSDT",), ("trade",))
    writer = JournalWriter(tmp_path, identity, 1, 1 << 30, lambda: NOON_NS)
    for _ in range(1_000):
        writer.append_frames(NOON_NS, 0, [b"x" * 10_000] * 2)
    rotten = writer.position
    writer.append_frames(NOON_NS, 0, [b"rotten"])
    damaged_bytes = writer.position - rotten
    writer.append_frames(NOON_NS, 0, [b"longer than a piece" * 100_000])
    path = journal_path(tmp_path, 1)
    with path.open("r+b") as file:
        file.seek(rotten + 8)
        file.write((1 << 20).to_bytes(4, "little"))
        file.seek(0, 2)
        file.write(b"\xd3JRC")
    tracemalloc.start()
    try:
        summary = tool.Inspection(path).summary()
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (summary["frames"], summary["damaged_bytes"], summary["torn_bytes"]) == (2_001, damaged_bytes, 4)
    assert peak_bytes < 1.5 * path.stat().st_size


def test_a_folder_without_journals_gives_one_line(tmp_path: Path) -> None:
    done = inspect(str(tmp_path))
    assert done.returncode == 2
    assert done.stderr == f"error: there is no journal at {tmp_path}\n"


def test_of_a_relays_journal_each_slice_and_the_frames_in_it_are_shown(tmp_path: Path) -> None:
    edge = journal(tmp_path / "edge").read_bytes()
    header = decode_header(edge)
    assert header is not None
    streamless = FeedIdentity("binance", "binance", (), ())
    writer = JournalWriter(tmp_path / "journal/binance", streamless, 1, 1 << 20, lambda: NOON_NS, sources=lambda: ())
    head = RelayedHead("edge-1", 1, "x", header.file_id, 4, 0, len(edge), IN_SLICE, late=True)
    writer.append_relayed(NOON_NS, 1, lambda _number: head, edge)
    writer.close()
    folder = str(tmp_path / "journal")
    (summary,) = json.loads(inspect(folder, "--json").stdout)
    assert (summary["frames"], summary["records"]) == (3, {"relayed": 1, "close": 1})
    shown = inspect(folder, "--records").stdout.splitlines()
    told = {"edge": "edge-1", "file": 4, "bytes": [0, len(edge)], "records": 4, "frames": 3, "late": True}
    assert json.loads(shown[0].partition(" relayed ")[2]) == told
    assert shown[1].endswith("close {}")
    lines = [json.loads(line) for line in inspect(folder, "--frames").stdout.splitlines()]
    assert [line["raw"] for line in lines if line["dir"] == "in"] == ['{"a":1}', "two\x1b[31m", "three"]
    assert {json.loads(line["raw"])["feed"] for line in lines if line["conn"] == "header"} == {
        "binance",
        "binance@edge-1",
    }
