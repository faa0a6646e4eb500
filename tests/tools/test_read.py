"""What `collector read` says of a recording, of which ten changes of the book are missing, and what it refuses."""

import csv
import json
import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import collector.read
from collector import cli
from collector.read.archive import Archive
from collector.read.errors import QuestionError
from tests.conftest import Lines
from tests.read.recorded_world import RecordedWorld, binance_frames, fetched_book
from tests.read.test_reading_gaps import without
from tests.terminal.pseudo import PseudoTerminal
from tests.whole.running import ROOT

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def recorder(recorded: Lines, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory: a part is archived, one is in the open segment.

    Changes of the book are missing in the first, and a whole book comes some seconds later.
    """
    world = RecordedWorld(tmp_path_factory.mktemp("read") / "data")
    frames = without(binance_frames(recorded, 2_000), b"@depth", slice(60, 70))
    world.fetch(*fetched_book(recorded))
    world.receive(frames[:1_500])
    at_ns, frame = [one for one in frames[:1_500] if b"@depth" in one[1]][110]
    levels = {"bids": [["61000.10", "0.5"], ["61000.00", "2"]], "asks": [["63000.20", "1"], ["63000.30", "0.25"]]}
    world.fetch(at_ns, json.dumps({"lastUpdateId": json.loads(frame)["data"]["U"] - 1, **levels}).encode())
    world.seal()
    world.archive()
    world.receive(frames[1_500:])
    world.commit()
    return world.data_dir


@pytest.fixture(autouse=True)
def configured(recorder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLLECTOR_DATA_DIR", str(recorder))


@pytest.fixture(scope="module")
def archive(recorder: Path) -> Archive:
    return collector.read.open(recorder / "archive", data_dir=recorder)


def said(capsys: Capture, *arguments: str) -> tuple[int, str, str]:
    code = cli.main(["read", *arguments])
    return code, *capsys.readouterr()


def around_hole(archive: Archive, secs: float) -> str:
    """So many seconds behind the beginning of the hole."""
    (row,) = archive.deltas("BTCUSDT", gaps="mark").gaps
    return (datetime.fromtimestamp(row.gap.started_at / 1e6, UTC) + timedelta(seconds=secs)).isoformat()


def period(archive: Archive) -> list[str]:
    """From before the hole into it."""
    return ["--from", around_hole(archive, -2.0), "--to", around_hole(archive, 2.0)]


def test_streams_tells_what_there_is(capsys: Capture) -> None:
    code, out, err = said(capsys, "streams")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0].split() == [
        "exchange",
        "symbol",
        "type",
        "first",
        "(UTC)",
        "last",
        "(UTC)",
        "rows",
        "size",
        "state",
    ]
    assert [line.split()[2] for line in lines[1:]] == ["book_delta", "book_ticker", "trade"]
    assert {line.split()[-1] for line in lines[1:]} == {"open"}


def test_an_archive_that_is_named_is_read_alone(recorder: Path, capsys: Capture) -> None:
    rows = [json.loads(line) for line in said(capsys, "streams", str(recorder / "archive"), "--json")[1].splitlines()]
    assert [(row["data_type"], row["state"]) for row in rows] == [
        ("book_delta", "archived"), ("book_ticker", "archived"), ("trade", "archived"),
    ]  # fmt: skip


def test_the_book_is_a_ladder_as_of_the_end_of_the_recording(archive: Archive, capsys: Capture) -> None:
    code, out, err = said(capsys, "book", "BTCUSDT", "--levels", "2")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0].startswith("binance BTCUSDT  2024-08-08 ")
    assert lines[1].startswith("verified · known to ")
    last = archive.streams().to_pylist()[0]["last"]
    view = archive.book_at("BTCUSDT", last + timedelta(microseconds=1))
    assert view.bids is not None
    assert view.asks is not None
    shown = [float(line.split()[0].replace(",", "")) for line in [*lines[3:5], *lines[6:8]]]
    assert shown == [price for price, _ in [*reversed(view.asks[:2]), *view.bids[:2]]]
    assert "\x1b" not in out


def test_across_a_hole_the_book_is_unknown_with_its_cause_and_never_zero(archive: Archive, capsys: Capture) -> None:
    at = ("--at", around_hole(archive, 1.0))
    code, out, err = said(capsys, "book", "BTCUSDT", *at)
    assert code == 1
    assert out.splitlines()[1] == "unknown"
    assert "sequence, cause" in out
    assert err.startswith("error: rows are missing in that time (1 gap):\n  book_delta 2024-08-08T")
    assert "--gaps ignore reads across them; or choose another time\n" in err
    code, out, err = said(capsys, "book", "BTCUSDT", *at, "--gaps", "mark", "--json")
    told = json.loads(out)
    assert (code, err, told["bids"], told["mid"], len(told["gaps"])) == (0, "", None, None, 1)


def test_depth_refuses_a_hole_and_says_the_ways_on(archive: Archive, capsys: Capture) -> None:
    code, out, err = said(capsys, "depth", "BTCUSDT", *period(archive))
    assert (code, out) == (1, "")
    assert err.startswith("error: rows are missing in that time (1 gap):")
    assert all(f"--gaps {way}" in err for way in ("mark", "split", "ignore"))


def test_depth_marks_the_hole_in_every_form(archive: Archive, tmp_path: Path, capsys: Capture) -> None:
    (gap,) = archive.deltas("BTCUSDT", gaps="mark").gaps
    asked = ["depth", "BTCUSDT", *period(archive), "--every", "500ms", "--levels", "2", "--gaps", "mark"]
    code, out, err = said(capsys, *asked)
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert "unknown" not in lines[1]
    assert [line.split()[-1] for line in lines if "unknown" in line] == [gap.gap.gap_id] * 4
    rows = list(csv.DictReader(StringIO(said(capsys, *asked, "--csv")[1])))
    assert [row["gap_id"] for row in rows] == [""] * 4 + [gap.gap.gap_id] * 4
    assert rows[-1]["bid_price_1"] == rows[-1]["ask_size_2"] == ""
    objects = [json.loads(line) for line in said(capsys, *asked, "--json")[1].splitlines()]
    assert [float(rows[0][f"bid_price_{n}"]) for n in (1, 2)] == objects[0]["bid_prices"]
    assert objects[-1]["bid_prices"] is None
    path = tmp_path / "depth.parquet"
    assert said(capsys, *asked, "--parquet", str(path))[:2] == (0, f"8 rows in {path}\n")
    assert pq.read_table(path)["bid_prices"].to_pylist() == [one["bid_prices"] for one in objects]
    assert [path] == list(tmp_path.iterdir())


def test_depth_ends_with_the_recording_and_has_a_level_at_least(archive: Archive, capsys: Capture) -> None:
    last = next(row["last"] for row in archive.streams().to_pylist() if row["data_type"] == "book_delta")
    begin = (last - timedelta(seconds=1)).isoformat()
    out = said(capsys, "depth", "BTCUSDT", "--from", begin, "--json")[1]
    assert 5 <= len(out.splitlines()) <= 11
    with pytest.raises(QuestionError, match="levels = 0: must be a whole number from 1 on"):
        archive.depth("BTCUSDT", begin, last, levels=0)


def test_bars_stand_below_each_other(archive: Archive, capsys: Capture) -> None:
    code, out, err = said(capsys, "bars", "BTCUSDT", "--every", "10s")
    lines = out.splitlines()
    wanted = archive.bars("BTCUSDT", every="10s").arrow().to_pylist()
    assert (code, err) == (0, "")
    assert lines[0].split()[:7] == ["start", "(UTC)", "open", "high", "low", "close", "volume"]
    assert [float(line.split()[2]) for line in lines[1:]] == [bar["open"] for bar in wanted]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["book", "BTCUSDX"], "error: there is no book_snapshot of BTCUSDX; there is binance BTCUSDT book_delta"),
        (["bars", "BTCUSDT", "--every", "soon"], "error: every = 'soon': must be a number and one of us, ms, s"),
        (["bars", "BTCUSDT", "/nowhere"], "error: /nowhere is not a folder"),
    ],
)
def test_a_question_without_an_answer_is_one_clear_line(arguments: list[str], error: str, capsys: Capture) -> None:
    code, out, err = said(capsys, *arguments)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert err.startswith(error)


def test_a_followed_book_is_drawn_in_place_until_ctrl_c(recorder: Path) -> None:
    command = [sys.executable, "-m", "collector", "read", "book", "BTCUSDT", "--follow"]
    environment = {**os.environ, "TERM": "xterm-256color", "NO_COLOR": "1", "COLLECTOR_DATA_DIR": str(recorder)}
    with PseudoTerminal(80, 24) as terminal:
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=terminal.theirs, stdout=terminal.theirs, stderr=terminal.theirs, env=environment,
            start_new_session=True, preexec_fn=terminal.control,  # noqa: PLW1509 (one system call, which takes no lock)
        )  # fmt: skip
        try:
            terminal.read_until(b"no recorder is running; Ctrl-C ends this view", lambda: process.poll() is None)
            assert b"\x1b[?1049h" in terminal.screen
            assert b"mid 61,8" in terminal.screen
            assert b"\x1b[31m" not in terminal.screen, "no colour is wanted"
            process.send_signal(signal.SIGINT)
            terminal.read_until(b"\x1b[?1049l")
            assert process.wait(60) == 0
        finally:
            process.kill()
            process.wait()


def test_without_a_terminal_a_followed_book_is_printed_until_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.pipe()
    with os.fdopen(theirs, "w", encoding="utf-8") as pipe, os.fdopen(ours, encoding="utf-8") as reader:
        monkeypatch.setattr("sys.stdout", pipe)
        codes = list[int]()
        command = ["read", "book", "BTCUSDT", "--levels", "1", "--follow"]
        follower = threading.Thread(target=lambda: codes.append(cli.main(command)))
        follower.start()
        lines = [reader.readline() for _ in range(6)]
        reader.close()
        follower.join(60)
    assert codes == [0]
    assert lines[4].startswith("── mid ")
    assert max(map(len, lines)) <= 81
