import errno
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from collector.domain.errors import StoreError
from collector.storage.durable import sync
from collector.storage.store import directory
from collector.storage.store.directory import DirectoryStore

KEY = "exchange=toy/data_type=trade/file.parquet"
CONTENT = b"content"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "archive")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(CONTENT)
    return path


def test_a_key_is_a_path_below_the_folder(store: DirectoryStore, source: Path, tmp_path: Path) -> None:
    store.put(KEY, source, SHA256)
    assert (tmp_path / "archive" / KEY).read_bytes() == CONTENT
    assert store.url == (tmp_path / "archive").as_uri()


def test_a_file_gets_its_name_once_it_is_whole_and_durable(
    store: DirectoryStore, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, bool]] = []
    target = tmp_path / "archive" / KEY

    def noted(path: Path) -> None:
        synced.append((path.name, target.exists()))
        sync(path)

    monkeypatch.setattr("collector.storage.store.directory.sync", noted)
    store.put(KEY, source, SHA256)
    folders, (temporary, last) = synced[:-2], synced[-2:]
    assert folders == [(name, False) for name in (tmp_path.name, "archive", "archive", "exchange=toy")]
    assert (temporary[1], last) == (False, ("data_type=trade", True))


def test_readers_do_not_see_a_file_that_is_being_written(
    store: DirectoryStore, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places: list[str] = []
    copy = directory._copy

    def noted(source: Path, target: Path, sha256: str) -> None:
        places.append(target.relative_to(tmp_path / "archive").as_posix())
        copy(source, target, sha256)

    monkeypatch.setattr(directory, "_copy", noted)
    store.put(KEY, source, SHA256)
    assert len(places) == 1
    assert places[0].startswith("_incoming/"), "readers pass over folders with an underscore"
    assert not places[0].endswith(".parquet")


def test_a_failed_put_leaves_the_old_object(
    store: DirectoryStore, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put(KEY, source, SHA256)

    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("collector.storage.store.directory.sync", full)
    with pytest.raises(StoreError, match="No space left"):
        store.put(KEY, source, SHA256)
    assert [path.name for path in (tmp_path / "archive").rglob("*") if path.is_file()] == ["file.parquet"]


def test_check_removes_leftovers_of_a_kill(store: DirectoryStore, source: Path, tmp_path: Path) -> None:
    store.put(KEY, source, SHA256)
    leftover = tmp_path / "archive" / "_incoming" / "other.tmp"
    leftover.write_bytes(b"half")
    assert list(store.keys("")) == [KEY]
    long_ago = leftover.stat().st_mtime - 4_000
    store.check()
    assert leftover.exists(), "somebody may still write to it"
    os.utime(leftover, (long_ago, long_ago))
    store.check()
    assert not leftover.exists()
    assert store.read(KEY) == CONTENT


def test_a_folder_that_cannot_be_made_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="file"):
        DirectoryStore(tmp_path / "file" / "archive").check()


def test_a_folder_removed_meanwhile_is_made_again(store: DirectoryStore, source: Path, tmp_path: Path) -> None:
    store.put(KEY, source, SHA256)
    target = tmp_path / "archive" / KEY
    target.unlink()
    target.parent.rmdir()
    store.put(KEY, source, SHA256)
    assert target.read_bytes() == CONTENT


def test_only_some_folders_are_remembered_and_all_are_durable(
    store: DirectoryStore, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []

    def noted(path: Path) -> None:
        synced.append(path.name)
        sync(path)

    monkeypatch.setattr(directory, "sync", noted)
    monkeypatch.setattr(directory, "_KNOWN_FOLDERS", 5)
    for number in range(20):
        store.put(f"streams/{number}/1", source, SHA256)
        assert len(store._durable) <= 5
        assert "streams" in synced, "in it the new folder's name stands"
        assert store.read(f"streams/{number}/1") == CONTENT
        synced.clear()


@pytest.mark.parametrize("by", ["itself", "another recorder"])
def test_check_leaves_files_that_are_being_put(
    by: str, store: DirectoryStore, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check_meanwhile(path: Path) -> None:
        if path.suffix == ".tmp" and not checked:
            checked.append(path)
            (store if by == "itself" else DirectoryStore(tmp_path / "archive")).check()
        sync(path)

    checked: list[Path] = []
    monkeypatch.setattr(directory, "sync", check_meanwhile)
    store.put(KEY, source, SHA256)
    assert len(checked) == 1
    assert (tmp_path / "archive" / KEY).read_bytes() == CONTENT


def test_a_changed_file_has_another_checksum(store: DirectoryStore, source: Path, tmp_path: Path) -> None:
    store.put(KEY, source, SHA256)
    (tmp_path / "archive" / KEY).write_bytes(b"cOntent")
    info = store.head(KEY)
    assert info is not None
    assert info.sha256 != SHA256


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_a_key_that_is_not_a_file_is_a_store_error(
    store: DirectoryStore, tmp_path: Path, make: Callable[[Path], object]
) -> None:
    (tmp_path / "archive").mkdir()
    make(tmp_path / "archive" / "object")
    for ask in (store.head, store.read, lambda key: store.fetch(key, tmp_path / "copy")):
        with pytest.raises(StoreError, match="object: this is not a regular file"):
            ask("object")
    assert not (tmp_path / "copy").exists()
