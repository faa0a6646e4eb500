import subprocess
import sys
from pathlib import Path

import pytest

from collector.storage.store.directory import DirectoryStore
from collector.storage.store.object_store import ObjectStore
from tests.seaweed import ADMIN, Seaweed, environment
from tests.storage.archive.archive_files import IDS, archive, change_entry
from tests.storage.segment.segment_files import NOON_US, message, trade

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
DAY = ("--from", "2026-11-23", "--to", "2026-11-24")


def tool(name: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPTS / name), *arguments]
    return subprocess.run(
        command, env=environment(**variables), capture_output=True, text=True, check=False, timeout=60, encoding="utf-8"
    )


def fill(store: ObjectStore, folder: Path) -> None:
    """Two segments: a trade at 10:30 and one at 11:30."""
    for number in range(2):
        received_us = NOON_US + (number - 2) * 3_600_000_000 + 1_800_000_000
        archive(
            store, folder / f"made{number}", [message(0, number, trade(number), received_us=received_us)],
            segment_id=IDS[number], previous_segment=IDS[number - 1] if number else "",
        )  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    fill(DirectoryStore(tmp_path / "archive"), tmp_path)
    return tmp_path / "archive"


def test_a_period_is_restored_and_verifies(root: Path, tmp_path: Path) -> None:
    dest = tmp_path / "half an hour"
    done = tool("restore.py", str(root), "--from", "2026-11-23T11:00", "--to", "2026-11-23T11:31", str(dest))
    size = next(dest.rglob("*.parquet")).stat().st_size
    assert done.stdout == f"1 segments, 1 objects, {size} bytes in {dest}; no problems\n"
    assert (done.returncode, done.stderr) == (0, "")
    checked = tool("verify_archive.py", str(dest), "--deep")
    assert (checked.stdout, checked.returncode) == (
        f"1 segments, 1 objects, 1 rows, {size} bytes verified; nothing found\n",
        0,
    )


def test_times_may_have_any_time_zone(root: Path, tmp_path: Path) -> None:
    done = tool(
        "restore.py", str(root), str(tmp_path / "d"), "--from=2026-11-23T13:30:30+02:00", "--to=2026-11-23T12:00Z"
    )
    assert done.stderr.startswith("error: ")
    assert "has nothing of that time" in done.stderr
    done = tool(
        "restore.py", str(root), str(tmp_path / "d"), "--from=2026-11-23T13:30:00+02:00", "--to=2026-11-23T12:00Z"
    )
    assert done.stdout.startswith("1 segments, 1 objects")


def test_a_bucket_is_restored(seaweed: Seaweed, tmp_path: Path) -> None:
    bucket = seaweed.new_bucket()
    fill(seaweed.store(bucket), tmp_path)
    reach = {**ADMIN, "COLLECTOR_ARCHIVE__ENDPOINT_URL": seaweed.endpoint_url}
    done = tool("restore.py", f"s3://{bucket}", *DAY, "--symbol", "BTC/USD", str(tmp_path / "dest"), **reach)
    assert done.stdout.startswith("2 segments, 2 objects"), done.stderr
    again = tool("restore.py", f"s3://{bucket}", *DAY, "--symbol", "BTC/USD", str(tmp_path / "dest"), **reach)
    assert "(2 were there before); no problems" in again.stdout
    assert (again.returncode, again.stderr) == (0, "")


def test_objects_missing_in_the_archive_are_named_with_exit_1(root: Path, tmp_path: Path) -> None:
    next(root.rglob("*.parquet")).unlink()
    done = tool("restore.py", str(root), *DAY, str(tmp_path / "dest"))
    missing, summary = done.stdout.splitlines()
    assert missing.endswith("it is not there")
    assert summary.startswith("2 segments, 1 objects")
    assert done.returncode == 1
    assert tool("verify_archive.py", str(tmp_path / "dest")).stdout.startswith("missing")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--from", "2026-11-24", "--to", "2026-11-23"), "--from must be before --to"),
        (("--from", "yesterday", "--to", "2026-11-23"), "'yesterday' is neither a time like 2026-11-23T14:00"),
        (("--from", "2020-01-01", "--to", "2020-01-02"), "has nothing of that time"),
        ((*DAY, "--symbol", "NOPE"), "no stream of that symbol: NOPE"),
        ((*DAY, "--exchange"), "expected one argument"),
    ],
)
def test_impossible_arguments_are_named_with_exit_2(
    root: Path, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = tool("restore.py", str(root), str(tmp_path / "dest"), *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "dest").exists()


def test_a_damaged_entry_is_named_with_exit_1_and_the_rest_is_restored(root: Path, tmp_path: Path) -> None:
    change_entry(next(root.glob("_manifest/*/*.json")), 0, key="../../outside.parquet")
    done = tool("restore.py", str(root), *DAY, str(tmp_path / "dest"))
    damaged, summary = done.stdout.splitlines()
    assert damaged.startswith("../../outside.parquet: its key should be exchange=toy/")
    assert summary.startswith("1 segments, 1 objects")
    assert (done.returncode, done.stderr) == (1, "")
    assert tool("verify_archive.py", str(tmp_path / "dest")).returncode == 0


def test_an_unwritable_folder_is_named_with_exit_2(root: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    before = sorted(tmp_path.rglob("*"))
    for dest in (tmp_path / "file", Path("/proc/nowhere")):
        done = tool("restore.py", str(root), *DAY, str(dest))
        assert (done.returncode, done.stdout) == (2, "")
        (line,) = done.stderr.splitlines()
        assert line.startswith(f"error: {dest}: ")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("dest", ["", "day"])
def test_a_folder_in_the_archive_itself_is_refused(root: Path, dest: str) -> None:
    before = sorted(root.rglob("*"))
    done = tool("restore.py", str(root), *DAY, str(root / dest))
    assert (done.returncode, done.stdout) == (2, "")
    assert "lies in the archive itself" in done.stderr
    assert sorted(root.rglob("*")) == before


@pytest.mark.parametrize("dest", ["s3://bucket/day", "ftp://example.org/day", "s3:/bucket", "file://day"])
def test_only_a_local_folder_is_written_to(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dest: str
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    done = tool("restore.py", str(root), *DAY, dest)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert "is not a local folder" in line
    assert not list(Path().iterdir())


def test_a_folder_that_is_no_archive_is_named_with_exit_2(root: Path, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    root.rename(data_dir / "archive")
    hints = {data_dir: f"; a recorder's archive is {data_dir / 'archive'}", tmp_path / "nowhere": ""}
    for folder, hint in hints.items():
        done = tool("restore.py", str(folder), *DAY, str(tmp_path / "dest"))
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"error: there is no archive in {folder}{hint}\n"
    assert not (tmp_path / "dest").exists()


def test_a_file_url_names_a_folder_to_write_to(root: Path, tmp_path: Path) -> None:
    done = tool("restore.py", str(root), *DAY, (tmp_path / "the day").as_uri())
    assert done.returncode == 0, done.stderr
    assert tool("verify_archive.py", str(tmp_path / "the day")).returncode == 0


def test_help_shows_examples() -> None:
    done = tool("restore.py", "--help")
    assert done.returncode == 0
    assert "scripts/restore.py s3://bucket/prefix --from 2026-11-23 --to 2026-11-24 ./day" in done.stdout


def test_the_tool_is_executable() -> None:
    assert (SCRIPTS / "restore.py").stat().st_mode & 0o111
