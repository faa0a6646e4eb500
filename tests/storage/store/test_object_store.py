"""What every archive store promises, asked of each."""

import hashlib
from pathlib import Path

import pytest

from collector.domain.errors import StoreError
from collector.storage.store.directory import DirectoryStore
from collector.storage.store.object_store import ObjectInfo, ObjectStore
from tests.seaweed import Seaweed
from tests.storage.store.places import Makers, stores

KEY = "exchange=toy/data_type=trade/symbol=BTC%2FUSD/date=2026-11-23/host-1-20261123T120000Z-4f2a9c.parquet"


MAKERS: Makers[ObjectStore] = stores(DirectoryStore, Seaweed.store)


@pytest.fixture(params=sorted(MAKERS))
def store(request: pytest.FixtureRequest) -> ObjectStore:
    return MAKERS[request.param](request)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(b"content" * 1000)
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_object_put_is_there_whole_with_size_and_checksum(store: ObjectStore, source: Path) -> None:
    store.put(KEY, source, sha256(source))
    info = store.head(KEY)
    assert info is not None
    assert info.size_bytes == source.stat().st_size
    assert info.sha256 == sha256(source)
    assert store.read(KEY) == source.read_bytes()


def test_a_key_never_put_has_no_object(store: ObjectStore) -> None:
    assert store.head(KEY) is None
    assert store.read(KEY) is None
    assert list(store.keys("exchange=toy/")) == []
    assert list(store.keys("")) == []


def test_a_key_below_an_object_is_not_there(store: ObjectStore, source: Path) -> None:
    store.put("a", source, sha256(source))
    assert store.head("a/b") is None
    assert store.read("a/b") is None


def test_bytes_with_another_checksum_are_refused_and_change_nothing(store: ObjectStore, source: Path) -> None:
    store.put(KEY, source, sha256(source))
    wrong = source.with_name("wrong")
    wrong.write_bytes(b"other")
    with pytest.raises(StoreError):
        store.put(KEY, wrong, sha256(source))
    assert store.read(KEY) == source.read_bytes()
    assert list(store.keys("")) == [KEY]


def test_a_second_put_replaces_the_first(store: ObjectStore, source: Path) -> None:
    store.put(KEY, source, sha256(source))
    source.write_bytes(b"new")
    store.put(KEY, source, sha256(source))
    assert store.read(KEY) == b"new"


def test_an_empty_object_can_be_put_and_read(store: ObjectStore, source: Path) -> None:
    source.write_bytes(b"")
    store.put(KEY, source, sha256(source))
    info = store.head(KEY)
    assert info is not None
    assert info.size_bytes == 0
    assert store.read(KEY) == b""


def test_a_fetched_object_is_a_file_with_its_size_and_checksum(
    store: ObjectStore, source: Path, tmp_path: Path
) -> None:
    store.put(KEY, source, sha256(source))
    assert store.fetch(KEY, tmp_path / "copy") == ObjectInfo(7000, sha256(source))
    assert (tmp_path / "copy").read_bytes() == source.read_bytes()


def test_fetching_a_missing_object_makes_no_file(store: ObjectStore, tmp_path: Path) -> None:
    assert store.fetch(KEY, tmp_path / "copy") is None
    assert not (tmp_path / "copy").exists()


def test_a_copy_that_cannot_be_written_is_a_store_error(store: ObjectStore, source: Path, tmp_path: Path) -> None:
    store.put(KEY, source, sha256(source))
    with pytest.raises(StoreError):
        store.fetch(KEY, tmp_path / "nowhere" / "copy")


def test_keys_below_a_prefix_come_in_order(store: ObjectStore, source: Path) -> None:
    keys = ["a-b/x", "a/x", "a/y/z", "a1", "b/x", "a/%C3%A4"]
    for key in keys:
        store.put(key, source, sha256(source))
    assert list(store.keys("")) == sorted(keys)
    assert list(store.keys("a/")) == ["a/%C3%A4", "a/x", "a/y/z"]
    assert list(store.keys("a/y")) == ["a/y/z"]
    assert list(store.keys("a")) == sorted(keys)[:-1]
    assert list(store.keys("c/")) == []


def test_check_proves_the_store_and_lists_no_object(store: ObjectStore, source: Path) -> None:
    store.put(KEY, source, sha256(source))
    store.check()
    store.check()
    assert list(store.keys("")) == [KEY]


@pytest.mark.parametrize("key", ["", "/a", "a//b", "../a", "a/../../b", "./a", "a/", "a\0b"])
def test_a_key_that_could_leave_the_store_is_refused(store: ObjectStore, source: Path, key: str) -> None:
    with pytest.raises(StoreError):
        store.put(key, source, sha256(source))


def test_a_missing_source_is_an_error_of_the_put(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        store.put(KEY, tmp_path / "gone", "0" * 64)
    assert store.head(KEY) is None


def test_the_url_says_where_the_store_is(store: ObjectStore) -> None:
    assert "://" in store.url
