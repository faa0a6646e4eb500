import json
from pathlib import Path
from typing import Any

import pytest

from collector.domain.errors import DamagedError
from collector.domain.names import manifest_key
from collector.storage.archive.lenient_manifest import read_manifest
from collector.storage.archive.manifest import Manifest
from collector.storage.store.directory import DirectoryStore
from tests.storage.archive.archive_files import ENTRY_FAULTS, archive, change_entry
from tests.storage.segment.segment_files import SEGMENT_ID, make_gap, message, trade

KEY = manifest_key("host-1", SEGMENT_ID)


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "archive")


@pytest.fixture
def manifest(store: DirectoryStore, tmp_path: Path) -> Manifest:
    """Of a segment with a gap and a trade: two entries, in this order."""
    return archive(store, tmp_path / "made", [message(0, 1, trade(1))], gaps=[("toy", "BTC/USD", make_gap())])


def test_a_manifest_as_it_was_written_has_no_faults(store: DirectoryStore, manifest: Manifest) -> None:
    assert read_manifest(store, KEY) == (manifest, manifest.objects, [], None)


@pytest.mark.parametrize("changed", ENTRY_FAULTS.values(), ids=ENTRY_FAULTS)
def test_an_impossible_entry_is_left_out_alone(
    store: DirectoryStore, manifest: Manifest, tmp_path: Path, changed: dict[str, Any]
) -> None:
    change_entry(tmp_path / "archive" / KEY, 1, **changed)
    examined = read_manifest(store, KEY)
    assert examined.manifest.objects == examined.sound == manifest.objects[:1]
    (fault,) = examined.faults
    assert fault.key == changed.get("key", manifest.objects[1].key) or fault.key == f"entry 2 of {SEGMENT_ID}"
    assert fault.text
    assert examined.totals is None, "of an entry at fault the rows are not known"


def test_an_entry_without_a_key_is_named_by_its_number(
    store: DirectoryStore, manifest: Manifest, tmp_path: Path
) -> None:
    path = tmp_path / "archive" / KEY
    content = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(content | {"objects": [content["objects"][0], 7, {}]}), "utf-8")
    examined = read_manifest(store, KEY)
    assert [fault.key for fault in examined.faults] == [f"entry {number} of {SEGMENT_ID}" for number in (2, 3)]
    assert examined.sound == manifest.objects[:1]


@pytest.mark.parametrize(
    "changed",
    [
        {"received_min": "yesterday"},
        {"received_max": "2026-11-23T12:00:00Z"},
        {"received_max": "2026-11-23T12:00:00.000000"},
        {"received_min": None},
        {"received_min": "2026-11-23T12:00:01.000000Z", "received_max": "2026-11-23T12:00:00.000000Z"},
    ],
)
def test_an_entry_with_damaged_times_is_usable_without_them(
    store: DirectoryStore, manifest: Manifest, tmp_path: Path, changed: dict[str, Any]
) -> None:
    change_entry(tmp_path / "archive" / KEY, 1, **changed)
    examined = read_manifest(store, KEY)
    assert [fault.key for fault in examined.faults] == [manifest.objects[1].key]
    assert examined.sound == manifest.objects[:1]
    assert [(one.key, one.received_min, one.received_max) for one in examined.manifest.objects] == [
        (one.key, None, None) for one in manifest.objects
    ]


def test_gap_entries_have_no_times(store: DirectoryStore, manifest: Manifest, tmp_path: Path) -> None:
    noon = "2026-11-23T12:00:00.000000Z"
    change_entry(tmp_path / "archive" / KEY, 0, received_min=noon, received_max=noon)
    (fault,) = read_manifest(store, KEY).faults
    assert fault.key == manifest.objects[0].key
    assert fault.text == "it should not have a received_min"


def test_an_object_named_twice_is_a_fault(store: DirectoryStore, manifest: Manifest, tmp_path: Path) -> None:
    path = tmp_path / "archive" / KEY
    content = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(content | {"objects": [*content["objects"], content["objects"][0]]}), "utf-8")
    examined = read_manifest(store, KEY)
    assert [fault.text for fault in examined.faults] == ["it is named twice"]
    assert examined.sound == manifest.objects


@pytest.mark.parametrize("changed", [{"rows": 2}, {"gaps": 0}, {"rows": -1}])
def test_totals_are_the_sum_of_the_entries(
    store: DirectoryStore, manifest: Manifest, tmp_path: Path, changed: dict[str, Any]
) -> None:
    path = tmp_path / "archive" / KEY
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changed), "utf-8")
    said = {"rows": manifest.rows, "gaps": manifest.gaps} | changed
    assert read_manifest(store, KEY).totals == (
        f"it says {said['rows']} rows and {said['gaps']} gaps, but its objects have 1 and 1"
    )


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"objects": 1}', b'{"objects": []}', b'{"x": ' + b"[" * 100_000, b'{"host": "\xff"}']
)
def test_a_text_that_is_not_a_manifest_is_damage(
    store: DirectoryStore, manifest: Manifest, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "archive" / KEY).write_bytes(content)
    with pytest.raises(DamagedError, match="not a manifest"):
        read_manifest(store, KEY)


@pytest.mark.parametrize("changed", [{"rows": "1"}, {"host": None}, {"host": "../host"}, {"segment_id": "1"}])
def test_damage_outside_the_entries_is_damage_of_the_manifest(
    store: DirectoryStore, manifest: Manifest, tmp_path: Path, changed: dict[str, Any]
) -> None:
    path = tmp_path / "archive" / KEY
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changed), "utf-8")
    with pytest.raises(DamagedError):
        read_manifest(store, KEY)


def test_a_manifest_that_is_a_folder_or_missing_is_damage(store: DirectoryStore, tmp_path: Path) -> None:
    with pytest.raises(DamagedError, match="not there any more"):
        read_manifest(store, KEY)
    (tmp_path / "archive" / KEY).mkdir(parents=True)
    with pytest.raises(DamagedError, match="this is not a regular file"):
        read_manifest(store, KEY)
