"""The tables have every object that a manifest names, once, whatever came in which order, and nothing else."""

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from msgspec.structs import replace
from pyarrow import parquet as pq

from collector.domain.errors import StoreError
from collector.domain.names import manifest_key, pruned_key
from collector.storage.archive.pruned import PrunedDay, Pruning
from collector.storage.archive.schema import SCHEMA_VERSION
from collector.storage.store.deleting import DeletingDirectoryStore
from collector.storage.table import columns, commits
from collector.storage.table.columns import table_schema
from collector.storage.table.commits import LAST_SEGMENT
from collector.storage.table.data_files import day_number
from collector.storage.table.tables import SEGMENTS
from tests.reprocess.stored import TRADES as BINANCE_TRADES
from tests.reprocess.stored import as_schema_1, store_segment, trade_frame
from tests.storage.archive.archive_files import put_manifest
from tests.storage.archive.old_archive import FIRST, fill, pruned
from tests.storage.segment.segment_files import NOON_US, message
from tests.storage.table.tabled import Tabled, segment_id


@pytest.fixture
def tabled(tmp_path: Path) -> Tabled:
    """An empty archive, and no tables yet."""
    return Tabled(tmp_path)


@pytest.fixture
def filled(tabled: Tabled) -> Tabled:
    """Three days of two hosts, and tables of them."""
    fill(tabled.deleting, tabled.folder / "made")
    tabled.look()
    return tabled


def _in_files(tabled: Tabled, data_type: str) -> Iterator[dict[str, Any]]:
    """The rows that the archive's files have, with what their paths say."""
    for path in (tabled.folder / "archive").glob(f"exchange=*/data_type={data_type}/symbol=*/date=*/*.parquet"):
        said = dict(part.split("=") for part in path.parent.relative_to(tabled.folder / "archive").parts)
        for row in pq.ParquetFile(path).read().to_pylist():
            yield {"exchange": said["exchange"], "symbol": "BTC/USD", "date": said["date"], **row}


def _as_set(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(str({**row, "date": str(row["date"]), "received_at": str(row.get("received_at"))}) for row in rows)


@pytest.mark.parametrize("data_type", ["trade", "book_delta", "gap"])
def test_a_table_has_the_rows_of_all_files_of_its_type_with_what_their_paths_say(
    filled: Tabled, data_type: str
) -> None:
    found = filled.rows(data_type)
    assert found.num_rows > 0
    assert {name: found.schema.field(name).type for name in ("symbol", "date")} == {
        "symbol": pa.large_string(),
        "date": pa.date32(),
    }
    names = [field.name for field in table_schema(data_type).fields]
    assert found.column_names == names
    times = [name for name in names if name.endswith("_at")]
    plain = [{**row, **{name: row[name] and row[name].timestamp() for name in times}} for row in found.to_pylist()]
    wanted = [
        {**row, **{name: row[name] and row[name].timestamp() for name in times}} for row in _in_files(filled, data_type)
    ]
    assert _as_set(plain) == _as_set(wanted)


def test_a_table_tells_engines_that_its_files_are_not_theirs_to_remove(filled: Tabled) -> None:
    assert {table.properties["gc.enabled"] for _, table in filled.tables.all()} == {"false"}


def test_a_day_and_a_symbol_are_found_without_the_files_of_others(filled: Tabled) -> None:
    scan = filled.table().scan(row_filter="date = '2026-11-24' and symbol = 'BTC/USD'")
    assert {task.file.partition[2] for task in scan.plan_files()} == {day_number("2026-11-24")}
    assert {row["date"].isoformat() for row in scan.to_arrow().to_pylist()} == {"2026-11-24"}
    later = filled.table().scan(row_filter="received_at >= '2026-11-25T00:00:00+00:00'")
    assert len(list(later.plan_files())) == 1, "the others' bounds say that they end before"


def test_a_look_at_what_is_done_commits_nothing(filled: Tabled) -> None:
    before = filled.table().metadata_location
    assert filled.look().commits == 0
    assert filled.table().metadata_location == before


@pytest.mark.parametrize("seed", range(2))
def test_segments_in_any_order_and_of_several_hosts_are_there_once(tabled: Tabled, seed: int) -> None:
    chance = random.Random(seed)
    numbers = [(number, host) for number in range(4) for host in ("host-1", "host-2")]
    chance.shuffle(numbers)
    for index, (number, host) in enumerate(numbers):
        tabled.segment(number, host)
        if chance.random() < 0.5 or index == len(numbers) - 1:
            if chance.random() < 0.3:
                tabled.work = tabled.new_work()
            if chance.random() < 0.3:
                tabled.state.unlink(missing_ok=True)
                tabled.work = tabled.new_work()
            tabled.look()
            assert tabled.files() == tabled.wanted()
    assert tabled.rows().num_rows == 16


def test_a_backlog_is_one_commit_a_table_that_names_its_segments(tabled: Tabled) -> None:
    for number in range(3):
        tabled.segment(number)
    assert tabled.look()[:3] == (1, 0, 3)
    snapshot = tabled.table().current_snapshot()
    assert snapshot is not None
    assert snapshot.summary is not None
    assert snapshot.summary[SEGMENTS] == ",".join(f"host-1-{segment_id(number)}" for number in range(3))
    assert tabled.table().properties[f"{LAST_SEGMENT}host-1"] == segment_id(2)


def test_a_large_backlog_is_committed_in_parts(tabled: Tabled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.storage.table.work.MOST_OBJECTS", 2)
    monkeypatch.setattr("collector.storage.table.work.MOST_LISTED", 2)
    for number in range(12, 18):
        tabled.segment(number)
    assert tabled.look()[:3] == (1, 0, 2), "what is left of a day"
    assert not tabled.work.is_all
    assert tabled.look()[:3] == (2, 0, 4), "two segments at a time"
    assert tabled.look().files == 0
    assert tabled.work.is_all
    assert tabled.files() == tabled.wanted()


def test_a_table_that_was_dropped_is_made_again_and_the_others_stay(filled: Tabled) -> None:
    book = filled.table("book_delta").metadata_location
    filled.tables.drop("trade")
    filled.look()
    assert filled.files() == filled.wanted()
    assert filled.table("book_delta").metadata_location == book


def test_a_lost_catalog_costs_nothing_but_the_work(filled: Tabled) -> None:
    (filled.folder / "tables.db").unlink()
    again = Tabled(filled.folder)
    again.drop()
    again.look()
    assert again.files() == again.wanted()


def test_pruned_files_leave_the_tables_and_do_not_come_back(filled: Tabled) -> None:
    before = filled.wanted()
    pruned(filled.deleting)
    assert filled.wanted() < before
    filled.look()
    assert filled.files() == filled.wanted()
    assert filled.rows().num_rows == 4, "readers find no file missing"
    (filled.folder / "tables.db").unlink()
    again = Tabled(filled.folder, state="other")
    again.drop()
    again.look()
    assert again.files() == again.wanted()


@pytest.mark.parametrize("spelled", ["link", "link/../archive", "made/../archive"])
def test_an_archive_that_is_spelled_in_another_way_is_the_same_one(filled: Tabled, spelled: str) -> None:
    (filled.folder / "link").symlink_to(filled.folder / "archive")
    store = DeletingDirectoryStore(Path(f"{filled.folder}/{spelled}"))
    again = Tabled(filled.folder, store, state="other", warehouse=filled.options.warehouse)
    assert again.look().files == 0
    assert filled.files() == filled.wanted()


def test_a_table_refuses_the_files_of_another_archive_until_it_is_made_anew(filled: Tabled) -> None:
    moved = filled.folder / "moved"
    (filled.folder / "archive").rename(moved)
    again = Tabled(filled.folder, DeletingDirectoryStore(moved), state="other", warehouse=filled.options.warehouse)
    with pytest.raises(StoreError, match=r"is of another archive \(file://.*/archive\) than .*moved.*--rebuild"):
        again.look()
    again.drop()
    again.look()
    assert again.files() == again.wanted()


def test_more_of_a_day_may_be_pruned_later(filled: Tabled) -> None:
    keys = sorted(key for key in filled.store.keys("exchange=toy/") if "date=2026-11-23" in key and "gap" not in key)
    for number in (1, len(keys)):
        record = PrunedDay(1, FIRST, [Pruning("2027-01-01T00:00:00.000000Z", "1", 1, 1, keys[:number])])
        path = filled.folder / "archive" / pruned_key(FIRST)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(record.encode())
        filled.look()
        assert filled.files() == filled.wanted()


def test_files_of_the_first_version_are_read_beside_those_of_the_present_one(tmp_path: Path) -> None:
    for number in (0, 1):
        trade = message(0, 7 + number, trade_frame(7 + number), received_us=NOON_US)
        store = store_segment(tmp_path, [trade], [BINANCE_TRADES], number=number)
        if number == 0:
            as_schema_1(tmp_path / "archive")
    tabled = Tabled(tmp_path, store)
    tabled.look()
    assert {row["trade_id"]: row["kind"] for row in tabled.rows().to_pylist()} == {"7": None, "8": "market"}


def test_a_table_of_an_earlier_version_gets_the_new_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_segment(tmp_path, [message(0, 7, trade_frame(7))], [BINANCE_TRADES])
    as_schema_1(tmp_path / "archive")
    tabled = Tabled(tmp_path, store)
    with monkeypatch.context() as patch:
        patch.setattr(columns, "SCHEMA_VERSION", 1)
        tabled.look()
    assert "kind" not in tabled.rows().column_names
    store_segment(tmp_path, [message(0, 8, trade_frame(8))], [BINANCE_TRADES], number=1)
    tabled.look()
    assert {row["trade_id"]: row["kind"] for row in tabled.rows().to_pylist()} == {"7": None, "8": "market"}


def test_a_manifest_that_cannot_be_used_is_said_and_holds_up_no_other(tabled: Tabled) -> None:
    tabled.segment(0)
    newer = tabled.segment(1)
    put_manifest(tabled.store, tabled.folder, replace(newer, schema_version=SCHEMA_VERSION + 1))
    broken = tabled.folder / "archive" / manifest_key("host-1", segment_id(2))
    broken.write_bytes(b"{")
    for _ in range(2):
        tabled.look()
    assert tabled.rows().num_rows == 2
    said = dict(tabled.warnings)
    assert len(tabled.warnings) == 2
    assert "newer program" in said[manifest_key("host-1", segment_id(1))]
    assert "not a manifest" in said[manifest_key("host-1", segment_id(2))]
    put_manifest(tabled.store, tabled.folder, newer)
    tabled.segment(2)
    tabled.look()
    assert tabled.rows().num_rows == 2
    tabled.work.try_again()
    tabled.look()
    assert tabled.rows().num_rows == 6


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda fields: fields["objects"][0].pop("rows"), "1 of its entries are damaged"),
        (lambda fields: fields["objects"][0].update(sha256="?"), "its sha256 is"),
        (lambda fields: fields["objects"].pop(), "but its objects have"),
    ],
)
def test_a_manifest_with_a_damaged_entry_is_left_out_whole_until_it_is_mended(
    tabled: Tabled, damage: Callable[[dict[str, Any]], object], reason: str
) -> None:
    tabled.segment(0)
    key = manifest_key("host-1", segment_id(0))
    path = tabled.folder / "archive" / key
    sound = path.read_bytes()
    fields = json.loads(sound)
    damage(fields)
    path.write_bytes(json.dumps(fields).encode())
    tabled.look()
    assert tabled.files().total() == 0
    assert [(said, reason in text) for said, text in tabled.warnings] == [(key, True)]
    path.write_bytes(sound)
    tabled.work = tabled.new_work()
    tabled.look()
    assert tabled.files() == tabled.wanted(), "the date was not done"


def test_a_catalog_whose_file_is_removed_while_it_is_used_is_made_again(tabled: Tabled) -> None:
    tabled.segment(0)
    tabled.look()
    tabled.segment(1)
    (tabled.folder / "tables.db").unlink()
    with pytest.raises(StoreError):
        tabled.look()
    Tabled(tabled.folder, state="command").drop()
    tabled.look()
    assert tabled.files() == tabled.wanted()


def test_a_table_that_was_rolled_back_gets_again_what_it_had(tabled: Tabled) -> None:
    for number in range(2):
        tabled.segment(number)
        tabled.look()
    first = tabled.table().snapshots()[0].snapshot_id
    tabled.table().manage_snapshots().set_current_snapshot(first).commit()
    assert tabled.look().files == 1
    assert tabled.files() == tabled.wanted()


def test_a_table_in_an_older_copy_of_the_catalog_gets_again_what_it_had(tabled: Tabled) -> None:
    tabled.segment(0)
    tabled.look()
    copy = (tabled.folder / "tables.db").read_bytes()
    tabled.segment(1)
    tabled.look()
    (tabled.folder / "tables.db").write_bytes(copy)
    again = Tabled(tabled.folder)
    assert again.look().files == 1
    assert again.files() == again.wanted()


@pytest.mark.parametrize(
    "change", [lambda table: table.delete("trade_id = '0'"), lambda table: table.append(table.scan().to_arrow())]
)
def test_a_table_that_another_program_changed_takes_nothing_more_until_it_is_made_anew(
    tabled: Tabled, change: Callable[[Any], object]
) -> None:
    tabled.segment(0)
    tabled.look()
    change(tabled.table())
    tabled.segment(1)
    with pytest.raises(StoreError, match=r"table trade was changed by another program.*--rebuild"):
        tabled.look()
    tabled.drop()
    tabled.look()
    assert tabled.files() == tabled.wanted()


def test_a_catalog_that_cannot_be_reached_is_an_error_to_try_again(tabled: Tabled) -> None:
    tabled.segment(0)
    (tabled.folder / "tables.db").write_bytes(b"no database at all, for sure")
    with pytest.raises(StoreError, match="file is not a database"):
        tabled.look()


def test_others_that_always_come_first_are_an_error_to_try_again(
    tabled: Tabled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits, "TRIES", 2)
    tabled.segment(0)
    other = Tabled(tabled.folder, state="other")
    other.look()
    tabled.segment(1)
    real = tabled.tables.opened

    def opened(data_type: str, archive: str) -> Any:
        table = real(data_type, archive)
        with other.table().transaction() as transaction:
            transaction.set_properties({"a": str(random.random())})
            transaction.update_snapshot(snapshot_properties={SEGMENTS: ""}).fast_append().commit()
        return table

    monkeypatch.setattr(tabled.tables, "opened", opened)
    with pytest.raises(StoreError, match="others committed first 2 times"):
        tabled.look()
