"""An object is read and held against its manifest: what was changed is said."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from collector.storage.archive.manifest import Manifest, ManifestObject
from collector.storage.archive.object_check import differences
from collector.storage.store.directory import DirectoryStore
from tests.storage.archive.archive_files import archive
from tests.storage.segment.segment_files import BOOK, DAY_US, NOON_US, TICKER, TRADES, make_gap, message, trade


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """Trades of two series, a book, a ticker, a frame that cannot be read, and a gap."""
    messages = [
        *(message(0, id_, trade(id_)) for id_ in (5, 6, 7)),
        *(message(0, id_, trade(id_), series=1) for id_ in (1, 2, 3, 4)),
        message(1, 9, b'{"U": 8, "u": 9, "b": [["1.5", "2"]], "a": []}'),
        message(2, 4, b'{"u": 4, "b": [["1", "2"]], "a": [["3", "4"]]}'),
        message(1, 10, b"garbled"),
    ]
    gaps = [("toy", "BTC/USD", make_gap())]
    return archive(DirectoryStore(tmp_path / "archive"), tmp_path / "made", messages, [TRADES, BOOK, TICKER], gaps)


def path_of(base: Path, described: ManifestObject) -> Path:
    return base / "archive" / described.key


def trades(manifest: Manifest) -> ManifestObject:
    return next(described for described in manifest.objects if described.data_type == "trade")


def test_an_unchanged_object_has_no_differences(manifest: Manifest, tmp_path: Path) -> None:
    assert {described.data_type for described in manifest.objects} == {
        "trade", "book_delta", "book_ticker", "undecoded", "gap",
    }  # fmt: skip
    for described in manifest.objects:
        assert list(differences(path_of(tmp_path, described), described, manifest)) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"rows": 8}, "its rows should be 8, but is 7"),
        ({"id_min": 5}, "its id_min should be 5, but is 1"),
        ({"id_max": 7}, "its id_max should be 7, but is 4"),
        ({"received_min": "2026-11-23T12:00:00.000000Z"}, "its received_min should be 2026-11-23T12:00:00.000000Z"),
        ({"received_max": "2026-11-23T12:00:08.000000Z"}, "its received_max should be 2026-11-23T12:00:08.000000Z"),
        ({"symbol": "ETH/USD"}, "its symbol should be 'ETH/USD', but the file says 'BTC/USD'"),
        ({"date": "2026-11-24"}, "it has rows of 2026-11-23, not only of 2026-11-24"),
        ({"data_type": "book_delta", "id_min": None, "id_max": None}, "its columns should be received_at"),
    ],
)
def test_a_file_that_differs_from_its_entry_is_reported(
    manifest: Manifest, tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    described = trades(manifest)
    other = msgspec.structs.replace(described, **changed)
    found = list(differences(path_of(tmp_path, described), other, manifest))
    assert [text for text in found if text.startswith(said)], found


def test_a_file_of_another_segment_is_reported(manifest: Manifest, tmp_path: Path) -> None:
    described = trades(manifest)
    other = msgspec.structs.replace(manifest, segment_id="20261123T130000Z-000000", host="elsewhere")
    found = list(differences(path_of(tmp_path, described), described, other))
    assert [text.partition(" should")[0] for text in found] == ["its segment_id", "its host"]


def cut_a_row(table: pa.Table) -> pa.Table:
    return table.slice(0, len(table) - 1)


def receive_a_day_later(table: pa.Table) -> pa.Table:
    times = pa.array([NOON_US + DAY_US] * len(table), pa.int64()).cast(table.schema.field("received_at").type)
    return table.set_column(0, table.schema.field("received_at"), times)


@pytest.mark.parametrize(
    ("change", "said"),
    [(cut_a_row, {"rows", "id_max"}), (receive_a_day_later, {"received_min", "received_max"})],
)
def test_changed_rows_are_reported(
    manifest: Manifest, tmp_path: Path, change: Callable[[pa.Table], pa.Table], said: set[str]
) -> None:
    described = trades(manifest)
    path = path_of(tmp_path, described)
    table = pq.ParquetFile(path).read()
    metadata = pq.ParquetFile(path).metadata.metadata
    pq.write_table(change(table).replace_schema_metadata(metadata), path)
    found = list(differences(path, described, manifest))
    assert said <= {text.split()[1] for text in found}


def test_an_unreadable_file_is_reported(manifest: Manifest, tmp_path: Path) -> None:
    described = trades(manifest)
    path = path_of(tmp_path, described)
    path.write_bytes(path.read_bytes()[:-20])
    (text,) = differences(path, described, manifest)
    assert text.startswith("it cannot be read")


def number_beside_the_trade_id(table: pa.Table) -> pa.Table:
    """As an exchange whose order is not the trade id: that is a text without order, and `sequence` has the ids."""
    ids = table["trade_id"].to_pylist()
    texts = pa.array([f"T{100 - int(one)}" for one in ids], pa.string())
    table = table.set_column(table.schema.get_field_index("trade_id"), "trade_id", texts)
    sequence = pa.array([int(one) for one in ids], pa.int64())
    return table.set_column(table.schema.get_field_index("sequence"), "sequence", sequence)


def test_ids_are_those_of_the_sequence_where_the_trade_id_gives_no_order(manifest: Manifest, tmp_path: Path) -> None:
    described = trades(manifest)
    path = path_of(tmp_path, described)
    metadata = pq.ParquetFile(path).metadata.metadata
    table = number_beside_the_trade_id(pq.ParquetFile(path).read())
    pq.write_table(table.replace_schema_metadata(metadata), path)
    assert list(differences(path, described, manifest)) == []
    pq.write_table(cut_a_row(table).replace_schema_metadata(metadata), path)
    assert any(text.startswith("its id_max") for text in differences(path, described, manifest))
