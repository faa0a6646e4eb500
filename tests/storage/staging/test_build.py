import hashlib
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet as pq

from collector.domain.errors import DamagedError
from collector.domain.names import gap_id
from collector.domain.records import StreamKey
from collector.domain.times import EARLIEST_US
from collector.storage.segment.file_format import TABLES
from collector.storage.segment.sealed_blocks import SealedBlocks
from collector.storage.segment.sealed_segment import open_sealed
from collector.storage.staging import object_writer, order, scratch, stream_messages, typed_stream, undecoded
from collector.storage.staging.object_writer import ObjectFile
from tests.storage.segment.segment_files import (
    BOOK,
    DAY_US,
    NOON_US,
    PREVIOUS_ID,
    SEGMENT_ID,
    TICKER,
    TRADES,
    UNKNOWN,
    Message,
    ToyRowReader,
    make_gap,
    make_segment,
    message,
    trade,
)
from tests.storage.segment.segment_rows import query
from tests.storage.staging.staged_files import StagedSegment, stage

BTC = "exchange=toy/data_type=trade/symbol=BTC%2FUSD"
NAME = f"host-1-{SEGMENT_ID}.parquet"


def stage_into(folder: Path, path: Path) -> StagedSegment:
    folder.mkdir()
    with open_sealed(path) as segment:
        return stage(segment, lambda _exchange: ToyRowReader(), folder, lambda: None)


def no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let everything that may leave memory leave it."""
    monkeypatch.setattr(order, "MERGE_BYTES", 0)
    monkeypatch.setattr(scratch, "_BLOCK_ROWS", 20)
    monkeypatch.setattr(stream_messages, "GROUP_BYTES", 0)
    monkeypatch.setattr(stream_messages, "SHARED_BYTES", 0)
    monkeypatch.setattr(typed_stream, "WAITING_BYTES", 0)
    monkeypatch.setattr(undecoded, "UNDECODED_BYTES", 0)


def rows_by_key(staged: StagedSegment) -> dict[str, list[dict[str, Any]]]:
    return {file.object.key: pq.ParquetFile(file.path).read().to_pylist() for file in staged.files}


def us(time: datetime) -> int:
    return round(time.timestamp() * 1_000_000)


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute(statement)
        db.commit()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "staging"


def test_each_stream_and_date_is_one_object(tmp_path: Path, folder: Path) -> None:
    noon = [message(number, 1, payload) for number, payload in enumerate([trade(1), b'{"U":1,"u":2,"b":[],"a":[]}'])]
    morrow = message(0, 2, trade(2), received_us=NOON_US + DAY_US // 2)
    rows = rows_by_key(stage_into(folder, make_segment(tmp_path, [TRADES, BOOK], [*noon, morrow])))
    assert {key: len(found) for key, found in rows.items()} == {
        f"exchange=toy/data_type=book_delta/symbol=BTC%2FUSD/date=2026-11-23/{NAME}": 1,
        f"{BTC}/date=2026-11-23/{NAME}": 1,
        f"{BTC}/date=2026-11-24/{NAME}": 1,
    }


def test_staging_leaves_only_the_objects_in_the_folder(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_memory(monkeypatch)
    staged = stage_into(folder, make_segment(tmp_path, [TRADES], [message(0, 1, trade(1))]))
    assert sorted(folder.iterdir()) == sorted(file.path for file in staged.files)


@pytest.mark.parametrize(
    ("line", "exchange_us", "date"),
    [
        (0, NOON_US - 5 * DAY_US, "2026-11-23"),
        (-1, NOON_US - 5 * DAY_US, "2026-11-18"),
        (-1, None, "2026-11-23"),
        (-1, EARLIEST_US, "2009-01-01"),
        (-1, EARLIEST_US - 1, "2026-11-23"),
        (-1, 0, "2026-11-23"),
        (-1, NOON_US + 1_000_000 + DAY_US, "2026-11-24"),
        (-1, NOON_US + 1_000_001 + DAY_US, "2026-11-23"),
        (-1, -(2**63), "2026-11-23"),
        (-1, 2**63 - 1, "2026-11-23"),
    ],
    ids=[
        "received",
        "backfilled",
        "backfilled without a time",
        "the first day",
        "before it",
        "none",
        "a day ahead",
        "more than that",
        "the least",
        "the greatest",
    ],
)
def test_a_row_is_dated_by_receipt_a_backfilled_one_by_the_exchange(
    tmp_path: Path, folder: Path, line: int, exchange_us: int | None, date: str
) -> None:
    path = make_segment(tmp_path, [TRADES], [message(0, 1, trade(1), line=line, exchange_us=exchange_us)])
    assert [file.object.date for file in stage_into(folder, path).files] == [date]


def test_messages_with_ids_are_sorted_by_series_and_id(tmp_path: Path, folder: Path) -> None:
    arrived = [(0, 5), (1, 2), (0, 3), (1, 1), (0, 4)]
    messages = [message(0, id_, trade(id_), series=series) for series, id_ in arrived]
    (rows,) = rows_by_key(stage_into(folder, make_segment(tmp_path, [TRADES], messages))).values()
    assert [(row["series"], int(row["trade_id"])) for row in rows] == sorted(arrived)


def test_messages_with_equal_ids_stay_in_order_of_arrival(tmp_path: Path, folder: Path) -> None:
    messages = [message(0, 1, trade(1, price)) for price in ("3", "1", "2")]
    (rows,) = rows_by_key(stage_into(folder, make_segment(tmp_path, [TRADES], messages))).values()
    assert [row["price"] for row in rows] == [3.0, 1.0, 2.0]


@pytest.mark.parametrize("rule", ["none", "unique"])
def test_messages_whose_ids_have_no_order_stay_in_order_of_arrival(tmp_path: Path, folder: Path, rule: str) -> None:
    messages = [message(0, id_, trade(id_), series=series) for series, id_ in [(1, 5), (0, 2), (0, 9)]]
    path = make_segment(tmp_path, [TRADES], messages, id_rules={"trade": rule})
    staged = stage_into(folder, path)
    (rows,) = rows_by_key(staged).values()
    assert [row["trade_id"] for row in rows] == ["5", "2", "9"]
    assert (staged.files[0].object.id_min, staged.files[0].object.id_max) == (None, None)


def test_a_segment_too_large_for_memory_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [*range(100, 2_000), *range(100), *range(1_000, 1_100)]
    messages = [message(number % 2, id_, trade(id_) if id_ % 50 else b"?") for number, id_ in enumerate(ids)]
    path = make_segment(tmp_path, [TRADES, UNKNOWN], messages, gaps=[("toy", "BTC/USD", make_gap())] * 9)
    in_memory = stage_into(tmp_path / "a", path)
    no_memory(monkeypatch)
    assert stage_into(tmp_path / "b", path).manifest == in_memory.manifest


def test_another_process_makes_the_same_bytes(tmp_path: Path, folder: Path) -> None:
    messages = [message(number % 3, number, trade(number) if number % 7 else b"?") for number in range(100)]
    streams = [TRADES, TRADES._replace(symbol="ETH/USD"), UNKNOWN]
    path = make_segment(tmp_path, streams, messages, gaps=[("toy", "ETH/USD", make_gap())])
    script = (
        "import sys; from pathlib import Path; from tests.storage.staging.test_build import stage_into;"
        "print(stage_into(Path(sys.argv[1]), Path(sys.argv[2])).manifest.encode().decode())"
    )
    printed = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "other"), str(path)],
        env=os.environ | {"PYTHONHASHSEED": "7"},
        check=True,
        capture_output=True,
        text=True,
        encoding="utf-8",
    ).stdout
    assert json.loads(printed) == json.loads(stage_into(folder, path).manifest.encode())


Sent = tuple[int, int, int, int | None, int]
SENT = st.tuples(
    st.integers(0, 1),
    st.integers(0, 3),
    st.integers(NOON_US, NOON_US + DAY_US),
    st.none() | st.integers(NOON_US - DAY_US, NOON_US + DAY_US),
    st.integers(-1, 1),
)


@given(st.lists(SENT, max_size=40))
def test_every_message_is_in_exactly_one_object(tmp_path_factory: pytest.TempPathFactory, sent: list[Sent]) -> None:
    base = tmp_path_factory.mktemp("staging")
    messages: list[Message] = [
        (number % 2, series, id_, received_us, exchange_us, line, trade(number) if number % 5 else b"%d" % number)
        for number, (series, id_, received_us, exchange_us, line) in enumerate(sent)
    ]
    staged = stage_into(base / "staging", make_segment(base, [TRADES, TRADES._replace(symbol="b")], messages))
    found = [row for key, rows in rows_by_key(staged).items() if "=gap" not in key for row in rows]
    numbers = sorted(int(row["trade_id"]) if "trade_id" in row else int(row["frame"]) for row in found)
    assert numbers == list(range(len(sent)))
    assert staged.manifest.rows == len(sent)


def test_untyped_messages_go_to_the_undecoded_object_in_order(tmp_path: Path, folder: Path) -> None:
    unknown = UNKNOWN._replace(symbol="BTC/USD")
    messages = [message(0, 3, b"first"), message(1, 0, b"second"), message(0, 1, trade(1)), message(0, 2, b"third")]
    path = make_segment(tmp_path, [TRADES, unknown], messages, reasons=[(2, "no JSON")])
    rows = rows_by_key(stage_into(folder, path))[
        f"exchange=toy/data_type=undecoded/symbol=BTC%2FUSD/date=2026-11-23/{NAME}"
    ]
    assert [row["frame"] for row in rows] == [b"first", b"second", b"third"]
    other, no_json, other_again = [row["reason"] for row in rows]
    assert no_json == "no JSON"
    assert other == other_again
    assert "trade" in other


def test_untyped_messages_make_one_gap_row_a_stream(tmp_path: Path, folder: Path) -> None:
    messages = [message(0, id_, b"?" if id_ in {2, 5} else trade(id_)) for id_ in range(1, 7)]
    path = make_segment(tmp_path, [TRADES], messages, gaps=[("toy", "BTC/USD", make_gap())])
    noted, made = rows_by_key(stage_into(folder, path))[
        f"exchange=toy/data_type=gap/symbol=BTC%2FUSD/date=2026-11-23/{NAME}"
    ]
    assert noted["gap_id"] == make_gap().gap_id
    started, ended = NOON_US + 2_000_000, NOON_US + 5_000_000
    assert [us(made.pop(name)) for name in ("started_at", "ended_at", "detected_at")] == [started, ended, ended]
    assert made == {
        "gap_id": gap_id(TRADES, 0, "undecodable", None, started),
        "stream_type": "trade",
        "kind": "undecodable",
        "cause": "parse",
        "expected_id": None,
        "actual_id": None,
        "missing": 2,
        "line": None,
        "status": "unrepairable",
        "repaired_by": None,
    }


def test_gap_rows_are_filed_by_exchange_symbol_and_detection_date(tmp_path: Path, folder: Path) -> None:
    gaps = [
        ("toy", "_", make_gap(detected_at=NOON_US + DAY_US, missing=1)),
        ("toy", "BTC/USD", make_gap(missing=2)),
        ("toy", "_", make_gap(detected_at=NOON_US, missing=3)),
        ("toy", "_", make_gap(detected_at=NOON_US - 1, missing=4)),
    ]
    staged = stage_into(folder, make_segment(tmp_path, [], [], gaps=gaps))
    rows = rows_by_key(staged)
    gap_key = "exchange=toy/data_type=gap/symbol={}/date={}/" + NAME
    assert {key: [row["missing"] for row in found] for key, found in rows.items()} == {
        gap_key.format("_", "2026-11-23"): [3, 4],
        gap_key.format("_", "2026-11-24"): [1],
        gap_key.format("BTC%2FUSD", "2026-11-23"): [2],
    }
    assert (staged.manifest.rows, staged.manifest.gaps) == (0, 4)


def test_the_manifest_describes_the_segment_and_every_object(tmp_path: Path, folder: Path) -> None:
    ids = [(0, 7), (0, 8), (1, 3), (1, 5)]
    messages = [message(0, id_, trade(id_), series=series) for series, id_ in ids]
    staged = stage_into(folder, make_segment(tmp_path, [TRADES], messages))
    (file,) = staged.files
    assert json.loads(staged.manifest.encode()) == {
        "schema_version": 2,
        "collector_version": "0.1.0",
        "segment_id": SEGMENT_ID,
        "previous_segment": PREVIOUS_ID,
        "host": "host-1",
        "opened_at": "2026-11-23T12:00:00.000000Z",
        "sealed_at": "2026-11-23T13:00:00.000000Z",
        "rows": 4,
        "gaps": 0,
        "objects": [
            {
                "key": f"{BTC}/date=2026-11-23/{NAME}",
                "rows": 4,
                "bytes": file.path.stat().st_size,
                "sha256": hashlib.sha256(file.path.read_bytes()).hexdigest(),
                "exchange": "toy",
                "data_type": "trade",
                "symbol": "BTC/USD",
                "date": "2026-11-23",
                "received_min": "2026-11-23T12:00:03.000000Z",
                "received_max": "2026-11-23T12:00:08.000000Z",
                "id_min": 3,
                "id_max": 5,
            }
        ],
    }


def test_a_files_metadata_says_what_it_holds(tmp_path: Path, folder: Path) -> None:
    messages = [message(0, 7, trade(7)), message(1, 0, b"?")]
    files = stage_into(folder, make_segment(tmp_path, [TRADES, UNKNOWN], messages)).files
    said = [
        {name: value for name, value in pq.read_metadata(file.path).metadata.items() if name.startswith(b"collector.")}
        for file in files
    ]
    assert said[0] == {
        b"collector.schema_version": b"2",
        b"collector.version": b"0.1.0",
        b"collector.segment_id": SEGMENT_ID.encode(),
        b"collector.host": b"host-1",
        b"collector.exchange": b"toy",
        b"collector.data_type": b"trade",
        b"collector.symbol": b"BTC/USD",
        b"collector.date": b"2026-11-23",
        b"collector.id_min": b"7",
        b"collector.id_max": b"7",
    }
    assert (said[1][b"collector.symbol"], said[1][b"collector.id_min"]) == (b"_", b"")


@pytest.mark.parametrize(("keep_raw", "kept"), [("0", False), ("1", True)])
def test_raw_text_is_kept_if_the_segment_says_so(tmp_path: Path, folder: Path, keep_raw: str, kept: bool) -> None:
    path = make_segment(tmp_path, [TRADES], [message(0, 1, trade(1))], keep_raw=keep_raw)
    (rows,) = rows_by_key(stage_into(folder, path)).values()
    assert [row["raw"] for row in rows] == [trade(1).decode() if kept else None]


def test_books_and_tickers_are_typed_too(tmp_path: Path, folder: Path) -> None:
    messages = [
        message(0, 2, b'{"U": 1, "u": 2, "b": [["2.5", "1"], ["2", "0"]], "a": []}'),
        message(1, 3, b'{"u": 3, "b": [["2.5", "1"]], "a": [["2.6", "4"]]}'),
    ]
    book, ticker = rows_by_key(stage_into(folder, make_segment(tmp_path, [BOOK, TICKER], messages))).values()
    assert (book[0]["bid_prices"], book[0]["bid_sizes"], book[0]["ask_prices"]) == ([2.5, 2.0], [1.0, 0.0], [])
    assert (ticker[0]["update_id"], ticker[0]["ask_size"]) == (3, 4.0)


@pytest.mark.parametrize("stream_id", [0, 5], ids=["unknown data type", "unknown stream"])
def test_a_message_of_an_unknown_stream_or_type_is_damage(tmp_path: Path, folder: Path, stream_id: int) -> None:
    path = make_segment(tmp_path, [StreamKey("toy", "a", "weather")], [message(stream_id, 1, b"?")])
    change(path, "UPDATE streams SET last_row = 1")
    with pytest.raises(DamagedError, match=SEGMENT_ID):
        stage_into(folder, path)


@pytest.mark.parametrize("text", [trade(1), b"?" * 30], ids=["typed", "untyped"])
def test_staging_calls_tick(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, text: bytes) -> None:
    path = make_segment(tmp_path, [TRADES], [message(0, id_, text) for id_ in range(20_000)])
    monkeypatch.setattr(undecoded, "UNDECODED_BYTES", 1 << 20)
    ticks = [0.0]
    folder.mkdir()
    with open_sealed(path) as segment:
        stage(segment, lambda _exchange: ToyRowReader(), folder, lambda: ticks.append(len(list(folder.iterdir()))))
    assert len(ticks) > 20
    assert ticks.count(1) > 10, "also while an object is written"


@pytest.mark.parametrize("row", [1, 2])
def test_a_segment_with_a_missing_message_is_damaged(tmp_path: Path, folder: Path, row: int) -> None:
    path = make_segment(tmp_path, [TRADES], [message(0, id_, trade(id_)) for id_ in range(3)], commit_rows=1)
    change(path, f"DELETE FROM blocks WHERE first_row = {row}")
    with pytest.raises(DamagedError, match="2 messages, the streams 3"):
        stage_into(folder, path)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE blocks SET rows = rows + 1 WHERE stream_id = 0",
        "UPDATE blocks SET first_row = first_row + 1 WHERE stream_id = 0",
        "UPDATE blocks SET stream_id = 1 WHERE stream_id = 0",
        "UPDATE blocks SET series = 3 WHERE stream_id = 0",
        "UPDATE blocks SET id_min = id_min - 1 WHERE stream_id = 0",
        "UPDATE blocks SET id_max = id_max + 1 WHERE stream_id = 0",
        "UPDATE blocks SET id_max = 'x' WHERE stream_id = 0",
        "UPDATE blocks SET columns = (SELECT columns FROM blocks WHERE stream_id IS NULL) WHERE stream_id = 0",
        "UPDATE blocks SET payloads = (SELECT payloads FROM blocks WHERE stream_id IS NULL) WHERE stream_id = 0",
        "UPDATE blocks SET rows = rows - 1 WHERE stream_id IS NULL",
        "DELETE FROM blocks WHERE stream_id IS NULL",
        "DELETE FROM block_streams WHERE stream_id = 1",
        "DELETE FROM block_streams",
        "UPDATE block_streams SET rows = rows + 1 WHERE stream_id = 1",
        "UPDATE block_streams SET block = block + 9",
        "INSERT INTO block_streams VALUES (3, 2, 1)",
        "INSERT INTO block_streams SELECT * FROM block_streams",
        "DELETE FROM streams WHERE stream_id = 0",
        "DELETE FROM streams WHERE stream_id = 2",
    ],
)
def test_a_segment_that_contradicts_itself_is_damaged(tmp_path: Path, folder: Path, statement: str) -> None:
    streams = [TRADES, *(TRADES._replace(symbol=symbol) for symbol in "ab"), BOOK]
    busy = [message(0, id_, trade(id_) + b" " * 1_000) for id_ in range(100)]
    path = make_segment(tmp_path, streams, [*busy, *(message(1 + id_ % 2, id_, trade(id_)) for id_ in range(10))])
    assert query(path, "SELECT stream_id FROM blocks ORDER BY block") == [(0,), (None,)]
    change(path, statement)
    with pytest.raises(DamagedError):
        stage_into(folder, path)


def test_a_segment_with_a_block_twice_is_damaged(tmp_path: Path, folder: Path) -> None:
    path = make_segment(tmp_path, [TRADES], [message(0, id_, trade(id_)) for id_ in range(9)], commit_rows=3)
    columns = "first_row, id_min, id_max, columns, payloads"
    change(path, f"UPDATE blocks SET ({columns}) = (SELECT {columns} FROM blocks WHERE block = 1) WHERE block = 2")
    with pytest.raises(DamagedError, match="each of its 9 messages once"):
        stage_into(folder, path)


def test_blocks_that_streams_share_are_read_about_once(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = [TRADES._replace(symbol=f"{number:03}") for number in range(300)]
    messages = [message(number % 300, number, trade(number) + b" " * 1_500) for number in range(3_000)]
    path = make_segment(tmp_path, streams, messages, commit_rows=600)
    monkeypatch.setattr(stream_messages, "GROUP_BYTES", 1 << 20)
    read: list[int] = []
    real = SealedBlocks.read_shared

    def counted(blocks: SealedBlocks, block: int, streams: Any) -> Any:
        read.append(block)
        return real(blocks, block, streams)

    monkeypatch.setattr(SealedBlocks, "read_shared", counted)
    staged = stage_into(folder, path)
    assert (staged.manifest.rows, len(staged.files)) == (3_000, 300)
    assert len(set(read)) > 50
    assert len(read) < 1.5 * len(set(read))


def test_messages_backfilled_from_many_days_are_all_written(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[int] = [0]

    class Counted(ObjectFile):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            opened.append(opened[-1] + 1)

        def finish(self) -> Any:
            opened.append(opened[-1] - 1)
            return super().finish()

    monkeypatch.setattr(object_writer, "ObjectFile", Counted)
    monkeypatch.setattr(typed_stream, "WAITING_BYTES", 10_000)
    days = {id_: id_ * 7 % 40 for id_ in range(400)}
    messages = [
        message(0, id_, trade(id_), line=-1, received_us=NOON_US, exchange_us=NOON_US - day * DAY_US)
        for id_, day in days.items()
    ]
    rows = rows_by_key(stage_into(folder, make_segment(tmp_path, [TRADES], messages)))
    assert len(rows) == 40
    for key, found in rows.items():
        ids = [int(row["trade_id"]) for row in found]
        assert ids == sorted(ids)
        assert {str((NOON_US - days[id_] * DAY_US) // DAY_US) for id_ in ids} == {day_number(key)}
    assert max(opened) == typed_stream.OPEN_DAYS


def day_number(key: str) -> str:
    date = datetime.fromisoformat(key.partition("date=")[2][:10] + "T00:00:00+00:00")
    return str(us(date) // DAY_US)


def test_gap_rows_made_here_come_after_those_of_the_ledger(tmp_path: Path, folder: Path) -> None:
    other = TRADES._replace(symbol="z")
    gaps = [("toy", "BTC/USD", make_gap(detected_at=NOON_US + DAY_US, missing=5)), ("toy", "BTC/USD", make_gap())]
    path = make_segment(tmp_path, [TRADES, other], [message(0, 1, b"?"), message(1, 1, b"?")], gaps=gaps)
    rows = rows_by_key(stage_into(folder, path))
    kinds = {key.rpartition("/")[0]: [row["kind"] for row in found] for key, found in rows.items() if "=gap" in key}
    assert kinds == {
        "exchange=toy/data_type=gap/symbol=BTC%2FUSD/date=2026-11-23": ["sequence", "undecodable"],
        "exchange=toy/data_type=gap/symbol=BTC%2FUSD/date=2026-11-24": ["sequence"],
        "exchange=toy/data_type=gap/symbol=z/date=2026-11-23": ["undecodable"],
    }


def test_a_segment_of_rows_gives_the_same_objects_as_one_of_blocks(tmp_path: Path) -> None:
    ids = [*range(100, 400), *range(100)]
    messages = [message(number % 3, id_, trade(id_) if id_ % 50 else b"?") for number, id_ in enumerate(ids)]
    streams = [TRADES, TRADES._replace(symbol="ETH/USD"), UNKNOWN]
    given: dict[str, Any] = {"gaps": [("toy", "BTC/USD", make_gap())], "reasons": [(3, "no JSON")]}
    blocks = stage_into(tmp_path / "staged", make_segment(tmp_path / "blocks", streams, messages, **given))
    path = make_segment(tmp_path / "rows", streams, messages, **given)
    in_format_1(path)
    rows = stage_into(tmp_path / "staged-rows", path)
    assert rows.manifest == blocks.manifest
    assert len(list((tmp_path / "staged-rows").iterdir())) == len(rows.files)


def in_format_1(path: Path) -> None:
    """Store a segment's messages as a row each."""
    rows = query(path, "SELECT * FROM messages ORDER BY row")
    with closing(sqlite3.connect(path)) as db:
        db.executescript("DROP VIEW snapshots; DROP TABLE blocks; DROP TABLE block_streams; PRAGMA user_version = 1;")
        for column in ("last_row", "last_id", "last_received"):
            db.execute(f"ALTER TABLE streams DROP COLUMN {column}")
        db.execute(next(table for table in TABLES if table.name == "messages").sql)
        db.executemany("INSERT INTO messages VALUES (?,?,?,?,?,?,?,?)", rows)
        db.commit()
