"""`collector export hftbacktest`: events of a recording."""

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from collector import cli
from collector.exports import event_file
from collector.exports.events import AT_EXCHANGE, AT_LOCAL, EVENT
from tests.conftest import Lines
from tests.exports.test_tardis import export as tardis
from tests.exports.test_tardis import rows_of
from tests.read.recorded_world import Frame, RecordedWorld, fetched_book
from tests.read.test_books_read import recorded_book
from tests.read.test_reading_gaps import without


@pytest.fixture
def whole(world: RecordedWorld, frames: list[Frame], recorded: Lines) -> RecordedWorld:
    recorded_book(world, frames, fetched_book(recorded))
    return world


def export(world: RecordedWorld, dest: Path, *arguments: str) -> int:
    place = str(world.data_dir / "archive")
    given = ["--symbol", "BTCUSDT", "--data-dir", str(world.data_dir), *arguments]
    return cli.main(["export", "hftbacktest", place, str(dest), *given])


def events_of(dest: Path) -> Any:
    return np.load(dest / "binance_2024-08-08_BTCUSDT.npz")["data"]


def test_every_level_and_trade_is_an_event_of_both_clocks(whole: RecordedWorld, tmp_path: Path) -> None:
    assert export(whole, tmp_path / "npz") == 0
    assert tardis(whole, tmp_path / "csv", "--data-type", "trades", "--data-type", "incremental_book_L2") == 0
    found = events_of(tmp_path / "npz")
    assert found.dtype == EVENT
    levels, trades = rows_of(tmp_path / "csv", "incremental_book_L2"), rows_of(tmp_path / "csv", "trades")
    for mark in (AT_EXCHANGE, AT_LOCAL):
        own = found[found["ev"] & np.uint64(mark) != 0]
        kinds = own["ev"] & np.uint64(0xFF)
        assert sorted(own["px"][kinds == 2]) == sorted(float(row["price"]) for row in trades)
        for kind, is_whole in ((1, "false"), (4, "true")):
            expected = [(float(row["price"]), float(row["amount"])) for row in levels if row["is_snapshot"] == is_whole]
            assert sorted(zip(own["px"][kinds == kind], own["qty"][kinds == kind], strict=True)) == sorted(expected)


def test_a_whole_book_first_clears_each_side_to_its_worst_price(whole: RecordedWorld, tmp_path: Path) -> None:
    assert export(whole, tmp_path / "npz") == 0
    found = events_of(tmp_path / "npz")
    found = found[found["ev"] & np.uint64(AT_LOCAL) != 0]
    kinds = found["ev"] & np.uint64(0xFF)
    for side, worst in ((1 << 29, np.min), (1 << 28, np.max)):
        own = found["ev"] & np.uint64(side) != 0
        (clear,) = np.flatnonzero((kinds == 3) & own)
        book = found["px"][(kinds == 4) & own]
        assert found["px"][clear] == worst(book)
        assert kinds[clear + 1] == 4
        assert (np.diff(book) * (1 if side == 1 << 28 else -1) > 0).all()


def test_no_event_is_received_before_it_was_made_and_the_command_says_what_was_moved(
    whole: RecordedWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(whole, tmp_path / "npz") == 0
    found = events_of(tmp_path / "npz")
    assert (found["local_ts"] - found["exch_ts"]).min() == 0
    assert "local times of 2024-08-08 moved by 1" in capsys.readouterr().out


def test_in_pieces_of_any_size_the_file_is_the_same(
    whole: RecordedWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert export(whole, tmp_path / "one") == 0
    monkeypatch.setattr(event_file, "_AT_ONCE", 100)
    assert export(whole, tmp_path / "two") == 0
    one, two = (next((tmp_path / name).iterdir()).read_bytes() for name in ("one", "two"))
    assert one == two
    with zipfile.ZipFile(tmp_path / "one" / "binance_2024-08-08_BTCUSDT.npz") as file:
        (member,) = file.infolist()
        assert (member.filename, member.date_time[0]) == ("data.npy", 1980)
        assert file.read("data.npy")[6:8] == bytes([1, 0])


def test_without_numpy_the_command_names_what_to_install(whole: RecordedWorld, tmp_path: Path) -> None:
    code = "import sys; sys.modules['numpy'] = None; from collector.cli import console; console()"
    place = str(whole.data_dir / "archive")
    done = subprocess.run(
        [sys.executable, "-c", code, "export", "hftbacktest", place, str(tmp_path / "npz"), "--symbol", "BTCUSDT"],
        capture_output=True, text=True, check=False, timeout=120, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "error: numpy is not installed: pip install numpy (the extra 'read' brings it)\n"


def test_gaps_are_refused_or_told(
    world: RecordedWorld, frames: list[Frame], recorded: Lines, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = recorded_book(world, without(frames, b"@trade", slice(100, 110)), fetched_book(recorded))
    assert export(world, tmp_path / "refused") == 1
    assert "trade 2024-08-08T23:54:" in capsys.readouterr().err
    assert not (tmp_path / "refused").exists()
    assert export(world, tmp_path / "told", "--gaps", "mark") == 0
    (gap,) = archive.trades("BTCUSDT", gaps="mark").gaps
    lines = (tmp_path / "told" / "gaps.csv").read_text("utf-8").splitlines()
    assert len(lines) == 2
    assert gap.gap.gap_id in lines[1]
