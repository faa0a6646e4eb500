"""`collector compact` as a person runs it: what it says, its exit codes, where day files go."""

import json
from pathlib import Path

import pytest

from collector import cli
from collector.storage.store.directory import DirectoryStore
from tests.compaction.compaction_archive import FIRST, IDS, SECOND, fill, prune


def compact(tmp_path: Path, *arguments: str) -> int:
    return cli.main(["compact", str(tmp_path / "archive"), "--to", "2026-11-25", *arguments])


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive whose two days are over."""
    monkeypatch.setattr("collector.tools.compact.time_ns", lambda: 1_800_000_000_000_000_000)
    fill(DirectoryStore(tmp_path / "archive"), tmp_path / "made")
    return tmp_path / "archive"


def test_it_says_a_line_a_day_and_puts_the_files_beside_the_archive(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compact(tmp_path) == 0
    first, other, second, total = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{FIRST} host-1: 7 files are in 3 day files (generation 1), 17 rows, ")
    assert other.startswith(f"{FIRST} host-2: ")
    assert second.startswith(f"{SECOND} host-1: ")
    assert total == f"{archive.as_uri()}-daily: 3 days, 7 day files made"
    assert len(list(Path(f"{archive}-daily").rglob("*.parquet"))) == 7


def test_a_program_reads_an_object(archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compact(tmp_path, "--json", "--dry-run") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["dry_run"], found["daily"]) == (True, f"{archive.as_uri()}-daily")
    assert [(day["date"], day["generation"], day["files"]) for day in found["days"]] == [
        (FIRST, 1, 3), (FIRST, 1, 2), (SECOND, 1, 2),
    ]  # fmt: skip
    assert not Path(f"{archive}-daily").exists()


def test_a_day_that_stays_is_named_and_the_exit_code_is_1(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (archive / f"_manifest/date={FIRST}/host-1-{IDS[0]}.json").write_text("{", "utf-8")
    assert compact(tmp_path) == 1
    assert f"{FIRST} host-1 stays: _manifest/date={FIRST}/host-1-{IDS[0]}.json: " in capsys.readouterr().out


def test_today_is_never_compacted(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noon = 1_795_435_200_000_000_000
    monkeypatch.setattr("collector.tools.compact.time_ns", lambda: noon)
    assert compact(tmp_path, "--from", FIRST) == 0
    assert list(Path(f"{archive}-daily").rglob("*.parquet")) == []


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--from", "2026-11-25"], "--from must be before --to"),
        (["--symbol", "BTCUSD"], "no stream of that symbol: BTCUSD"),
        (["--exchange", "binanse"], "no stream of that exchange: binanse"),
        (["--daily", "{archive}/daily"], "must lie beside the archive"),
        (["--daily", "{archive}"], "must lie beside the archive"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    archive: Path, tmp_path: Path, arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compact(tmp_path, *(one.format(archive=archive) for one in arguments)) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert line in said


def test_a_whole_bucket_needs_a_name_for_its_day_files(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["compact", "s3://bucket"]) == 2
    assert "name another for its day files, with archive.daily_url or --daily" in capsys.readouterr().err


def test_the_configured_tree_is_that_of_the_configured_archive(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLLECTOR_ARCHIVE__URL", archive.as_uri())
    monkeypatch.setenv("COLLECTOR_ARCHIVE__DAILY_URL", (tmp_path / "days").as_uri())
    assert cli.main(["compact"]) == 0
    assert len(list((tmp_path / "days").rglob("*.parquet"))) == 7


def test_days_that_were_pruned_before_are_told_in_one_line(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prune(archive, SECOND)
    assert compact(tmp_path) == 0
    capsys.readouterr()
    assert compact(tmp_path) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "2 days have files that cannot be in day files: --json says why"
    assert compact(tmp_path, "--json") == 0
    reasons = [line for day in json.loads(capsys.readouterr().out)["days"] for line in day["left"]]
    assert "binance BTCUSDT trade: objects of it were pruned" in reasons


def test_an_archive_is_never_the_place_of_its_own_day_files_however_it_is_spelled(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = sorted(archive.rglob("*"))
    assert compact(tmp_path, "--daily", f"{tmp_path}/made/../archive") == 2
    Path(f"{archive}-daily").symlink_to(archive)
    assert compact(tmp_path) == 2
    assert [line.count("must lie beside the archive") for line in capsys.readouterr().err.splitlines()] == [1, 1]
    assert sorted(archive.rglob("*")) == files


def test_the_configured_archive_has_its_configured_tree_however_it_is_spelled(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLLECTOR_ARCHIVE__URL", archive.as_uri())
    monkeypatch.setenv("COLLECTOR_ARCHIVE__DAILY_URL", (tmp_path / "days").as_uri())
    assert cli.main(["compact", f"{archive}/_manifest/.."]) == 0
    assert len(list((tmp_path / "days").rglob("*.parquet"))) == 7


def test_what_is_no_tree_of_day_files_is_left_alone(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(DirectoryStore(tmp_path / "other"), tmp_path / "made-other")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/todo.txt").write_text("buy milk", "utf-8")
    before = sorted(tmp_path.rglob("*"))
    for daily in ("other", "notes"):
        assert compact(tmp_path, "--daily", str(tmp_path / daily)) == 2
        assert "day files need a place of their own" in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before
    assert compact(tmp_path) == 0
    assert cli.main(["compact", f"{archive}-daily"]) == 2
    assert "has day files: name the archive that they were made of" in capsys.readouterr().err


def test_an_archive_with_some_day_files_in_it_is_refused_whichever_it_is_named_as(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compact(tmp_path) == 0
    (manifest,) = Path(f"{archive}-daily/_manifest/date={SECOND}").iterdir()
    (archive / f"_manifest/date={SECOND}" / manifest.name).write_bytes(manifest.read_bytes())
    assert compact(tmp_path, "--daily", str(tmp_path / "new")) == 2
    assert "has day files: name the archive" in capsys.readouterr().err
