"""A prune takes whole days that verify, writes down what goes, and leaves everything else."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from collector.domain.errors import StoreError
from collector.domain.names import manifest_key, pruned_key
from collector.storage.archive.manifest import Manifest
from collector.storage.archive.prune_rules import PruneSelection
from collector.storage.archive.pruned import Pruning, read_pruned
from collector.storage.archive.verify import Finding, Verification
from collector.storage.store.deleting import DeletingDirectoryStore, DeletingStore
from tests.seaweed import Seaweed
from tests.storage.archive import old_archive
from tests.storage.archive.archive_files import change_entry
from tests.storage.archive.old_archive import (
    ALL_OLD,
    AT,
    FIRST,
    IDS,
    OTHER_ID,
    SECOND,
    THIRD,
    entries_of,
    keys_of,
    pruned,
)
from tests.storage.archive.pruned_files import put_record

in_a_folder = pytest.mark.parametrize("store", ["directory"], indirect=True)


@pytest.fixture(params=["directory", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> DeletingStore:
    if request.param == "directory":
        return DeletingDirectoryStore(tmp_path / "archive")
    seaweed: Seaweed = request.getfixturevalue("seaweed")
    return seaweed.deleting_store(seaweed.new_bucket(), "lake")


@pytest.fixture
def made(store: DeletingStore, tmp_path: Path) -> list[Manifest]:
    return old_archive.fill(store, tmp_path / "made")


def findings(store: DeletingStore) -> list[Finding]:
    return list(Verification(store).findings())


def objects(store: DeletingStore) -> list[str]:
    return list(store.keys("exchange="))


def replace(store: DeletingStore, folder: Path, key: str, content: bytes) -> None:
    path = folder / "replacing"
    path.write_bytes(content)
    store.put(key, path, hashlib.sha256(content).hexdigest())


def test_old_days_go_and_the_archive_verifies(store: DeletingStore, made: list[Manifest]) -> None:
    results = pruned(store)
    assert [(date, result.objects, result.refused) for date, result in results.items()] == [
        (FIRST, 6, []),
        (SECOND, 4, []),
    ]
    assert objects(store) == sorted([*keys_of(made, THIRD), *keys_of(made, FIRST, "gap")])
    assert findings(store) == []


def test_manifests_and_gap_rows_stay(store: DeletingStore, made: list[Manifest]) -> None:
    ledger = keys_of(made, FIRST, "gap")
    before = {key: store.read(key) for key in [*store.keys("_manifest/"), *ledger]}
    assert len(ledger) == 1
    pruned(store)
    assert {key: store.read(key) for key in before} == before


def test_what_goes_is_written_down(store: DeletingStore, made: list[Manifest]) -> None:
    pruned(store)
    gone = entries_of(made, FIRST)
    record = read_pruned(store, FIRST)
    assert record is not None
    (pruning,) = record.prunings
    rows, size = sum(entry.rows for entry in gone), sum(entry.bytes for entry in gone)
    assert pruning == Pruning(AT, pruning.collector_version, rows, size, keys_of(made, FIRST))
    assert list(store.keys("_manifest/pruned/")) == [pruned_key(FIRST), pruned_key(SECOND)]


def test_it_is_written_down_before_the_first_object_goes(
    store: DeletingStore, made: list[Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    delete, seen = store.delete, []

    def looking(key: str) -> None:
        record = read_pruned(store, FIRST)
        seen.append(record is not None and key in record.times())
        delete(key)

    monkeypatch.setattr(store, "delete", looking)
    pruned(store, PruneSelection(SECOND))
    assert seen[-6:] == [True] * 6


def test_a_dry_run_says_the_same_and_changes_nothing(store: DeletingStore, made: list[Manifest]) -> None:
    before = list(store.keys(""))
    results = pruned(store, dry=True)
    assert list(store.keys("")) == before
    assert pruned(store) == results


def test_a_second_prune_finds_nothing_to_do(store: DeletingStore, made: list[Manifest]) -> None:
    pruned(store)
    before = {key: store.read(key) for key in store.keys("")}
    assert pruned(store) == {}
    assert {key: store.read(key) for key in store.keys("")} == before


def test_of_a_segment_that_spans_two_dates_only_the_old_date_goes(store: DeletingStore, made: list[Manifest]) -> None:
    assert {entry.date for entry in made[1].objects} == {FIRST, SECOND}
    pruned(store, PruneSelection(SECOND))
    assert {entry.date for entry in made[1].objects if store.head(entry.key) is not None} == {SECOND}
    assert findings(store) == []


def test_the_objects_of_every_host_go(store: DeletingStore, made: list[Manifest]) -> None:
    hosts = {key.rpartition("/")[2].rpartition("-2026")[0] for key in keys_of(made, FIRST)}
    assert hosts == {"host-1", "host-2"}
    pruned(store, PruneSelection(SECOND))
    assert [key for key in keys_of(made, FIRST) if store.head(key) is not None] == []


@in_a_folder
def test_one_data_type_goes_first_and_the_other_later(store: DeletingStore, made: list[Manifest]) -> None:
    pruned(store, ALL_OLD._replace(data_types=frozenset({"book_delta"})))
    assert set(objects(store)) >= set(keys_of(made, FIRST, "trade"))
    assert findings(store) == []
    pruned(store)
    assert objects(store) == sorted([*keys_of(made, THIRD), *keys_of(made, FIRST, "gap")])
    record = read_pruned(store, FIRST)
    assert record is not None
    assert [pruning.keys for pruning in record.prunings] == [
        keys_of(made, FIRST, "book_delta"),
        keys_of(made, FIRST, "trade"),
    ]
    assert findings(store) == []


@pytest.mark.parametrize("fault", ["missing", "differs"])
def test_a_day_with_an_object_that_does_not_verify_stays_whole_and_the_others_go(
    store: DeletingStore, made: list[Manifest], tmp_path: Path, fault: str
) -> None:
    bad = keys_of(made, FIRST, "trade")[0]
    if fault == "missing":
        store.delete(bad)
    else:
        replace(store, tmp_path, bad, b"rotten")
    before = [key for key in keys_of(made, FIRST) if store.head(key) is not None]
    results = pruned(store, ALL_OLD._replace(data_types=frozenset({"book_delta"})))
    (reason,) = results[FIRST].refused
    assert reason.startswith(f"{fault} {bad}: ")
    assert [key for key in keys_of(made, FIRST) if store.head(key) is not None] == before
    assert read_pruned(store, FIRST) is None
    assert (results[SECOND].objects, results[SECOND].refused) == (2, [])


@in_a_folder
def test_a_day_whose_gap_ledger_does_not_verify_stays(
    store: DeletingStore, made: list[Manifest], tmp_path: Path
) -> None:
    (ledger,) = keys_of(made, FIRST, "gap")
    replace(store, tmp_path, ledger, b"rotten")
    assert pruned(store)[FIRST].refused[0].startswith(f"differs {ledger}")


@in_a_folder
def test_a_day_with_an_object_that_no_manifest_names_stays(
    store: DeletingStore, made: list[Manifest], tmp_path: Path
) -> None:
    """A segment that is being uploaded: its manifest comes last."""
    (tmp_path / "archive" / manifest_key("host-2", OTHER_ID)).unlink()
    results = pruned(store)
    orphans = [entry.key for entry in made[4].objects]
    assert [reason.split(":")[0] for reason in results[FIRST].refused] == [f"orphan {key}" for key in sorted(orphans)]
    assert results[SECOND].refused == []


@in_a_folder
def test_the_day_of_a_segment_that_is_not_archived_yet_stays(
    store: DeletingStore, made: list[Manifest], tmp_path: Path
) -> None:
    """Nothing of it is there yet; only that the next segment names it tells of it."""
    for entry in made[2].objects:
        store.delete(entry.key)
    (tmp_path / "archive" / manifest_key("host-1", IDS[2])).unlink()
    results = pruned(store)
    assert results[SECOND].refused == [f"segment {IDS[2]} of that day has no manifest: it may not be archived yet"]
    assert results[FIRST].refused == []


@in_a_folder
@pytest.mark.parametrize("changed", [{"rows": -1}, {"received_min": "0000"}, {"sha256": "0"}, {"date": "../.."}])
def test_a_day_with_a_damaged_entry_stays(
    store: DeletingStore, made: list[Manifest], tmp_path: Path, changed: dict[str, Any]
) -> None:
    change_entry(tmp_path / "archive" / manifest_key("host-1", IDS[2]), 0, **changed)
    results = pruned(store)
    assert any("damaged" in reason for reason in results[SECOND].refused)
    assert results[FIRST].refused == []


@in_a_folder
def test_a_day_whose_manifest_is_damaged_stays(store: DeletingStore, made: list[Manifest], tmp_path: Path) -> None:
    replace(store, tmp_path, manifest_key("host-1", IDS[2]), b"{")
    results = pruned(store)
    assert results[SECOND].refused[0].startswith(f"damaged {manifest_key('host-1', IDS[2])}")
    assert results[FIRST].refused == []


@in_a_folder
def test_a_day_whose_manifest_does_not_add_up_stays(store: DeletingStore, made: list[Manifest], tmp_path: Path) -> None:
    path = tmp_path / "archive" / manifest_key("host-1", IDS[2])
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {"rows": 7}), "utf-8")
    assert pruned(store)[SECOND].refused[0].startswith("totals ")


@in_a_folder
def test_a_day_whose_record_is_damaged_stays(store: DeletingStore, made: list[Manifest], tmp_path: Path) -> None:
    """To write it anew would forget what it said."""
    key = put_record(store, tmp_path, FIRST, b"{")
    results = pruned(store)
    assert results[FIRST].refused[0].startswith(f"damaged {key}")
    assert store.read(key) == b"{"
    assert results[SECOND].objects == 4


@in_a_folder
def test_a_prune_that_another_one_overtook_writes_down_its_objects_again(
    store: DeletingStore, made: list[Manifest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete = store.delete

    def while_the_other_replaces_the_record(key: str) -> None:
        if key in keys_of(made, FIRST):
            put_record(store, tmp_path, FIRST, json.dumps({"version": 1, "date": FIRST, "prunings": []}).encode())
        delete(key)

    monkeypatch.setattr(store, "delete", while_the_other_replaces_the_record)
    monkeypatch.setattr("collector.storage.archive.removal.THREADS", 1)
    pruned(store, PruneSelection(SECOND))
    assert findings(store) == []


@in_a_folder
def test_a_store_that_fails_on_the_way_leaves_what_the_next_prune_finishes(
    store: DeletingStore, made: list[Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    delete, bad = store.delete, keys_of(made, FIRST)[3]

    def failing(key: str) -> None:
        if key == bad:
            raise StoreError("no route")
        delete(key)

    with monkeypatch.context() as patch:
        patch.setattr(store, "delete", failing)
        with pytest.raises(StoreError, match="no route"):
            pruned(store)
    assert {finding.kind for finding in findings(store)} == {"leftover"}
    results = pruned(store)
    assert results[FIRST].leftovers >= 1
    assert findings(store) == []
