"""What a table wrote stays small, and it is found without its catalog."""

from pathlib import Path

import pytest
from pyiceberg.table import StaticTable
from pyiceberg.table.snapshots import Operation, Snapshot, Summary

from collector.domain.errors import StoreError
from collector.storage.table import tidy
from collector.storage.table.tidy import HINT, expired, point_to
from tests.storage.table.tabled import Tabled

DAY_US = 86_400_000_000


def snapshot(number: int) -> Snapshot:
    return Snapshot.model_validate(
        {"snapshot-id": number, "sequence-number": number, "timestamp-ms": number * 10, "manifest-list": f"l{number}"}
    ).model_copy(update={"summary": Summary(Operation.APPEND)})


def test_snapshots_go_when_they_are_old_or_too_many_but_never_the_present_one(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [snapshot(number) for number in (3, 1, 2, 4)]
    assert expired(found, 4, 0) == []
    assert expired(found, 4, 21) == [1, 2]
    assert expired(found, 4, 1_000) == [1, 2, 3]
    monkeypatch.setattr(tidy, "MOST_SNAPSHOTS", 2)
    assert expired(found, 4, 0) == [1, 2]
    assert expired([], None, 1_000) == []


def test_expired_snapshots_take_their_files_with_them_and_nothing_else(tmp_path: Path) -> None:
    tabled = Tabled(tmp_path)
    for number in range(4):
        tabled.segment(number)
        tabled.look()
    archive = sorted((tmp_path / "archive").rglob("*"))
    folder = tmp_path / "archive-tables/market_data/trade/metadata"
    now_us = max(int(path.stat().st_mtime * 1_000_000) for path in folder.iterdir())
    assert tabled.work.tidy(now_us + DAY_US // 2, 1) == (0, 0)
    assert tabled.work.tidy(now_us + DAY_US + 1_000_000, 1) == (3, 3)
    assert len(tabled.table().snapshots()) == 1
    assert len(list(folder.glob("snap-*"))) == 1
    assert sorted((tmp_path / "archive").rglob("*")) == archive
    assert tabled.files() == tabled.wanted()
    assert tabled.rows().num_rows == 8
    tabled.segment(4)
    assert tabled.look()[:3] == (1, 0, 1), "which segments are there is known without the snapshots that brought them"
    assert tabled.files() == tabled.wanted()


def test_snapshots_that_somebody_else_forgot_at_the_same_time_are_done(tmp_path: Path) -> None:
    tabled = Tabled(tmp_path)
    for number in range(2):
        tabled.segment(number)
        tabled.look()
    seen = tabled.table()
    later_us = seen.metadata.last_updated_ms * 1_000 + 2 * DAY_US
    assert tidy.tidy(tabled.table(), later_us, 1).snapshots == 1
    assert tidy.tidy(seen, later_us, 1).snapshots == 0
    assert len(tabled.table().snapshots()) == 1


def test_damaged_metadata_are_a_short_line_that_says_where_and_what_to_do(tmp_path: Path) -> None:
    tabled = Tabled(tmp_path)
    tabled.segment(0)
    tabled.look()
    path = Path(tabled.table().metadata_location.removeprefix("file://"))
    whole = path.read_bytes()
    for damage in (whole[: len(whole) // 2], b"{}", None):
        path.unlink() if damage is None else path.write_bytes(damage)
        with pytest.raises(StoreError) as caught:
            tabled.look()
        said = str(caught.value)
        assert "archive-tables/market_data/trade" in said
        assert said.endswith("collector tables --rebuild")
        assert len(said) < 600
    tabled.drop()
    tabled.look()
    assert tabled.files() == tabled.wanted()


def test_old_metadata_go_once_the_present_ones_name_them_no_more(tmp_path: Path) -> None:
    tabled = Tabled(tmp_path)
    tabled.segment(0)
    tabled.look()
    for number in range(25):
        with tabled.table().transaction() as transaction:
            transaction.set_properties({"number": str(number)})
    folder = tmp_path / "archive-tables/market_data/trade/metadata"
    now_us = max(int(path.stat().st_mtime * 1_000_000) for path in folder.iterdir())
    tabled.work.tidy(now_us + 2 * DAY_US, 1)
    assert len(list(folder.glob("*.metadata.json"))) == 21


def test_a_table_is_found_by_its_folder_and_follows_each_commit(tmp_path: Path) -> None:
    tabled = Tabled(tmp_path)
    for number in range(2):
        tabled.segment(number)
        tabled.look()
        found = StaticTable.from_metadata(f"file://{tmp_path}/archive-tables/market_data/trade")
        assert found.metadata_location == tabled.table().metadata_location
    assert not point_to(tabled.table())


def test_a_hint_that_a_killed_committer_left_behind_is_set_right(tmp_path: Path) -> None:
    tabled = Tabled(tmp_path)
    tabled.segment(0)
    tabled.look()
    hint = tmp_path / "archive-tables/market_data/trade/metadata" / HINT
    right = hint.read_bytes()
    hint.write_bytes(b"00000-earlier")
    tabled.look()
    assert hint.read_bytes() == right


def test_a_folder_is_of_one_catalog_and_a_second_one_removes_nothing_of_it(tmp_path: Path) -> None:
    tabled = Tabled(tmp_path)
    tabled.segment(0)
    tabled.look()
    folder = tmp_path / "archive-tables/market_data/trade/metadata"
    (tmp_path / "tables.db").rename(tmp_path / "first.db")
    second = Tabled(tmp_path, state="second")
    for attempt in (second.look, second.look, lambda: second.work.tidy(2**53, 1)):
        with pytest.raises(StoreError, match=r"is the folder of another table .*--rebuild"):
            attempt()
    (tmp_path / "tables.db").rename(tmp_path / "second.db")
    (tmp_path / "first.db").rename(tmp_path / "tables.db")
    there = set(folder.iterdir())
    first = Tabled(tmp_path)
    assert first.look().commits == 0
    assert first.rows().num_rows == 2
    assert set(folder.iterdir()) == there
