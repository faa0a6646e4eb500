"""An archive is opened by its folder, its URL, or its recorder's configuration."""

import subprocess
import sys
from pathlib import Path

import pytest

import collector.read
from collector.domain.errors import ConfigError
from collector.storage.store.directory import DirectoryStore
from tests.storage.archive.archive_files import archive
from tests.storage.segment.segment_files import message, trade


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An archive of a trade, in a data directory."""
    archive(DirectoryStore(tmp_path / "data/archive"), tmp_path / "made", [message(0, 1, trade(1))])
    return tmp_path / "data/archive"


def test_a_folder_may_be_named_in_any_way(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parents[1])
    for name in (folder, str(folder), folder.as_uri(), "data/archive"):
        assert collector.read.open(name).trades("BTC/USD").arrow().num_rows == 1
    assert collector.read.open().url == folder.as_uri()


def test_a_configuration_names_archive_and_data_directory(folder: Path, tmp_path: Path) -> None:
    config = tmp_path / "collector.toml"
    config.write_text(f'data_dir = "{tmp_path}/elsewhere"\n[archive]\nurl = "{folder.as_uri()}"\n', "utf-8")
    with pytest.raises(collector.read.QuestionError, match="elsewhere is not a folder"):
        collector.read.open(config=config)
    (tmp_path / "elsewhere").mkdir()
    assert collector.read.open(config=config).url == folder.as_uri()
    assert collector.read.open(folder, config=config).url == folder.as_uri()


def test_what_is_no_archive_is_told(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(collector.read.QuestionError, match="nowhere is not a folder; name a recorder's archive"):
        collector.read.open(tmp_path / "nowhere")
    with pytest.raises(collector.read.QuestionError, match=f"a recorder's archive is {folder}"):
        collector.read.open(folder.parent)
    with pytest.raises(ConfigError, match="does not begin with"):
        collector.read.open("gs://bucket/archive")
    with pytest.raises(collector.read.QuestionError, match="storage has key; it may have region"):
        collector.read.open("s3://bucket/archive", storage={"key": "x"})


def test_an_archive_is_not_read_as_its_own_day_files(folder: Path) -> None:
    for daily in (folder, f"{folder}/../archive"):
        with pytest.raises(collector.read.QuestionError, match="must lie beside the archive"):
            collector.read.open(folder, daily=daily)


def test_a_recorder_that_has_archived_nothing_yet_can_be_opened(tmp_path: Path) -> None:
    found = collector.read.open(tmp_path / "archive", data_dir=tmp_path)
    assert found.streams().num_rows == found.gaps().arrow().num_rows == 0


def test_a_data_directory_names_the_archive_in_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path / "made")
    assert collector.read.open(data_dir=folder.parent).url == folder.as_uri()
    (tmp_path / "empty").mkdir()
    assert collector.read.open(data_dir=tmp_path / "empty").url == (tmp_path / "made/data/archive").as_uri()


def test_arrow_comes_only_once_an_archive_is_opened() -> None:
    program = "import sys, collector.read, collector.read.demo_mark; sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
