"""Day files are read in the place of what they replace: each row once, whatever came late, was pruned, or is half done."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import collector.read
from collector.compaction.day import Trees
from collector.compaction.survey import Dates
from collector.domain.errors import DamagedError, StoreError, StoreRefusedError
from collector.read.archive import Archive
from collector.read.day_tree import DayTree
from collector.read.holdings import Holdings
from collector.storage.archive.verify import Verification
from collector.storage.store.directory import DirectoryStore
from collector.storage.store.s3 import S3Store
from tests.compaction.compaction_archive import (
    FIRST,
    SECOND,
    add_late,
    add_turns,
    compact,
    compacted_trees,
    counting_manifests,
    fill,
    prune,
)
from tests.seaweed import Seaweed
from tests.storage.archive.archive_files import put_manifest

WANTED: dict[str, Any] = {"gaps": "ignore", "host": "host-1", "kinds": None}


@pytest.fixture
def trees(tmp_path: Path) -> Trees:
    """An archive of two days, and its day files."""
    return compacted_trees(tmp_path)


def archive(tmp_path: Path, **given: Any) -> Archive:
    return collector.read.open(tmp_path / "archive", **given)


def ids(archive: Archive, start: str | None = None, end: str | None = None) -> list[int]:
    table = archive.trades("BTCUSDT", start, end, **WANTED).arrow()
    return [int(one) for one in table["trade_id"].to_pylist()]


def files(archive: Archive) -> list[str]:
    return archive.trades("BTCUSDT", **WANTED).files


EVERY = [1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 20, 21]


@pytest.mark.usefixtures("trees")
def test_day_files_are_found_beside_the_archive_and_give_the_same_rows(tmp_path: Path) -> None:
    days, hours = archive(tmp_path), archive(tmp_path, daily="")
    assert (len(files(days)), len(files(hours))) == (2, 5)
    assert ids(days) == ids(hours) == EVERY
    assert days.streams().drop_columns(["bytes"]).equals(hours.streams().drop_columns(["bytes"]))
    assert days.gaps().arrow().equals(hours.gaps().arrow())
    assert days.condition().arrow().equals(hours.condition().arrow())


@pytest.mark.usefixtures("trees")
def test_a_window_reads_only_its_day(tmp_path: Path) -> None:
    assert len(archive(tmp_path).trades("BTCUSDT", SECOND, **WANTED).files) == 1
    assert ids(archive(tmp_path), "2026-11-23T12:00:01", "2026-11-23T13:00:01") == [2, 3, 5]


def test_rows_that_came_late_are_read_beside_the_day_files(trees: Trees, tmp_path: Path) -> None:
    add_late(trees.archive, tmp_path / "made")
    assert ids(archive(tmp_path)) == sorted([*EVERY, 4])
    compact(trees)
    assert ids(archive(tmp_path)) == sorted([*EVERY, 4])
    assert len(files(archive(tmp_path))) == 2


def test_a_day_file_with_rows_that_were_fetched_the_next_day_is_not_read_for_that_day(
    trees: Trees, tmp_path: Path
) -> None:
    add_late(trees.archive, tmp_path / "made")
    compact(trees)
    assert archive(tmp_path).trades("BTCUSDT", "2026-11-24T12:30", "2026-11-24T13:30", **WANTED).files == []
    (name,) = archive(tmp_path).trades("BTCUSDT", SECOND, **WANTED).files
    assert f"date={SECOND}" in name


def test_an_open_archive_sees_day_files_that_are_made_meanwhile(trees: Trees, tmp_path: Path) -> None:
    opened = archive(tmp_path)
    add_late(trees.archive, tmp_path / "made")
    assert len(files(opened)) == 3
    compact(trees)
    assert len(files(opened)) == 2
    assert ids(opened) == sorted([*EVERY, 4])


@pytest.mark.usefixtures("trees")
def test_where_hour_files_were_pruned_the_day_files_are_read_alone_and_nothing_is_missing(tmp_path: Path) -> None:
    def gaps(**given: Any) -> set[str]:
        found = archive(tmp_path, **given).trades("BTCUSDT", FIRST, SECOND, host="host-1", gaps="mark")
        return {row.gap.kind for row in found.gaps}

    before = archive(tmp_path).condition().arrow()
    prune(tmp_path / "archive", SECOND)
    assert ids(archive(tmp_path)) == EVERY
    assert archive(tmp_path).condition().arrow().equals(before)
    assert gaps() == {"sequence"}
    assert gaps(daily="") == {"sequence", "pruned"}


@pytest.mark.usefixtures("trees")
def test_where_day_files_were_pruned_the_hour_files_are_read(tmp_path: Path) -> None:
    prune(tmp_path / "archive-daily", SECOND)
    opened = archive(tmp_path)
    assert len(files(opened)) == 4
    assert ids(opened) == EVERY


def test_half_a_generation_is_nothing(trees: Trees, tmp_path: Path) -> None:
    (manifest,) = [
        one for one in counting_manifests(trees.daily) if (one.host, one.segment_id[:8]) == ("host-1", "20261123")
    ]
    (tmp_path / "archive-daily" / f"_manifest/date={FIRST}/host-1-{manifest.segment_id}.json").unlink()
    assert len(files(archive(tmp_path))) == 4
    assert ids(archive(tmp_path)) == EVERY


def test_only_chosen_streams_are_read_from_day_files(tmp_path: Path) -> None:
    found = Trees(DirectoryStore(tmp_path / "archive"), DirectoryStore(tmp_path / "archive-daily"))
    fill(found.archive, tmp_path / "made")
    compact(found, Dates(FIRST, FIRST), data_type="book_delta")
    assert len(files(archive(tmp_path))) == 5
    assert len(archive(tmp_path).deltas("BTCUSDT", gaps="ignore", host="host-1").files) == 1 + 2
    assert ids(archive(tmp_path)) == EVERY


def test_hosts_that_took_turns_within_a_day_are_read_one_after_another(tmp_path: Path) -> None:
    found = Trees(DirectoryStore(tmp_path / "archive"), DirectoryStore(tmp_path / "archive-daily"))
    add_turns(found.archive, tmp_path / "made")
    results = {one.host: one for one in compact(found)}
    assert [len(results[host].left) for host in ("a", "b")] == [2, 0]
    table = archive(tmp_path).trades("BTCUSDT", gaps="ignore", kinds=None).arrow()
    assert table["trade_id"].to_pylist() == list("123456")


def test_a_host_whose_hours_come_late_between_those_of_another_takes_its_day_files_away(tmp_path: Path) -> None:
    found = Trees(DirectoryStore(tmp_path / "archive"), DirectoryStore(tmp_path / "archive-daily"))
    add_turns(found.archive, tmp_path / "made", "a")
    compact(found)
    add_turns(found.archive, tmp_path / "made", "b")
    results = [(one.host, one.generation, len(one.left)) for one in compact(found)]
    assert results == [("a", 2, 2), ("b", 1, 0)]
    table = archive(tmp_path).trades("BTCUSDT", gaps="ignore", kinds=None).arrow()
    assert table["trade_id"].to_pylist() == list("123456")
    assert list(Verification(found.daily).findings()) == []
    assert [one.generation for one in compact(found)] == [0]


def test_a_day_file_whose_hours_are_gone_stays_whoever_took_turns(tmp_path: Path) -> None:
    found = Trees(DirectoryStore(tmp_path / "archive"), DirectoryStore(tmp_path / "archive-daily"))
    add_turns(found.archive, tmp_path / "made", "a")
    compact(found)
    prune(tmp_path / "archive", FIRST)
    add_turns(found.archive, tmp_path / "made", "b")
    results = [(one.host, one.generation, len(one.left)) for one in compact(found)]
    assert results == [("a", 0, 2), ("b", 1, 0)]


def test_as_of_a_moment_before_one_of_its_segments_was_sealed_a_day_file_counts_for_nothing(
    trees: Trees, tmp_path: Path
) -> None:
    late = add_late(trees.archive, tmp_path / "made")
    put_manifest(trees.archive, tmp_path, msgspec.structs.replace(late, sealed_at="2026-11-24T14:00:00.000000Z"))
    compact(trees)
    then = archive(tmp_path, asof="2026-11-24T13:00:00")
    assert (len(files(then)), ids(then)) == (4, EVERY)
    assert ids(archive(tmp_path, asof="2026-11-24T14:00:00")) == sorted([*EVERY, 4])


@pytest.mark.usefixtures("trees")
def test_the_tree_of_day_files_is_an_archive_of_its_own(tmp_path: Path) -> None:
    opened = collector.read.open(tmp_path / "archive-daily")
    assert ids(opened) == EVERY
    assert opened.gaps().arrow().equals(archive(tmp_path).gaps().arrow())
    assert opened.condition().arrow().equals(archive(tmp_path).condition().arrow())


def test_of_several_generations_in_one_tree_one_is_read(trees: Trees, tmp_path: Path) -> None:
    add_late(trees.archive, tmp_path / "made")
    compact(trees)
    assert ids(collector.read.open(tmp_path / "archive-daily")) == sorted([*EVERY, 4])


@pytest.mark.usefixtures("trees")
def test_day_files_whose_manifest_is_damaged_count_for_nothing_and_nothing_is_missing_in_silence(
    tmp_path: Path,
) -> None:
    for path in (tmp_path / "archive-daily").rglob(f"_manifest/date={FIRST}/*.json"):
        path.write_text("{", "utf-8")
    opened = archive(tmp_path)
    assert (len(files(opened)), ids(opened)) == (4, EVERY)
    prune(tmp_path / "archive", SECOND)
    for start in (None, FIRST, SECOND):
        with pytest.raises(DamagedError, match=f"cannot be told:\n_manifest/date={FIRST}/host-1-"):
            opened.trades("BTCUSDT", start, host="host-1").arrow()


def test_whatever_a_compaction_has_done_so_far_a_reader_finds_each_row_once(
    trees: Trees, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_late(trees.archive, tmp_path / "made")
    opened, found = archive(tmp_path), []
    real = trees.daily.put

    def put(*arguments: Any) -> None:
        found.append(ids(opened))
        real(*arguments)
        found.append(ids(opened))

    monkeypatch.setattr(trees.daily, "put", put)
    compact(trees)
    assert found == [sorted([*EVERY, 4])] * 4


class Refused(DirectoryStore):
    """A tree that these credentials may not list."""

    def keys(self, prefix: str) -> Iterator[str]:
        raise StoreRefusedError(f"{prefix}: forbidden")


@pytest.mark.usefixtures("trees")
def test_a_tree_that_nobody_named_need_not_be_readable(tmp_path: Path) -> None:
    def opened(*, is_named: bool) -> Archive:
        tree = DayTree(Refused(tmp_path / "archive-daily"), None, is_named=is_named)
        return Archive(Holdings(DirectoryStore(tmp_path / "archive"), None, None, tree))

    assert ids(opened(is_named=False)) == EVERY
    with pytest.raises(StoreError, match="forbidden"):
        ids(opened(is_named=True))


def test_in_a_bucket_a_stream_day_takes_ten_requests_at_most(
    seaweed: Seaweed, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trees = Trees(seaweed.store(bucket, "lake"), seaweed.store(bucket, "lake-daily"))
    fill(trees.archive, tmp_path / "made")
    compact(trees)
    calls = Counter[str]()
    real = S3Store._call

    def counted(store: S3Store, key: str, request: Any) -> Any:
        calls[key] += 1
        return real(store, key, request)

    monkeypatch.setattr(S3Store, "_call", counted)
    asked: dict[str, Any] = {
        "storage": {"endpoint_url": seaweed.endpoint_url, "region": "us-east-1", "addressing": "path"}
    }
    found = {}
    for name, daily in {"hours": "", "days": None}.items():
        calls.clear()
        opened = collector.read.open(f"s3://{bucket}/lake", **asked, daily=daily)
        assert ids(opened, FIRST, SECOND) == [1, 2, 3, 5, 6, 7, 8, 9]
        found[name] = calls.total()
    assert found["days"] <= 10
    assert found["days"] < found["hours"]
