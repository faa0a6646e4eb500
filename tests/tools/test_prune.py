"""`collector prune` as a person runs it: what it says, its exit codes, and killed in the middle."""

import json
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from collector import cli
from collector.domain.errors import StoreError
from collector.domain.records import StreamKey
from collector.storage.archive.manifest import Manifest
from collector.storage.archive.verify import Verification
from collector.storage.store.deleting import DeletingDirectoryStore
from collector.storage.store.object_store import ObjectStore
from tests.seaweed import ADMIN, RECORDER, Seaweed, environment
from tests.storage.archive.archive_files import archive
from tests.storage.segment.segment_files import message, trade
from tests.storage.store.test_s3_permissions import allowed, documented_policy

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_SECS = 60.0
NOON_US = 1_577_880_000_000_000  # 2020-01-01T12:00:00Z
DAY_US = 86_400_000_000
DAYS = ["2020-01-01", "2020-01-02", "2020-01-03"]
IDS = [f"202001{day:02}T120000Z-4f2a9c" for day in (1, 2, 3)]


def fill(store: ObjectStore, folder: Path, symbols: Iterable[str] = ("BTC/USD",)) -> list[Manifest]:
    """A segment for each of three days in 2020, with two trades of each symbol."""
    streams = [StreamKey("toy", symbol, "trade") for symbol in symbols]
    made = []
    for day, segment_id in enumerate(IDS):
        messages = [
            message(number, id_, trade(id_), received_us=NOON_US + day * DAY_US + id_)
            for number in range(len(streams))
            for id_ in (0, 1)
        ]
        previous = IDS[day - 1] if day else ""
        place = folder / segment_id
        made.append(archive(store, place, messages, streams, segment_id=segment_id, previous_segment=previous))
    return made


@pytest.fixture
def made(tmp_path: Path) -> list[Manifest]:
    return fill(DeletingDirectoryStore(tmp_path / "archive"), tmp_path / "made")


def prune(tmp_path: Path, *arguments: str) -> int:
    return cli.main(["prune", str(tmp_path / "archive"), *arguments])


def files(tmp_path: Path) -> list[Path]:
    return sorted(path for path in (tmp_path / "archive").rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "age", ["90", "d", "0d", "-1d", "1.5d", "90 d", "90days", "12h", "1m", "", "100000d", "99999w ", "\u0669d"]
)
def test_an_age_that_is_none_gets_one_line(
    tmp_path: Path, made: list[Manifest], age: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(tmp_path)
    assert prune(tmp_path, f"--older-than={age}") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: --older-than: ")
    assert "days like 90d" in line
    assert files(tmp_path) == before


@pytest.mark.parametrize("age", ["90d", "12w"])
def test_old_days_go_and_each_is_a_line(
    tmp_path: Path, made: list[Manifest], age: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prune(tmp_path, "--older-than", age) == 0
    *days, totals = capsys.readouterr().out.splitlines()
    assert days == [
        f"{day}: 1 object, 2 rows, {manifest.objects[0].bytes} bytes removed"
        for day, manifest in zip(DAYS, made, strict=True)
    ]
    assert "3 days, 3 objects, 6 rows, " in totals
    assert not list((tmp_path / "archive").rglob("*.parquet"))


def test_a_dry_run_names_the_same_days_and_changes_nothing(
    tmp_path: Path, made: list[Manifest], capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(tmp_path)
    assert prune(tmp_path, "--older-than", "90d", "--dry-run") == 0
    would = capsys.readouterr().out
    assert files(tmp_path) == before
    assert prune(tmp_path, "--older-than", "90d") == 0
    assert capsys.readouterr().out == would.replace("would go", "removed")


@pytest.mark.parametrize("most", [1, 2, 3])
def test_an_archive_of_too_many_objects_is_pruned_in_several_looks(
    tmp_path: Path, made: list[Manifest], most: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each day once, in order, and a day that stays does not come again."""
    monkeypatch.setattr("collector.storage.archive.old_days.MOST_KEYS", most)
    (tmp_path / "archive" / made[1].objects[0].key).write_bytes(b"rotten")
    assert prune(tmp_path, "--older-than", "90d") == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines[:-2]] == [DAYS[0], f"{DAYS[1]} stays", DAYS[2]]
    assert "2 days, 2 objects, 4 rows, " in lines[-2]


def test_nothing_old_is_no_error(tmp_path: Path, made: list[Manifest], capsys: pytest.CaptureFixture[str]) -> None:
    before = files(tmp_path)
    assert prune(tmp_path, "--older-than", "50000d") == 0
    assert "0 days, 0 objects, 0 rows, 0 bytes removed" in capsys.readouterr().out
    assert files(tmp_path) == before


def test_a_day_that_does_not_verify_is_named_and_the_exit_code_says_so(
    tmp_path: Path, made: list[Manifest], capsys: pytest.CaptureFixture[str]
) -> None:
    (bad,) = made[1].objects
    (tmp_path / "archive" / bad.key).write_bytes(b"rotten")
    assert prune(tmp_path, "--older-than", "90d") == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines[:3]] == [DAYS[0], f"{DAYS[1]} stays", DAYS[2]]
    assert f"differs {bad.key}" in lines[1]
    assert lines[-1] == "1 day left as they are: they do not verify"
    assert (tmp_path / "archive" / bad.key).read_bytes() == b"rotten"


def test_of_many_reasons_three_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = DeletingDirectoryStore(tmp_path / "archive")
    made = fill(store, tmp_path / "made", [f"S{number}" for number in range(6)])
    for entry in made[0].objects[:5]:
        (tmp_path / "archive" / entry.key).unlink()
    assert prune(tmp_path, "--older-than", "90d") == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith(f"{DAYS[0]} stays")]
    assert len(lines) == 4
    assert lines[-1] == f"{DAYS[0]} stays: 2 more findings; collector verify lists them"


def test_json_has_the_totals_and_each_day(
    tmp_path: Path, made: list[Manifest], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "archive" / made[1].objects[0].key).write_bytes(b"rotten")
    assert prune(tmp_path, "--older-than", "90d", "--json", "--dry-run") == 1
    told = json.loads(capsys.readouterr().out)
    gone = [manifest.objects[0] for manifest in (made[0], made[2])]
    assert (told["dry_run"], told["objects"], told["rows"]) == (True, 2, 4)
    assert told["bytes"] == sum(entry.bytes for entry in gone)
    assert [day["date"] for day in told["days"]] == DAYS
    assert [bool(day["refused"]) for day in told["days"]] == [False, True, False]
    assert set(told["days"][0]) == {"date", "objects", "rows", "bytes", "leftovers", "refused", "kept"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data-type", "gap"], "the gap ledger always stays"),
        (["--data-type", "trades"], "no stream of that data type: trades"),
        (["--symbol", "ETH/USD"], "no stream of that symbol: ETH/USD"),
        (["--exchange", "binanse"], "no stream of that exchange: binanse"),
    ],
)
def test_streams_that_cannot_go_get_one_line(
    tmp_path: Path, made: list[Manifest], arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(tmp_path)
    assert prune(tmp_path, "--older-than", "90d", *arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert files(tmp_path) == before


def test_a_folder_that_is_no_archive_gets_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "archive").mkdir()
    assert prune(tmp_path, "--older-than", "90d") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "there is no archive in" in line


def test_a_second_prune_of_a_folder_gets_one_line(
    tmp_path: Path, made: list[Manifest], capsys: pytest.CaptureFixture[str]
) -> None:
    with DeletingDirectoryStore(tmp_path / "archive").alone():
        assert prune(tmp_path, "--older-than", "90d", "--dry-run") == 0
        assert prune(tmp_path, "--older-than", "90d") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "another prune or compaction is at work" in line
    assert prune(tmp_path, "--older-than", "90d") == 0


def test_the_recorders_credentials_write_nothing_down(
    tmp_path: Path, seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bucket = seaweed.new_bucket()
    store = seaweed.store(bucket, "lake")
    fill(store, tmp_path / "made")
    before = list(store.keys(""))
    monkeypatch.setenv("COLLECTOR_ARCHIVE__ENDPOINT_URL", seaweed.endpoint_url)
    for name, value in RECORDER.items():
        monkeypatch.setenv(name, value)
    with allowed(seaweed, documented_policy(bucket, "lake"), seaweed.store(bucket, "lake").check):
        assert cli.main(["prune", f"s3://{bucket}/lake", "--older-than", "90d"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "AccessDenied to DeleteObject" in line
    assert list(store.keys("")) == before


@pytest.mark.parametrize("kind", ["folder", "bucket"])
def test_a_prune_killed_by_sigkill_is_finished_by_the_next(tmp_path: Path, seaweed: Seaweed, kind: str) -> None:
    symbols = [f"S{number:02}" for number in range(30)]
    if kind == "folder":
        store: ObjectStore = DeletingDirectoryStore(tmp_path / "archive")
        url, variables = str(tmp_path / "archive"), environment()
    else:
        bucket = seaweed.new_bucket()
        store, url = seaweed.store(bucket, "lake"), f"s3://{bucket}/lake"
        variables = environment(**ADMIN, COLLECTOR_ARCHIVE__ENDPOINT_URL=seaweed.endpoint_url)
    fill(store, tmp_path / "made", symbols)
    command = [sys.executable, "-m", "collector", "prune", url, "--older-than", "90d"]
    objects = len(list(store.keys("exchange=")))
    with subprocess.Popen(command, env=variables, cwd=ROOT, stdout=subprocess.DEVNULL) as killed:
        wait_for_first_to_go(store, objects, killed)
        killed.kill()
    assert {finding.kind for finding in Verification(store).findings()} <= {"leftover"}
    done = subprocess.run(
        command, env=variables, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert list(Verification(store).findings()) == []
    assert list(store.keys("exchange=")) == []


def present(store: ObjectStore) -> int:
    """How many objects there are; -1 if a folder goes while they are listed."""
    try:
        return len(list(store.keys("exchange=")))
    except StoreError:
        return -1


def wait_for_first_to_go(store: ObjectStore, objects: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + DEADLINE_SECS
    while present(store) == objects:
        assert process.poll() in {None, 0}
        assert time.monotonic() < end
