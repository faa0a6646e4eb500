"""`collector reprocess`: what it prints, where it writes, and what it refuses."""

import json
from pathlib import Path

import pytest

from collector.cli import main
from tests.reprocess.stored import store_segment, trade_frame, typed, undecoded


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An archive with a trade that was not understood, and a frame that nobody understands."""
    store_segment(tmp_path, [typed(1), undecoded(1, 2, trade_frame(2)), undecoded(1, 3, b"?\x1b[2J")], keep_raw=True)
    return tmp_path / "archive"


def test_it_says_what_became_of_what_and_why_not(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reprocess", str(archive)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "read again: 2 undecoded frames, 1 row with text"
    assert lines[1] == (
        "  binance BTCUSDT trade: 1 rows from frames that are understood now, 1 rows read again from their text"
    )
    assert lines[2] == "still not understood: binance _: 1 frame: malformed JSON"
    assert lines[3].startswith(f"{archive.as_uri()}-reprocessed: 1 segment, 2 objects, 3 rows, ")
    assert lines[3].endswith(" bytes written; no segments left out")
    assert main(["verify", f"{archive}-reprocessed", "--deep"]) == 0


def test_a_dry_run_says_the_same_and_writes_nothing(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reprocess", str(archive), "--dry-run", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["dry_run"] is True
    assert said["streams"] == [
        {
            "exchange": "binance", "symbol": "BTCUSDT", "data_type": "trade",
            "decoded": 1, "texts": 1, "changed": 0, "unread": 0, "converted": 0,
        }
    ]  # fmt: skip
    assert said["undecoded"] == [{"exchange": "binance", "symbol": "_", "reason": "malformed JSON", "frames": 1}]
    assert [path.name for path in archive.parent.iterdir() if "reprocessed" in path.name] == []


def test_a_target_and_a_part_can_be_named(archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["reprocess", str(archive), str(tmp_path / "again"), "--data-type", "trade", "--from", "2026-11-23"]) == 0
    )
    assert [path.parts[-4] for path in (tmp_path / "again").glob("exchange=*/**/*.parquet")] == ["data_type=trade"]
    assert main(["reprocess", str(archive), str(tmp_path / "later"), "--from", "2026-11-24"]) == 0
    assert "0 segments, 0 objects" in capsys.readouterr().out


@pytest.mark.parametrize("target", ["archive", "archive/below", ".", "archive/../archive", "link"])
def test_a_target_in_the_archive_or_around_it_is_refused(
    archive: Path, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (archive.parent / "link").symlink_to("archive")
    assert main(["reprocess", str(archive), str(archive.parent / target)]) == 2
    assert "lie in one another: name another TARGET" in capsys.readouterr().err


def test_a_bucket_without_a_prefix_needs_a_target(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reprocess", "s3://bucket"]) == 2
    assert "has no prefix to put -reprocessed behind: name a TARGET" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--exchange", "nowhere", "no stream of that exchange: nowhere"),
        ("--data-type", "weather", "--data-type weather: no rows are of that type"),
        ("--from", "2027-01-01", "--from must be before --to"),
    ],
)
def test_a_part_that_cannot_be_is_refused(
    archive: Path, option: str, value: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reprocess", str(archive), "--to", "2026-12-01", option, value]) == 2
    assert capsys.readouterr().err == f"error: {said}\n"
    assert not Path(f"{archive}-reprocessed").exists()


def test_a_target_that_is_another_archive_or_somebodys_folder_is_refused(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other/_manifest/date=2026-11-22"
    other.mkdir(parents=True)
    (other / "host-9-20261122T120000Z-4f2a9c.json").write_text("{}", "utf-8")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/todo.txt").write_text("buy milk", "utf-8")
    for target in ("other", "notes"):
        assert main(["reprocess", str(archive), str(tmp_path / target)]) == 2
        assert "name another TARGET" in capsys.readouterr().err
