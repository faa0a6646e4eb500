"""A part of an archive becomes an archive of its own, which verifies."""

import hashlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collector.domain.errors import ConfigError
from collector.domain.names import manifest_key
from collector.domain.records import StreamKey
from collector.storage.archive.manifest import Manifest, decode_manifest
from collector.storage.archive.restore import (
    CopiedSegment,
    Selection,
    copy_segments,
    plan,
    read_manifests,
    require_room_for,
)
from collector.storage.archive.verify import Verification
from collector.storage.store.directory import DirectoryStore
from collector.storage.store.object_store import ObjectStore
from tests.seaweed import Seaweed
from tests.storage.archive.archive_files import ENTRY_FAULTS, IDS, archive, change_entry, put_manifest
from tests.storage.segment.segment_files import NOON_US, Message, make_gap, message, trade

HOUR_US = 3_600_000_000
BTC = StreamKey("toy", "BTC/USD", "trade")
ETH = StreamKey("toy", "ETH/USD", "trade")
ALL = Selection("2026-01-01T00:00:00.000000Z", "2027-01-01T00:00:00.000000Z")


def hour(number: int, minute: int = 0) -> str:
    """A moment of the archive; number 0 is 10 o'clock."""
    return f"2026-11-23T{10 + number}:{minute:02}:00.000000Z"


def received(stream_id: int, number: int, minute: int) -> Message:
    received_us = NOON_US + (number - 2) * HOUR_US + minute * 60_000_000
    return message(stream_id, minute, trade(minute), received_us=received_us)


in_both_stores = pytest.mark.parametrize("store", ["directory", "bucket"], indirect=True)


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if getattr(request, "param", "directory") == "directory":
        return DirectoryStore(tmp_path / "archive")
    seaweed: Seaweed = request.getfixturevalue("seaweed")
    return seaweed.store(seaweed.new_bucket(), "lake")


@pytest.fixture
def filled(store: ObjectStore, tmp_path: Path) -> list[Manifest]:
    """Five segments, an hour each: trades of two symbols at minute 10 and 50; the second has a gap in each stream."""
    manifests = []
    for number in range(5):
        messages = [received(stream, number, minute) for minute in (10, 50) for stream in (0, 1)]
        gaps = [("toy", symbol, make_gap()) for symbol in ("BTC/USD", "ETH/USD", "_")] if number == 1 else []
        previous = IDS[number - 1] if number else ""
        made = tmp_path / f"made{number}"
        manifests.append(
            archive(store, made, messages, [BTC, ETH], gaps, segment_id=IDS[number], previous_segment=previous)
        )
    return manifests


def restored(store: ObjectStore, selection: Selection, dest: Path) -> list[CopiedSegment]:
    problems: list[str] = []
    manifests = [manifest for _, manifest in read_manifests(store, problems) if manifest is not None]
    assert problems == []
    chosen = plan(manifests, selection)
    target = DirectoryStore(dest)
    require_room_for(chosen, target)
    dest.mkdir(parents=True, exist_ok=True)
    return list(copy_segments(chosen, store, target, dest))


def segments_of(dest: Path) -> list[str]:
    return [path.stem.removeprefix("host-1-") for path in sorted(dest.glob("_manifest/*/*.json"))]


def findings(dest: Path) -> list[str]:
    return [f"{finding.kind} {finding.text}" for finding in Verification(DirectoryStore(dest)).findings()]


@in_both_stores
def test_everything_is_restored_unchanged(store: ObjectStore, filled: list[Manifest], tmp_path: Path) -> None:
    dest = tmp_path / "dest"
    restored(store, ALL, dest)
    copy = DirectoryStore(dest)
    assert list(copy.keys("")) == list(store.keys(""))
    assert [copy.read(key) for key in copy.keys("")] == [store.read(key) for key in store.keys("")]
    assert findings(dest) == []


@pytest.mark.parametrize(
    ("from_time", "to_time", "expected"),
    [
        (hour(1), hour(3), [1, 2]),
        (hour(1, 10), hour(1, 11), [1]),
        (hour(1, 50), hour(2, 11), [1, 2]),
        (hour(1, 51), hour(2, 10), []),
        (hour(4, 20), hour(9), [4]),
    ],
)
def test_every_segment_with_a_row_in_the_period_is_restored_whole(
    filled: list[Manifest], from_time: str, to_time: str, expected: list[int]
) -> None:
    times = Selection(from_time, to_time)
    without_gaps = [one for one in filled if one.segment_id != IDS[1]] if expected == [] else filled
    assert [manifest.segment_id for manifest in plan(without_gaps, times) if manifest.rows] == [
        IDS[number] for number in expected
    ]


def test_a_restored_period_verifies(store: ObjectStore, filled: list[Manifest], tmp_path: Path) -> None:
    dest = tmp_path / "dest"
    brought = restored(store, Selection(hour(2), hour(4)), dest)
    assert set(segments_of(dest)) >= {IDS[2], IDS[3]}
    assert findings(dest) == []
    assert sum(one.objects for one in brought) == len(list(dest.rglob("*.parquet")))


def test_only_the_chosen_streams_and_their_gaps_are_restored(
    store: ObjectStore, filled: list[Manifest], tmp_path: Path
) -> None:
    dest = tmp_path / "dest"
    restored(store, ALL._replace(symbols=frozenset({"BTC/USD"}), data_types=frozenset({"trade"})), dest)
    partitions = {path.parent.parent.relative_to(dest).as_posix() for path in dest.rglob("*.parquet")}
    assert partitions == {
        "exchange=toy/data_type=trade/symbol=BTC%2FUSD",
        "exchange=toy/data_type=gap/symbol=BTC%2FUSD",
        "exchange=toy/data_type=gap/symbol=_",
    }
    assert findings(dest) == []
    manifest = decode_manifest((dest / manifest_key("host-1", IDS[1])).read_bytes())
    assert (manifest.rows, manifest.gaps) == (2, 2)


def test_an_unknown_exchange_restores_no_objects(filled: list[Manifest]) -> None:
    chosen = plan(filled, ALL._replace(exchanges=frozenset({"other"})))
    assert [manifest.objects for manifest in chosen] == [[]] * 5


def test_previous_segments_skip_those_not_restored(filled: list[Manifest]) -> None:
    early_and_late = [filled[0], *(manifest for manifest in filled[2:])]
    late = Selection(hour(3), hour(5))
    assert [manifest.previous_segment for manifest in plan(filled, late) if manifest.segment_id in IDS[3:5]][1] == IDS[
        3
    ]
    (first, *_) = plan(early_and_late, Selection(hour(2, 30), hour(3)))
    assert first.previous_segment == IDS[1], "the archive itself lacks this one, and it stood just before"


def test_a_segment_missing_in_the_archive_stays_a_hole(
    store: ObjectStore, filled: list[Manifest], tmp_path: Path
) -> None:
    dest = tmp_path / "dest"
    broken = plan([filled[0], filled[2], filled[3]], ALL)
    target = DirectoryStore(dest)
    dest.mkdir()
    assert not any(one.problems for one in copy_segments(broken, store, target, dest))
    assert [text.split()[0] for text in findings(dest)] == ["hole"]


@in_both_stores
def test_a_repeated_restore_brings_only_what_is_missing(
    store: ObjectStore, filled: list[Manifest], tmp_path: Path
) -> None:
    dest = tmp_path / "dest"
    first = restored(store, ALL, dest)
    assert sum(one.already_there for one in first) == 0
    next(iter(sorted(dest.rglob("*.parquet")))).unlink()
    (dest / manifest_key("host-1", IDS[4])).unlink()
    second = restored(store, ALL, dest)
    assert sum(one.already_there for one in second) == sum(one.objects for one in first) - 1
    assert findings(dest) == []


def test_a_folder_with_other_content_is_refused(store: ObjectStore, filled: list[Manifest], tmp_path: Path) -> None:
    dest = tmp_path / "dest"
    restored(store, Selection(hour(0), hour(2)), dest)
    before = sorted(dest.rglob("*"))
    with pytest.raises(ConfigError, match="holds something else already"):
        restored(store, ALL._replace(symbols=frozenset({"BTC/USD"})), dest)
    assert sorted(dest.rglob("*")) == before


@pytest.mark.parametrize("trouble", ["not there", "not what its manifest says"])
def test_an_object_that_cannot_be_restored_is_named_and_the_rest_comes(tmp_path: Path, trouble: str) -> None:
    store = DirectoryStore(tmp_path / "archive")
    manifest = archive(store, tmp_path / "made", [received(0, 2, 1), received(1, 2, 1)], [BTC, ETH])
    path = tmp_path / "archive" / manifest.objects[0].key
    if trouble == "not there":
        path.unlink()
    else:
        path.write_bytes(b"garbled")
    (brought,) = restored(store, ALL, tmp_path / "dest")
    assert brought.problems == [f"{manifest.objects[0].key}: it is {trouble}"]
    assert brought.objects == 1
    assert findings(tmp_path / "dest") == ["missing it had 1 rows"]


def test_an_unreadable_manifest_is_named_and_the_others_are_restored(
    store: ObjectStore, filled: list[Manifest], tmp_path: Path
) -> None:
    put_manifest(store, tmp_path / "made0", filled[0])
    garbled = tmp_path / "garbled"
    garbled.write_bytes(b"{")
    store.put(manifest_key("host-1", IDS[0]), garbled, hashlib.sha256(b"{").hexdigest())
    problems: list[str] = []
    read = list(read_manifests(store, problems))
    assert [total for total, _ in read] == [5] * 5
    assert [manifest for _, manifest in read] == [None, *filled[1:]]
    assert [problem.split(":")[0] for problem in problems] == [manifest_key("host-1", IDS[0])]


@pytest.mark.parametrize("changed", ENTRY_FAULTS.values(), ids=ENTRY_FAULTS)
def test_a_damaged_entry_is_left_out_and_named(
    store: ObjectStore, filled: list[Manifest], tmp_path: Path, changed: dict[str, Any]
) -> None:
    change_entry(tmp_path / "archive" / manifest_key("host-1", IDS[0]), 1, **changed)
    around = sorted(tmp_path.iterdir())
    problems: list[str] = []
    chosen = plan((manifest for _, manifest in read_manifests(store, problems) if manifest is not None), ALL)
    dest = tmp_path / "dest"
    dest.mkdir()
    assert not any(one.problems for one in copy_segments(chosen, store, DirectoryStore(dest), dest))
    assert len(problems) == 1
    assert sorted(tmp_path.iterdir()) == sorted([*around, dest])
    copied = {path.relative_to(dest).as_posix() for path in dest.rglob("*.parquet")}
    assert copied == {one.key for manifest in filled for one in manifest.objects} - {filled[0].objects[1].key}
    assert findings(dest) == []


@pytest.mark.parametrize("field", ["received_min", "received_max"])
def test_an_object_with_damaged_times_is_restored_by_its_date(
    store: ObjectStore, filled: list[Manifest], tmp_path: Path, field: str
) -> None:
    change_entry(tmp_path / "archive" / manifest_key("host-1", IDS[0]), 1, **{field: "0000"})
    problems: list[str] = []
    manifests = [manifest for _, manifest in read_manifests(store, problems) if manifest is not None]
    key = filled[0].objects[1].key
    assert [problem.split(": ")[:2] for problem in problems] == [
        [key, f"its {field} is '0000' (in {_key_of(filled[0])})"]
    ]
    assert key in _keys(plan(manifests, Selection(hour(4), hour(5))))
    assert key not in _keys(plan(manifests, Selection("2026-11-25T00:00:00.000000Z", "2026-11-26T00:00:00.000000Z")))


def _key_of(manifest: Manifest) -> str:
    return manifest_key(manifest.host, manifest.segment_id)


def _keys(manifests: list[Manifest]) -> set[str]:
    return {described.key for manifest in manifests for described in manifest.objects}


def test_an_unreadable_object_is_named_and_the_rest_is_restored(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "archive")
    manifest = archive(store, tmp_path / "made", [received(0, 2, 1), received(1, 2, 1)], [BTC, ETH])
    path = tmp_path / "archive" / manifest.objects[0].key
    path.unlink()
    path.mkdir()
    (brought,) = restored(store, ALL, tmp_path / "dest")
    assert [problem.split(": ")[:2] for problem in brought.problems] == [[manifest.objects[0].key, "it cannot be read"]]
    assert (brought.objects, brought.bytes) == (1, manifest.objects[1].bytes)


def test_an_object_the_target_refuses_is_named_and_the_rest_comes(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "archive")
    manifest = archive(store, tmp_path / "made", [received(0, 2, 1), received(1, 2, 1)], [BTC, ETH])
    (tmp_path / "dest" / manifest.objects[0].key).mkdir(parents=True)
    (brought,) = restored(store, ALL, tmp_path / "dest")
    assert [problem.split(": ")[0] for problem in brought.problems] == [manifest.objects[0].key]
    assert brought.objects == 1


def test_a_cycle_of_previous_segments_ends(filled: list[Manifest]) -> None:
    looped = [msgspec.structs.replace(filled[0], previous_segment=IDS[1]), *filled[1:]]
    assert plan(looped, Selection(hour(4), hour(5)))[-1].segment_id == IDS[4]
