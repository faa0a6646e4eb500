import subprocess
import sys
from pathlib import Path

import pytest

from collector.storage.directory import DirectoryStore
from collector.storage.sealed import open_sealed
from collector.storage.staging import stage
from collector.storage.verify import KINDS
from tests.storage.segment_files import TRADES, ToyTyping, make_segment, message, trade

TOOL = Path(__file__).parent.parent.parent / "scripts" / "verify_archive.py"


def tool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, TOOL, *arguments], capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An archive of one segment with one trade."""
    path = make_segment(tmp_path, [TRADES], [message(0, 1, trade(1))], previous_segment="")
    (tmp_path / "staging").mkdir()
    store = DirectoryStore(tmp_path / "archive")
    with open_sealed(path) as segment:
        files, manifest = stage(segment, lambda _exchange: ToyTyping(), tmp_path / "staging", lambda: None)
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


@pytest.mark.parametrize("store", ["nowhere", "ftp://example.org/archive", "s3://bucket"])
def test_where_no_archive_can_be_read_it_says_so(tmp_path: Path, store: str) -> None:
    done = tool(str(tmp_path / store) if "://" not in store else store)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "nowhere").exists(), "it only reads"


def test_help_explains_every_kind_and_gives_examples() -> None:
    done = tool("--help")
    assert done.returncode == 0
    assert all(text in done.stdout for text in KINDS.values())
    assert "scripts/verify_archive.py data/archive" in done.stdout


def test_the_tool_is_executable() -> None:
    assert TOOL.stat().st_mode & 0o111
