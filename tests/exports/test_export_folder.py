"""An export appears once it is whole, and is the same from a bucket as from a folder."""

import hashlib
import os
import signal
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import collector.read
from collector import cli
from collector.exports.day_files import DayFiles
from collector.exports.event_file import EventFile
from collector.exports.nautilus_files import DayFile
from collector.tools import export as command
from tests.conftest import Lines
from tests.processes.archiver.archiver_harness import in_a_child
from tests.read.recorded_world import Frame, RecordedWorld, fetched_book
from tests.seaweed import Seaweed

FORMATS = ("hftbacktest", "nautilus", "tardis")
DEADLY: dict[str, tuple[str, Any, str]] = {
    "at the first rows of a CSV file": ("tardis", DayFiles, "write"),
    "before events are put into order": ("hftbacktest", EventFile, "finish"),
    "before a file of the catalog has its name": ("nautilus", DayFile, "finish"),
    "when all is written but the gaps": ("nautilus", command, "write_gaps"),
}
"""A format, and what its export dies in."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, frames: list[Frame], recorded: Lines) -> RecordedWorld:
    """An archive of one segment."""
    world = RecordedWorld(tmp_path_factory.mktemp("whole") / "data")
    world.fetch(*fetched_book(recorded))
    world.receive(frames[:600])
    world.seal()
    world.archive()
    return world


def export(place: str | Path, form: str, dest: Path) -> int:
    return cli.main(["export", form, str(place), str(dest), "--symbol", "BTCUSDT", "--gaps", "mark"])


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def killed(place: Path, form: str, dest: Path, owner: Any, method: str) -> None:
    setattr(owner, method, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    export(place, form, dest)


@pytest.mark.parametrize("moment", DEADLY)
def test_after_a_kill_nothing_is_left_that_looks_whole_and_the_next_export_is(
    whole: RecordedWorld, tmp_path: Path, moment: str
) -> None:
    form, owner, method = DEADLY[moment]
    place, dest = whole.data_dir / "archive", tmp_path / "out"
    assert in_a_child(partial(killed, place, form, dest, owner, method)) == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".out-")
    assert export(place, form, dest) == 0
    assert (dest / "gaps.csv").exists()


def test_from_a_bucket_an_export_is_the_same(
    whole: RecordedWorld, seaweed: Seaweed, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = whole.data_dir / "archive"
    store = seaweed.store(bucket, "archive")
    for key, content in contents(place).items():
        store.put(key, place / key, hashlib.sha256(content).hexdigest())
    monkeypatch.setenv("COLLECTOR_ARCHIVE__ENDPOINT_URL", seaweed.endpoint_url)
    for form in FORMATS:
        assert export(place, form, tmp_path / form / "folder") == 0
        assert export(f"s3://{bucket}/archive", form, tmp_path / form / "bucket") == 0
        files = contents(tmp_path / form / "folder")
        assert len(files) > 1
        assert contents(tmp_path / form / "bucket") == files


def test_a_stretch_in_which_no_row_falls_leaves_no_folder(
    whole: RecordedWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (first,) = {
        row["first"]
        for row in collector.read.open(whole.data_dir / "archive").streams().to_pylist()
        if row["data_type"] == "trade"
    }
    times = ["--from", first.isoformat(), "--to", (first + timedelta(microseconds=1)).isoformat()]
    dest = tmp_path / "csv"
    arguments = ["export", "tardis", str(whole.data_dir / "archive"), str(dest), "--symbol", "BTCUSDT", *times]
    assert cli.main([*arguments, "--data-type", "trades", "--gaps", "mark"]) == 0
    assert any("_trades_" in path.name for path in dest.iterdir())
    assert (
        cli.main([*arguments[:3], str(tmp_path / "quotes"), *arguments[4:], "--data-type", "quotes", "--gaps", "mark"])
        == 2
    )
    assert "nothing was recorded in that time" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["csv"]
