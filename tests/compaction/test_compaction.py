"""Day files have exactly the rows of the files they are made of, and the right ones count."""

import json
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet as pq

from collector.compaction.compaction import alone
from collector.compaction.day import Trees
from collector.compaction.survey import Dates
from collector.domain.errors import StoreError
from collector.domain.records import StreamKey
from collector.storage.archive.object_check import differences
from collector.storage.archive.verify import Verification
from collector.storage.store.directory import DirectoryStore
from tests.compaction.compaction_archive import (
    BOOK,
    FIRST,
    IDS,
    SECOND,
    TRADES,
    add_late,
    compact,
    counting_manifests,
    day_objects,
    fill,
    prune,
    rows_of,
)

GAPS = StreamKey("binance", "BTCUSDT", "gap")


@pytest.fixture
def trees(tmp_path: Path) -> Trees:
    """An archive, and no day files yet."""
    daily = DirectoryStore(tmp_path / "archive-daily")
    daily.check()
    return Trees(DirectoryStore(tmp_path / "archive"), daily)


def ids_in(trees: Trees, folder: Path, date: str, stream: StreamKey = TRADES) -> list[int]:
    column = {"trade": "trade_id", "book_delta": "last_id"}[stream.data_type]
    return [
        int(one) for one in rows_of(trees.daily, day_objects(trees.daily, stream, date), folder)[column].to_pylist()
    ]


@pytest.mark.parametrize("stream", [TRADES, BOOK], ids=lambda stream: stream.data_type)
def test_a_day_file_has_every_row_of_the_day_once_in_the_order_of_ids(
    trees: Trees, tmp_path: Path, stream: StreamKey
) -> None:
    made = fill(trees.archive, tmp_path / "made")
    compact(trees)
    assert ids_in(trees, tmp_path, FIRST, stream) == [1, 2, 3, 5, 6, 7, 8, 9]
    assert ids_in(trees, tmp_path, SECOND, stream) == [10, 11, 20, 21]
    hours = [
        one
        for manifest in made[:4]
        for one in manifest.objects
        if (one.data_type, one.date) == (stream.data_type, FIRST)
    ]
    expected = rows_of(trees.archive, hours, tmp_path).sort_by("received_at").to_pylist()
    found = rows_of(trees.daily, day_objects(trees.daily, stream, FIRST), tmp_path).sort_by("received_at").to_pylist()
    assert found == expected


def test_day_files_are_an_archive_that_verifies_to_the_last_row(trees: Trees, tmp_path: Path) -> None:
    fill(trees.archive, tmp_path / "made")
    compact(trees)
    assert list(Verification(trees.daily, differences).findings()) == []


def test_any_reader_of_a_folder_reads_the_tree(trees: Trees, tmp_path: Path) -> None:
    fill(trees.archive, tmp_path / "made")
    compact(trees)
    table = pq.read_table(tmp_path / "archive-daily/exchange=binance/data_type=trade")
    assert sorted(map(int, table["trade_id"].to_pylist())) == [1, 1, 2, 2, 3, 5, 6, 7, 8, 9, 10, 11, 20, 21]


def test_no_gap_row_is_lost(trees: Trees, tmp_path: Path) -> None:
    made = fill(trees.archive, tmp_path / "made")
    compact(trees)
    hours = [one for one in made[0].objects if one.data_type == "gap"]
    days = day_objects(trees.daily, GAPS, hours[0].date)
    assert rows_of(trees.daily, days, tmp_path).equals(rows_of(trees.archive, hours, tmp_path))


def test_each_host_has_files_of_its_own(trees: Trees, tmp_path: Path) -> None:
    fill(trees.archive, tmp_path / "made")
    compact(trees)
    (entry,) = day_objects(trees.daily, TRADES, FIRST, "host-2")
    assert entry.rows == 2


def test_a_second_run_has_nothing_to_do(trees: Trees, tmp_path: Path) -> None:
    fill(trees.archive, tmp_path / "made")
    assert [(one.date, one.host, one.generation) for one in compact(trees)] == [
        (FIRST, "host-1", 1), (FIRST, "host-2", 1), (SECOND, "host-1", 1),
    ]  # fmt: skip
    before = list(trees.daily.keys(""))
    assert compact(trees) == []
    assert list(trees.daily.keys("")) == before


def test_a_day_that_is_not_asked_for_or_not_over_stays(trees: Trees, tmp_path: Path) -> None:
    fill(trees.archive, tmp_path / "made")
    assert {one.date for one in compact(trees, Dates("0001-01-01", FIRST))} == {FIRST}


def test_rows_that_came_late_make_a_new_generation_in_their_place(trees: Trees, tmp_path: Path) -> None:
    fill(trees.archive, tmp_path / "made")
    compact(trees)
    (book,) = day_objects(trees.daily, BOOK, FIRST)
    add_late(trees.archive, tmp_path / "made")
    (result,) = compact(trees)
    assert (result.date, result.generation, result.files) == (FIRST, 2, 1)
    assert ids_in(trees, tmp_path, FIRST) == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert day_objects(trees.daily, BOOK, FIRST) == [book], "what had all rows is named again, not written again"
    assert list(Verification(trees.daily, differences).findings()) == []


def test_a_manifest_says_which_segments_need_not_be_read(trees: Trees, tmp_path: Path) -> None:
    fill(trees.archive, tmp_path / "made")
    compact(trees)
    (first,) = [
        one for one in counting_manifests(trees.daily) if (one.host, one.segment_id[:8]) == ("host-1", "20261123")
    ]
    assert first.replaces == list(IDS[:3])
    assert [one.segment_id for one in first.segments] == list(IDS[:3])
    assert first.segments[2].dates == [FIRST, SECOND]
    assert first.segments[2].previous_segment == IDS[1]


def test_only_chosen_streams_get_day_files_and_the_others_later(trees: Trees, tmp_path: Path) -> None:
    fill(trees.archive, tmp_path / "made")
    assert compact(trees, symbol="ETHUSDT") == []
    compact(trees, symbol="BTCUSDT")
    assert ids_in(trees, tmp_path, FIRST) == [1, 2, 3, 5, 6, 7, 8, 9]


def test_a_day_with_a_damaged_object_stays_and_the_others_go_on(trees: Trees, tmp_path: Path) -> None:
    made = fill(trees.archive, tmp_path / "made")
    key = next(one.key for one in made[0].objects if one.data_type == "trade")
    path = tmp_path / "archive" / key
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    results = {(one.date, one.host): one for one in compact(trees)}
    assert results[FIRST, "host-1"].refused == [f"{key} is not what its manifest says"]
    assert results[SECOND, "host-1"].generation == 1
    assert day_objects(trees.daily, TRADES, FIRST) == []


def test_a_day_with_a_damaged_manifest_stays(trees: Trees, tmp_path: Path) -> None:
    fill(trees.archive, tmp_path / "made")
    (tmp_path / "archive" / f"_manifest/date={FIRST}/host-1-{IDS[0]}.json").write_text("{", "utf-8")
    assert {one.date for one in compact(trees) if one.refused} == {FIRST}


def test_late_rows_are_added_to_a_day_file_whose_sources_were_pruned(trees: Trees, tmp_path: Path) -> None:
    fill(trees.archive, tmp_path / "made")
    compact(trees)
    prune(tmp_path / "archive", "2026-11-24")
    add_late(trees.archive, tmp_path / "made")
    (result,) = compact(trees)
    assert (result.generation, result.replaced_objects) == (2, 1)
    assert ids_in(trees, tmp_path, FIRST) == [1, 2, 3, 4, 5, 6, 7, 8, 9]


def test_what_was_pruned_before_is_named_and_left(trees: Trees, tmp_path: Path) -> None:
    fill(trees.archive, tmp_path / "made")
    prune(tmp_path / "archive", "2026-11-24")
    compact(trees)
    first = [one for one in compact(trees) if one.date == FIRST]
    assert {line for one in first for line in one.left} == {
        "binance BTCUSDT trade: objects of it were pruned",
        "binance BTCUSDT book_delta: objects of it were pruned",
    }
    assert day_objects(trees.daily, TRADES, FIRST) == []
    assert len(day_objects(trees.daily, GAPS, FIRST)) == 1


def test_no_day_file_is_larger_than_what_it_replaces(trees: Trees, tmp_path: Path) -> None:
    fill(trees.archive, tmp_path / "made")
    assert all(one.bytes <= one.replaced_bytes for one in compact(trees))


def test_the_same_rows_give_the_same_names_and_bytes(trees: Trees, tmp_path: Path) -> None:
    fill(trees.archive, tmp_path / "made")
    other = DirectoryStore(tmp_path / "other")
    compact(trees)
    compact(Trees(trees.archive, other))
    keys = list(trees.daily.keys(""))
    assert list(other.keys("")) == keys
    assert [other.head(key) for key in keys] == [trees.daily.head(key) for key in keys]


def test_two_that_saw_different_rows_write_under_different_names_and_one_counts(trees: Trees, tmp_path: Path) -> None:
    fill(trees.archive, tmp_path / "made")
    other = DirectoryStore(tmp_path / "other")
    compact(Trees(trees.archive, other), Dates(FIRST, FIRST))
    add_late(trees.archive, tmp_path / "made")
    compact(trees, Dates(FIRST, FIRST))
    for key in other.keys(""):  # as if both had begun before the other had ended
        target = tmp_path / "archive-daily" / key
        assert not target.exists() or "host-2" in key
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((tmp_path / "other" / key).read_bytes())
    assert ids_in(trees, tmp_path, FIRST) in ([1, 2, 3, 5, 6, 7, 8, 9], [1, 2, 3, 4, 5, 6, 7, 8, 9])
    assert list(Verification(trees.daily, differences).findings()) == []
    compact(trees, Dates(FIRST, FIRST))
    assert ids_in(trees, tmp_path, FIRST) == [1, 2, 3, 4, 5, 6, 7, 8, 9]


def test_a_second_compaction_of_a_folder_is_refused(trees: Trees) -> None:
    with alone(trees.daily), pytest.raises(StoreError, match="at work in file:///"), alone(trees.daily):
        pass


def test_a_put_that_fails_is_tried_once_more(trees: Trees, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(trees.archive, tmp_path / "made")
    real, failures = trees.daily.put, ["away"]

    def put(*arguments: Any) -> None:
        if failures:
            raise StoreError(failures.pop())
        real(*arguments)

    monkeypatch.setattr(trees.daily, "put", put)
    assert [one.generation for one in compact(trees)] == [1, 1, 1]
    failures += ["away", "away"]
    add_late(trees.archive, tmp_path / "made")
    with pytest.raises(StoreError, match="away"):
        compact(trees)


def test_a_dry_run_changes_nothing(trees: Trees, tmp_path: Path) -> None:
    fill(trees.archive, tmp_path / "made")
    assert [one.generation for one in compact(trees, dry=True)] == [1, 1, 1]
    assert list(trees.daily.keys("")) == []


def test_a_segments_manifest_has_no_fields_of_day_files(trees: Trees, tmp_path: Path) -> None:
    (made, *_) = fill(trees.archive, tmp_path / "made")
    assert {"generation", "replaces", "segments"}.isdisjoint(json.loads(made.encode()))
