import subprocess
import sys
from pathlib import Path

import pytest

from collector.storage.archive.verify import KINDS
from collector.storage.segment.sealed_segment import open_sealed
from collector.storage.store.directory import DirectoryStore
from tests.seaweed import ADMIN, Seaweed, environment
from tests.storage.archive.archive_files import archive
from tests.storage.segment.segment_files import TRADES, ToyRowReader, make_segment, message, trade
from tests.storage.staging.staged_files import stage

TOOL = Path(__file__).parent.parent.parent / "scripts" / "verify_archive.py"


def tool(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(TOOL), *arguments]
    return subprocess.run(
        command, env=environment(**variables), capture_output=True, text=True, check=False, timeout=60, encoding="utf-8"
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An archive of one segment with one trade."""
    path = make_segment(tmp_path, [TRADES], [message(0, 1, trade(1))], previous_segment="")
    (tmp_path / "staging").mkdir()
    store = DirectoryStore(tmp_path / "archive")
    with open_sealed(path) as segment:
        files, manifest = stage(segment, lambda _exchange: ToyRowReader(), tmp_path / "staging", lambda: None)
    store.put(files[0].object.key, files[0].path, files[0].object.sha256)
    folder = tmp_path / "archive" / "_manifest" / "date=2026-11-23"
    folder.mkdir(parents=True)
    (folder / f"{manifest.host}-{manifest.segment_id}.json").write_bytes(manifest.encode())
    return tmp_path / "archive"


@pytest.mark.parametrize("as_url", [False, True])
def test_a_whole_archive_verifies(root: Path, as_url: bool) -> None:
    done = tool(root.as_uri() if as_url else str(root))
    size = next(root.rglob("*.parquet")).stat().st_size
    assert done.stdout == f"1 segments, 1 objects, 1 rows, {size} bytes verified; nothing found\n"
    assert (done.returncode, done.stderr) == (0, "")


def test_each_finding_is_a_line_that_begins_with_its_kind(root: Path) -> None:
    path = next(root.rglob("*.parquet"))
    path.write_bytes(b"short")
    path.with_name("other.parquet").touch()
    done = tool(str(root))
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["differs", "orphan", "1"]
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("store", "said"),
    [
        ("nowhere", "there is no archive at file://"),
        ("ftp://example.org/archive", '"ftp://example.org/archive" does not begin with file:/// or s3://'),
        ("s3:/bucket", '"s3:/bucket" does not begin with file:/// or s3://'),
        ("s3://", '"s3://" names no bucket'),
        ("s3://key:secret@bucket", '"s3://***" has a bucket name with characters other than'),
        ("s3://bucket", "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
    ],
)
def test_an_unreadable_archive_is_one_line_with_exit_2(tmp_path: Path, store: str, said: str) -> None:
    done = tool(store if ":" in store else str(tmp_path / store))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert said in line
    assert not (tmp_path / "nowhere").exists(), "it only reads"


def test_a_bucket_is_verified_with_the_configurations_access(seaweed: Seaweed, tmp_path: Path) -> None:
    bucket = seaweed.new_bucket()
    manifest = archive(seaweed.store(bucket, "lake"), tmp_path / "made", [message(0, 1, trade(1))])
    endpoint = {"COLLECTOR_ARCHIVE__ENDPOINT_URL": seaweed.endpoint_url}
    config = tmp_path / "collector.toml"
    config.write_text(f'[archive]\nurl = "s3://{bucket}/lake"\nendpoint_url = "{seaweed.endpoint_url}"', "utf-8")
    expected = f"1 segments, 1 objects, 1 rows, {manifest.objects[0].bytes} bytes verified; nothing found\n"
    for done in (
        tool(f"s3://{bucket}/lake", **ADMIN, **endpoint),
        tool(f"s3://{bucket}/lake", "--deep", **ADMIN, **endpoint),
        tool("--config", str(config), **ADMIN),
    ):
        assert (done.stdout, done.stderr, done.returncode) == (expected, "", 0)


def test_verifying_never_creates_the_bucket(seaweed: Seaweed) -> None:
    done = tool(
        "s3://not-there",
        **ADMIN,
        COLLECTOR_ARCHIVE__ENDPOINT_URL=seaweed.endpoint_url,
        COLLECTOR_ARCHIVE__CREATE_BUCKET="1",
    )
    assert done.returncode == 2
    assert "NoSuchBucket" in done.stderr


def test_deep_finds_faults_that_checksums_cannot(root: Path) -> None:
    (manifest,) = root.glob("_manifest/*/*.json")
    manifest.write_text(manifest.read_text("utf-8").replace('"id_max": 1', '"id_max": 2'), "utf-8")
    assert tool(str(root)).returncode == 0
    done = tool(str(root), "--deep")
    assert done.returncode == 1
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["content", "content", "1"]


def test_help_explains_every_kind_and_gives_examples() -> None:
    done = tool("--help")
    assert done.returncode == 0
    assert all(text in done.stdout for text in KINDS.values())
    assert "scripts/verify_archive.py data/archive" in done.stdout


def test_the_tool_is_executable() -> None:
    assert TOOL.stat().st_mode & 0o111
