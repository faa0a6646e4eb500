import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from collector.storage.archive.object_check import differences
from collector.storage.archive.verify import KINDS, ChainLink, Finding, Read, Verification, broken_chains
from collector.storage.segment.sealed_segment import open_sealed
from collector.storage.store.directory import DirectoryStore
from tests.storage.archive.archive_files import ENTRY_FAULTS, change_entry
from tests.storage.segment.segment_files import TRADES, ToyRowReader, make_gap, make_segment, message, trade
from tests.storage.staging.staged_files import stage

IDS = [f"20261123T12000{number}Z-4f2a9c" for number in range(4)]


def archive(base: Path, number: int, *, first: bool = False, host: str = "host-1") -> Path:
    """Archive a segment with a trade and a gap below `base`; where its manifest stands."""
    root = base / "archive"
    previous = "" if first or number == 0 else IDS[number - 1]
    path = make_segment(
        base, [TRADES], [message(0, number, trade(number))], gaps=[("toy", "BTC/USD", make_gap())],
        segment_id=IDS[number], previous_segment=previous, host=host,
    )  # fmt: skip
    staging = base / f"staging{number}"
    staging.mkdir()
    with open_sealed(path) as segment:
        files, manifest = stage(segment, lambda _exchange: ToyRowReader(), staging, lambda: None)
    for file in files:
        DirectoryStore(root).put(file.object.key, file.path, file.object.sha256)
    manifest_path = root / "_manifest" / "date=2026-11-23" / f"{manifest.host}-{manifest.segment_id}.json"
    manifest_path.parent.mkdir(parents=True, exist_ok=True)
    manifest_path.write_bytes(manifest.encode())
    return manifest_path


def found(base: Path) -> list[Finding]:
    return list(Verification(DirectoryStore(base / "archive")).findings())


def change(manifest: Path, **changed: Any) -> None:
    manifest.write_text(json.dumps(json.loads(manifest.read_text("utf-8")) | changed), "utf-8")


def test_a_whole_archive_has_no_findings_and_is_counted(tmp_path: Path) -> None:
    for number in range(3):
        archive(tmp_path, number)
    verification = Verification(DirectoryStore(tmp_path / "archive"))
    assert list(verification.findings()) == []
    sizes = sum(path.stat().st_size for path in (tmp_path / "archive").rglob("*.parquet"))
    assert (verification.segments, verification.objects, verification.rows) == (3, 6, 6)
    assert verification.bytes == sizes


def test_a_removed_object_is_reported_missing(tmp_path: Path) -> None:
    key = json.loads(archive(tmp_path, 0).read_text("utf-8"))["objects"][1]["key"]
    (tmp_path / "archive" / key).unlink()
    assert found(tmp_path) == [Finding("missing", key, "it had 1 rows")]


@pytest.mark.parametrize("cut", [False, True], ids=["other bytes", "cut"])
def test_a_changed_object_is_reported(tmp_path: Path, cut: bool) -> None:
    key = json.loads(archive(tmp_path, 0).read_text("utf-8"))["objects"][0]["key"]
    path = tmp_path / "archive" / key
    content = path.read_bytes()
    path.write_bytes(content[:-1] if cut else content[:-1] + b"x")
    (finding,) = found(tmp_path)
    assert (finding.kind, finding.key) == ("differs", key)


def test_an_object_without_a_manifest_is_an_orphan(tmp_path: Path) -> None:
    manifest = archive(tmp_path, 0)
    keys = [described["key"] for described in json.loads(manifest.read_text("utf-8"))["objects"]]
    archive(tmp_path, 1, first=True)
    manifest.unlink()
    assert [(finding.kind, finding.key) for finding in found(tmp_path)] == [("orphan", key) for key in keys]


def test_an_unreadable_manifest_is_one_finding_and_the_rest_is_verified(tmp_path: Path) -> None:
    manifest = archive(tmp_path, 0)
    archive(tmp_path, 1, first=True)
    manifest.write_bytes(b"{")
    kinds = [finding.kind for finding in found(tmp_path)]
    assert kinds == ["damaged", "orphan", "orphan"]


@pytest.mark.parametrize("read", [None, differences], ids=["quick", "deep"])
@pytest.mark.parametrize("changed", ENTRY_FAULTS.values(), ids=ENTRY_FAULTS)
def test_a_damaged_entry_is_one_finding_and_the_rest_is_verified(
    tmp_path: Path, changed: dict[str, Any], read: Read | None
) -> None:
    manifest = archive(tmp_path, 0)
    archive(tmp_path, 1)
    change_entry(manifest, 1, **changed)
    verification = Verification(DirectoryStore(tmp_path / "archive"), read)
    (finding,) = verification.findings()
    assert finding.kind == "damaged"
    assert str(manifest.name) in finding.text
    assert (verification.segments, verification.objects) == (2, 3)


@pytest.mark.parametrize("read", [None, differences], ids=["quick", "deep"])
@pytest.mark.parametrize("field", ["received_min", "received_max"])
def test_a_damaged_time_is_one_finding(tmp_path: Path, field: str, read: Read | None) -> None:
    change_entry(archive(tmp_path, 0), 1, **{field: "2026-13-01T00:00:00.000000Z"})
    (finding,) = Verification(DirectoryStore(tmp_path / "archive"), read).findings()
    assert (finding.kind, finding.text.split(" (in")[0]) == ("damaged", f"its {field} is '2026-13-01T00:00:00.000000Z'")


def test_totals_that_are_not_the_sum_of_the_objects_are_a_finding(tmp_path: Path) -> None:
    manifest = archive(tmp_path, 0)
    change(manifest, rows=7)
    (finding,) = found(tmp_path)
    assert (finding.kind, finding.key) == ("totals", manifest.relative_to(tmp_path / "archive").as_posix())
    assert finding.text == "it says 7 rows and 1 gaps, but its objects have 1 and 1"


@pytest.mark.parametrize("read", [None, differences], ids=["quick", "deep"])
def test_an_unreadable_object_is_one_finding_and_the_rest_is_verified(tmp_path: Path, read: Read | None) -> None:
    key = json.loads(archive(tmp_path, 0).read_text("utf-8"))["objects"][0]["key"]
    archive(tmp_path, 1)
    (tmp_path / "archive" / key).unlink()
    (tmp_path / "archive" / key).mkdir()
    verification = Verification(DirectoryStore(tmp_path / "archive"), read)
    (finding,) = verification.findings()
    assert (finding.kind, finding.key) == ("unread", key)
    assert "this is not a regular file" in finding.text
    assert verification.objects == 3


@pytest.mark.parametrize("other", [IDS[1], "yesterday"])
def test_a_manifest_under_another_name_is_damaged(tmp_path: Path, other: str) -> None:
    change(archive(tmp_path, 0), segment_id=other)
    assert found(tmp_path)[0].kind == "damaged"


def test_a_segment_without_its_predecessors_manifest_is_a_hole(tmp_path: Path) -> None:
    for number in (0, 2, 3):
        archive(tmp_path, number)
    (hole,) = found(tmp_path)
    assert hole.kind == "hole"
    assert IDS[2] in hole.key
    assert IDS[1] in hole.text


def test_a_renamed_host_continues_its_chain(tmp_path: Path) -> None:
    archive(tmp_path, 0)
    archive(tmp_path, 1, host="host-2")
    assert found(tmp_path) == []


def test_two_segments_that_follow_one_are_a_fork() -> None:
    segments = [ChainLink("0", IDS[0], None), *(ChainLink(str(n), IDS[n], IDS[0]) for n in (1, 2))]
    assert [(finding.kind, finding.key) for finding in broken_chains(segments)] == [("fork", "1"), ("fork", "2")]


def test_every_kind_of_finding_is_explained(tmp_path: Path) -> None:
    archive(tmp_path, 2)
    assert {finding.kind for finding in found(tmp_path)} <= set(KINDS)


def test_deep_reads_every_object(tmp_path: Path) -> None:
    archive(tmp_path, 0)
    path = tmp_path / "archive" / next(iter(DirectoryStore(tmp_path / "archive").keys("exchange=toy/data_type=trade")))
    assert list(Verification(DirectoryStore(tmp_path / "archive"), differences).findings()) == []
    table = pq.ParquetFile(path).read()
    pq.write_table(pa.concat_tables([table, table]), path)
    manifest = next((tmp_path / "archive").glob("_manifest/*/*.json"))
    content = json.loads(manifest.read_text("utf-8"))
    for described in content["objects"]:
        held = DirectoryStore(tmp_path / "archive").head(described["key"])
        assert held is not None
        described["bytes"], described["sha256"] = held
    manifest.write_text(json.dumps(content), "utf-8")
    assert found(tmp_path) == [], "size and checksum are right"
    deep = list(Verification(DirectoryStore(tmp_path / "archive"), differences).findings())
    assert "its rows should be 1, but is 2" in [finding.text for finding in deep if finding.kind == "content"]


def test_progress_is_called_after_each_manifest(tmp_path: Path) -> None:
    for number in range(3):
        archive(tmp_path, number)
    verification = Verification(DirectoryStore(tmp_path / "archive"))
    told: list[tuple[int, int]] = []
    assert list(verification.findings(lambda: told.append((verification.looked_at, verification.manifests)))) == []
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_an_object_archived_during_the_check_is_no_orphan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive(tmp_path, 0)
    store = DirectoryStore(tmp_path / "archive")
    listed: list[str] = []
    keys = store.keys

    def and_then_a_segment_comes(prefix: str) -> Iterator[str]:
        answer = list(keys(prefix))
        if not listed:
            archive(tmp_path, 1)
        listed.append(prefix)
        return iter(answer)

    monkeypatch.setattr(store, "keys", and_then_a_segment_comes)
    assert list(Verification(store).findings()) == []
    assert listed == ["", "_manifest/", "_manifest/pruned/"]
