from pathlib import Path

import pytest

from collector.domain.names import manifest_key
from collector.domain.records import StreamKey
from collector.storage.archive.catalog import find_whole, received_until, whole_segment
from collector.storage.archive.manifest import Manifest, ManifestObject
from collector.storage.store.directory import DirectoryStore
from tests.storage.segment.segment_files import BOOK, TRADES

IDS = [f"20261123T12000{number}Z-4f2a9c" for number in range(5)]
EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def described(stream: StreamKey, date: str, received_max: str | None) -> ManifestObject:
    """An object of no bytes."""
    key = f"{stream.data_type}-{date}"
    return ManifestObject(key, 1, 0, EMPTY_SHA256, *stream[::2], stream.symbol, date, received_max, received_max, 1, 1)


class Archive:
    """A store with manifests, and the objects they name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = DirectoryStore(folder / "archive")

    def add(self, number: int, *objects: ManifestObject, host: str = "a") -> str:
        key = manifest_key(host, IDS[number])
        manifest = Manifest(1, "0", IDS[number], None, host, "", "", len(objects), 0, list(objects))
        path = self.folder / "archive" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(manifest.encode())
        for object_ in objects:
            (self.folder / "archive" / object_.key).write_bytes(b"")
        return key


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path)


def test_a_segment_is_whole_with_its_manifest_and_every_object(archive: Archive) -> None:
    object_ = described(TRADES, "2026-11-23", "2026-11-23T12:00:00.000001Z")
    key = archive.add(0, object_)
    found = whole_segment(archive.store, key)
    assert found is not None
    assert found.objects == [object_]
    assert find_whole(archive.store, IDS[0])
    assert find_whole(archive.store, IDS[1]) is None
    (archive.folder / "archive" / object_.key).write_bytes(b"other")
    assert whole_segment(archive.store, key) is None
    assert find_whole(archive.store, IDS[0]) is None


def test_a_truncated_or_missing_manifest_counts_as_none(archive: Archive) -> None:
    key = archive.add(0)
    (archive.folder / "archive" / key).write_bytes(b"{")
    assert whole_segment(archive.store, key) is None
    assert whole_segment(archive.store, manifest_key("a", IDS[1])) is None


def test_a_segment_is_found_whatever_host_its_manifest_names(archive: Archive) -> None:
    archive.add(0, host="renamed")
    assert find_whole(archive.store, IDS[0])


def test_each_streams_newest_row_counts_whatever_its_date(archive: Archive) -> None:
    archive.add(
        0,
        described(TRADES, "2026-11-22", "2026-11-22T23:59:59.999999Z"),
        described(TRADES, "2026-11-23", "2026-11-23T00:00:00.000001Z"),
        described(BOOK, "2026-11-22", "2026-11-22T23:00:00.000000Z"),
    )
    midnight = 1_795_392_000_000_000
    assert received_until(archive.store, "a", IDS[1]) == {TRADES: midnight + 1, BOOK: midnight - 3_600_000_000}


def test_the_newest_segment_with_rows_before_this_one_counts(archive: Archive) -> None:
    for number, second in ((0, 1), (1, 2), (4, 3)):
        archive.add(number, described(TRADES, "2026-11-23", f"2026-11-23T00:00:0{second}.000000Z"))
    archive.add(2, described(TRADES._replace(data_type="gap"), "2026-11-23", None))
    cut = archive.folder / "archive" / archive.add(3)
    cut.write_bytes(b"{")
    assert received_until(archive.store, "a", IDS[4]) == {TRADES: 1_795_392_002_000_000}


@pytest.mark.parametrize("host", ["b", "a-a"])
def test_other_hosts_manifests_and_other_files_do_not_count(archive: Archive, host: str) -> None:
    archive.add(0, described(TRADES, "2026-11-23", "2026-11-23T00:00:01.000000Z"), host=host)
    (archive.folder / "archive/_manifest/README").touch()
    assert received_until(archive.store, "a", IDS[1]) == {}


def test_an_empty_store_has_no_receive_times(archive: Archive) -> None:
    assert received_until(archive.store, "a", IDS[0]) == {}
