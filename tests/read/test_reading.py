"""One view over the archive, staged sets, sealed segments and the open one: each row once, in the order of ids."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import collector.read
from collector.domain.errors import DamagedError, StoreError
from collector.read.archive import Archive
from collector.read.window import window
from collector.storage.store.directory import DirectoryStore
from tests.read.recorded_world import Frame, RecordedWorld, data_of, trade_ids
from tests.seaweed import Seaweed
from tests.storage.archive.archive_files import IDS, archive
from tests.storage.segment.segment_files import DAY_US, NOON_US, TRADES, make_gap, message, trade

FIRST, SECOND, THIRD, LAST = slice(0, 1_000), slice(1_000, 2_000), slice(2_000, 3_000), slice(3_000, 4_000)


def opened(world: RecordedWorld) -> Archive:
    return collector.read.open(world.data_dir / "archive", data_dir=world.data_dir)


def in_every_place(world: RecordedWorld, frames: list[Frame]) -> None:
    """A quarter each in the archive, in a set, in a sealed segment, and in the open one."""
    world.receive(frames[FIRST])
    world.seal()
    world.archive()
    world.receive(frames[SECOND])
    world.seal()
    world.stage_only()
    world.receive(frames[THIRD])
    world.seal()
    world.receive(frames[LAST])
    world.commit()


def ids(frame: Any, column: str = "trade_id") -> list[Any]:
    return frame.arrow()[column].to_pylist()  # type: ignore[no-any-return]


def test_each_row_is_there_once_wherever_it_stands(world: RecordedWorld, frames: list[Frame]) -> None:
    in_every_place(world, frames)
    found = opened(world)
    assert ids(found.trades("BTCUSDT")) == trade_ids(frames)
    assert ids(found.deltas("BTCUSDT"), "last_id") == [said["u"] for said in data_of(frames, "depth@100ms")]
    tickers = [said["u"] for said in data_of(frames, "bookTicker")]
    assert ids(found.ticker("BTCUSDT", gaps="ignore"), "update_id") == tickers
    places = [Path(name).suffix for name in found.trades("BTCUSDT").files]
    assert places == [".parquet", ".parquet", ".db", ".db"]


def test_rows_are_the_same_before_and_after_they_are_archived(world: RecordedWorld, frames: list[Frame]) -> None:
    world.receive(frames[FIRST])
    world.commit()
    before = {name: opened(world).rows(name, "BTCUSDT", gaps="ignore").arrow() for name in ("trade", "book_delta")}
    world.seal()
    world.archive()
    assert opened(world).streams()["state"].unique().to_pylist() == ["archived"]
    after = {name: opened(world).rows(name, "BTCUSDT", gaps="ignore").arrow() for name in before}
    assert {name: table.equals(before[name]) for name, table in after.items()} == {"trade": True, "book_delta": True}


def test_a_frame_reads_on_where_its_segment_went_meanwhile(world: RecordedWorld, frames: list[Frame]) -> None:
    world.receive(frames[FIRST])
    world.commit()
    open_one = opened(world).trades("BTCUSDT", gaps="ignore")
    world.seal()
    sealed = opened(world).trades("BTCUSDT", gaps="ignore")
    assert ids(open_one) == trade_ids(frames[FIRST])
    world.stage_only()
    shutil.rmtree(world.data_dir / "segments")
    staged = opened(world).trades("BTCUSDT", gaps="ignore")
    assert ids(sealed) == trade_ids(frames[FIRST])
    world.archive()
    assert ids(staged) == ids(sealed) == ids(open_one) == trade_ids(frames[FIRST])
    assert not list((world.data_dir / "staging").iterdir())


def test_the_next_question_sees_what_was_recorded_meanwhile(world: RecordedWorld, frames: list[Frame]) -> None:
    world.receive(frames[FIRST])
    world.commit()
    found = opened(world)
    assert ids(found.trades("BTCUSDT")) == trade_ids(frames[FIRST])
    world.receive(frames[SECOND])
    world.commit()
    both = slice(0, 2_000)
    assert ids(found.trades("BTCUSDT")) == trade_ids(frames[both])
    world.seal()
    world.archive()
    assert ids(found.trades("BTCUSDT")) == trade_ids(frames[both])


def test_whoever_reads_while_it_is_recorded_sees_each_row_once(world: RecordedWorld, frames: list[Frame]) -> None:
    expected, seen = trade_ids(frames), list[int]()
    steps = [world.commit, world.commit, world.seal, world.archive]

    def record() -> None:
        for number, start in enumerate(range(0, len(frames), 500)):
            world.receive(frames[start : start + 500])
            for step in steps if number % 2 else steps[:2]:
                step()
        world.seal()
        world.archive()

    recorder = threading.Thread(target=record)
    recorder.start()
    try:
        while recorder.is_alive():
            with suppress(collector.read.QuestionError):  # nothing was committed yet
                found = ids(opened(world).trades("BTCUSDT", gaps="ignore"))
                assert found == expected[: len(found)]
                seen.append(len(found))
    finally:
        recorder.join()
    assert ids(opened(world).trades("BTCUSDT", gaps="ignore")) == expected
    assert seen == sorted(seen)
    assert len(set(seen)) > 1


def test_without_live_only_the_archive_is_read(world: RecordedWorld, frames: list[Frame]) -> None:
    in_every_place(world, frames)
    assert ids(opened(world).trades("BTCUSDT", live=False)) == trade_ids(frames[FIRST])
    assert ids(collector.read.open(world.data_dir / "archive").trades("BTCUSDT")) == trade_ids(frames[FIRST])


def test_a_window_has_the_rows_from_its_start_to_before_its_end(world: RecordedWorld, frames: list[Frame]) -> None:
    in_every_place(world, frames)
    whole = opened(world).trades("BTCUSDT").arrow()
    times = whole["received_at"].cast(pa.int64()).to_pylist()
    for low, high in ((100, 500), (0, 10), (600, 601)):
        found = opened(world).trades("BTCUSDT", times[low], times[high]).arrow()
        chosen = [number for number, time in zip(whole["trade_id"].to_pylist(), times, strict=True)
                  if times[low] <= time < times[high]]  # fmt: skip
        assert found["trade_id"].to_pylist() == chosen
    by_exchange = whole["exchange_at"].cast(pa.int64()).to_pylist()
    start, end = by_exchange[100], by_exchange[500]
    assert start != times[100], "this recorder's clock was wrong"
    expected = whole.filter(pc.and_(pc.greater_equal(pa.chunked_array([by_exchange]), start),
                                    pc.less(pa.chunked_array([by_exchange]), end)))  # fmt: skip
    assert opened(world).trades("BTCUSDT", start, end, clock="exchange").arrow().equals(expected)


def test_a_short_window_is_read_from_few_files(world: RecordedWorld, frames: list[Frame]) -> None:
    in_every_place(world, frames)
    middle = opened(world).trades("BTCUSDT", frames[1_400][0] // 1_000, frames[1_500][0] // 1_000)
    (name,) = middle.files
    assert "staging" not in name, "a set is named by its keys"
    assert ids(middle) == trade_ids(frames[1_400:1_500])


def test_what_came_late_stands_in_its_place(world: RecordedWorld, frames: list[Frame]) -> None:
    trades = [frame for frame in frames[FIRST] if b"@trade" in frame[1]]
    late = trades[50:60]
    world.receive([frame for frame in frames[FIRST] if frame not in late])
    world.seal()
    at_ns = frames[1_000][0]
    world.receive([*((at_ns, text) for _, text in late), *frames[SECOND]])
    world.seal()
    world.archive()
    world.receive(frames[THIRD])
    world.commit()
    found = opened(world).trades("BTCUSDT")
    assert [row["repaired_by"] for row in opened(world).gaps("BTCUSDT", status="repaired").arrow().to_pylist()] == [
        "late"
    ]
    assert ids(found) == trade_ids(frames[:3_000])
    times = found.arrow()["received_at"].to_pylist()
    assert times != sorted(times), "the order is not that of receipt"
    window = opened(world).trades("BTCUSDT", trades[40][0] // 1_000, trades[70][0] // 1_000)
    assert ids(window) == trade_ids([*trades[40:50], *trades[60:70]]), "a late row counts from when it came"


def test_a_segment_across_midnight_is_read_through(tmp_path: Path) -> None:
    day = [message(0, id_, trade(id_), received_us=NOON_US + id_ * DAY_US // 4) for id_ in range(5)]
    found = toy(tmp_path, day)
    whole = found.trades("BTC/USD")
    assert [name.split("date=")[1][:10] for name in whole.files] == ["2026-11-23", "2026-11-24"]
    assert ids(whole) == list("01234")
    assert ids(found.trades("BTC/USD", "2026-11-24")) == list("234")
    assert ids(found.trades("BTC/USD", end="2026-11-24")) == list("01")
    assert len(found.trades("BTC/USD", "2026-11-24T06:00").files) == 1


def test_files_are_chosen_by_manifests_and_nothing_else_is_listed(
    world: RecordedWorld, frames: list[Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    in_every_place(world, frames)
    listed: list[str] = []
    keys = DirectoryStore.keys

    def noted(store: DirectoryStore, prefix: str) -> Iterator[str]:
        listed.append(prefix)
        return keys(store, prefix)

    monkeypatch.setattr(DirectoryStore, "keys", noted)
    found = opened(world)
    assert ids(found.trades("BTCUSDT")) == trade_ids(frames)
    assert found.streams().num_rows
    assert {prefix.partition("/")[0] for prefix in listed} == {"_manifest"}


def test_columns_come_in_the_order_asked_for(world: RecordedWorld, frames: list[Frame]) -> None:
    in_every_place(world, frames)
    found = opened(world).trades("BTCUSDT", columns=["size", "price"])
    assert found.arrow().column_names == found.schema.names == ["size", "price"]
    assert found.arrow().num_rows == len(trade_ids(frames))


def test_streams_tell_what_there_is(world: RecordedWorld, frames: list[Frame]) -> None:
    in_every_place(world, frames)
    table = opened(world).streams().to_pylist()
    assert [(row["data_type"], row["rows"], row["state"], row["host"]) for row in table] == [
        ("book_delta", len(data_of(frames, "depth@100ms")), "open", "host-1"),
        ("book_ticker", len(data_of(frames, "bookTicker")), "open", "host-1"),
        ("trade", len(trade_ids(frames)), "open", "host-1"),
    ]
    trades = opened(world).trades("BTCUSDT").arrow()["received_at"]
    assert (table[2]["first"], table[2]["last"]) == (trades[0].as_py(), trades[-1].as_py())


def test_the_same_is_read_from_a_bucket(
    tmp_path: Path, frames: list[Frame], seaweed: Seaweed, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = RecordedWorld(tmp_path / "data", lambda: seaweed.store(bucket, "archive"))
    in_every_place(world, frames)
    options = {"endpoint_url": seaweed.endpoint_url, "region": "us-east-1"}
    found = collector.read.open(f"s3://{bucket}/archive", data_dir=world.data_dir, storage=options)
    assert ids(found.trades("BTCUSDT")) == trade_ids(frames)
    assert found.trades("BTCUSDT").files[0].startswith("exchange=binance/data_type=trade/")
    monkeypatch.setenv("COLLECTOR_ARCHIVE__ENDPOINT_URL", seaweed.endpoint_url)
    alone = collector.read.open(f"s3://{bucket}/archive")
    assert ids(alone.trades("BTCUSDT")) == trade_ids(frames[FIRST])
    assert alone.rows("book_ticker", "BTCUSDT", gaps="ignore").arrow().num_rows


def toy(folder: Path, *parts: Any, **given: Any) -> Archive:
    """An archive of a toy exchange's segments, an hour apart."""
    store = DirectoryStore(folder / "archive")
    for number, part in enumerate(parts):
        previous = IDS[number - 1] if number else ""
        archive(store, folder / str(number), part, segment_id=IDS[number], previous_segment=previous, **given)
    return collector.read.open(folder / "archive")


def test_rows_of_an_exchange_that_this_version_does_not_know_keep_the_order_of_segments(tmp_path: Path) -> None:
    parts = [[message(0, id_, trade(id_)) for id_ in numbers] for numbers in ((5, 6), (1, 2))]
    assert ids(toy(tmp_path, *parts).trades("BTC/USD")) == ["5", "6", "1", "2"]


def test_an_archive_of_two_schemas_is_read_whole(tmp_path: Path) -> None:
    parts = [[message(0, id_, trade(id_)) for id_ in numbers] for numbers in ((1, 2), (3, 4))]
    toy(tmp_path, *parts)
    first = next(iter((tmp_path / "archive").glob(f"exchange=toy/data_type=trade/*/*/*{IDS[0]}.parquet")))
    as_schema_1(tmp_path / "archive", first)
    found = collector.read.open(tmp_path / "archive").trades("BTC/USD").arrow()
    assert found["trade_id"].to_pylist() == ["1", "2", "3", "4"]
    assert found["kind"].to_pylist() == [None, None, "market", "market"]
    assert found.schema.names[-2:] == ["sequence", "kind"]


def as_schema_1(root: Path, path: Path) -> None:
    """Make an object and its manifest what version 1 would have written."""
    import hashlib  # noqa: PLC0415

    import msgspec  # noqa: PLC0415
    from pyarrow import parquet as pq  # noqa: PLC0415

    from collector.storage.archive.manifest import decode_manifest  # noqa: PLC0415

    with pq.ParquetFile(path) as file:
        table = file.read().drop_columns(["sequence", "kind"])
        metadata = file.metadata.metadata | {b"collector.schema_version": b"1"}
    pq.write_table(table.replace_schema_metadata(metadata), path)
    (place,) = (one for one in root.glob("_manifest/*/*.json") if one.stem == path.stem)
    manifest = decode_manifest(place.read_bytes())
    changed = [
        msgspec.structs.replace(
            entry, bytes=path.stat().st_size, sha256=hashlib.sha256(path.read_bytes()).hexdigest()
        ) if root / entry.key == path else entry
        for entry in manifest.objects
    ]  # fmt: skip
    place.write_bytes(msgspec.structs.replace(manifest, schema_version=1, objects=changed).encode())


def test_two_hosts_that_recorded_at_the_same_time_are_a_choice(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "archive")
    part = [message(0, id_, trade(id_)) for id_ in (1, 2)]
    archive(store, tmp_path / "a", part, segment_id=IDS[0])
    archive(store, tmp_path / "b", part, segment_id=IDS[1], host="host-2")
    found = collector.read.open(tmp_path / "archive")
    with pytest.raises(collector.read.QuestionError, match="host-1 and host-2 recorded it at the same time"):
        found.trades("BTC/USD")
    assert ids(found.trades("BTC/USD", host="host-2")) == ["1", "2"]
    with pytest.raises(collector.read.QuestionError, match="host host-3 has none of it"):
        found.trades("BTC/USD", host="host-3")
    assert found.streams()["host"].to_pylist() == ["host-1", "host-2"]


def test_a_host_that_was_renamed_is_read_through(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "archive")
    archive(store, tmp_path / "a", [message(0, id_, trade(id_)) for id_ in (1, 2)], segment_id=IDS[0])
    later = [message(0, id_, trade(id_)) for id_ in (3, 4)]
    archive(store, tmp_path / "b", later, segment_id=IDS[1], previous_segment=IDS[0], host="renamed")
    assert ids(collector.read.open(tmp_path / "archive").trades("BTC/USD")) == ["1", "2", "3", "4"]


def test_as_of_a_time_nothing_is_known_that_was_sealed_or_found_later(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "archive")
    found_later = make_gap(detected_at=NOON_US + 7_200_000_000)
    archive(store, tmp_path / "a", [message(0, 1, trade(1))], segment_id=IDS[0],
            gaps=[("toy", "BTC/USD", make_gap(gap_id="00", status="open")),
                  ("toy", "BTC/USD", found_later)])  # fmt: skip
    before = collector.read.open(tmp_path / "archive", asof=NOON_US + 3_600_000_000)
    assert before.gaps().arrow()["gap_id"].to_pylist() == ["00"]
    assert ids(before.trades("BTC/USD", gaps="ignore")) == ["1"]
    earlier = collector.read.open(tmp_path / "archive", asof="2026-11-23T12:30")
    with pytest.raises(collector.read.QuestionError, match="there is no trade"):
        earlier.trades("BTC/USD")


def test_an_object_that_is_not_what_its_manifest_says_is_an_error(tmp_path: Path) -> None:
    found = toy(tmp_path, [message(0, 1, trade(1))])
    (path,) = (tmp_path / "archive").glob("exchange=toy/data_type=trade/*/*/*.parquet")
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(StoreError, match="differs from its manifest; collector verify"):
        found.trades("BTC/USD").arrow()
    path.unlink()
    with pytest.raises(StoreError, match="cannot be read"):
        found.trades("BTC/USD").arrow()


def test_a_damaged_manifest_is_an_error_unless_gaps_are_ignored(tmp_path: Path) -> None:
    toy(tmp_path, [message(0, 1, trade(1))], [message(0, 2, trade(2))])
    damaged = next(iter((tmp_path / "archive/_manifest").glob(f"*/*{IDS[1]}.json")))
    damaged.write_bytes(b"{")
    found = collector.read.open(tmp_path / "archive")
    with pytest.raises(DamagedError, match="what is missing cannot be told"):
        found.trades("BTC/USD")
    assert ids(found.trades("BTC/USD", gaps="ignore")) == ["1"]


def test_a_stream_is_found_by_its_symbol_alone_or_the_choice_is_named(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "archive")
    streams = [TRADES, TRADES._replace(exchange="other")]
    archive(store, tmp_path / "a", [message(0, 1, trade(1)), message(1, 7, trade(7))], streams)
    found = collector.read.open(tmp_path / "archive")
    with pytest.raises(collector.read.QuestionError, match="recorded from other, toy: choose one with exchange="):
        found.trades("BTC/USD")
    assert ids(found.trades("BTC/USD", exchange="other")) == ["7"]
    with pytest.raises(collector.read.QuestionError, match=r"no book_delta of BTC/USD; there is other BTC/USD trade"):
        found.deltas("BTC/USD")
    with pytest.raises(collector.read.QuestionError, match=r"no trade of othr BTC/USD; there is other BTC/USD trade"):
        found.trades("BTC/USD", exchange="othr")
    for wrong in ({"source": "trades"}, {"gaps": "skip"}, {"clock": "mine"}, {"columns": ["prise"]}, {"start": "noon"}):
        with pytest.raises(collector.read.QuestionError):
            found.trades("BTC/USD", exchange="toy", **wrong)


@pytest.mark.parametrize("wrong", [{"kinds": "market"}, {"columns": "price"}])
def test_one_text_is_not_taken_for_a_list_of_letters(tmp_path: Path, wrong: dict[str, Any]) -> None:
    found = toy(tmp_path, [message(0, 1, trade(1))])
    with pytest.raises(collector.read.QuestionError, match=r"must be a list, such as \['"):
        found.trades("BTC/USD", **wrong)


@pytest.mark.parametrize("at", [NOON_US // 1_000_000, NOON_US // 1_000, NOON_US * 1_000, 10**30, -1, True])
def test_a_number_in_another_unit_is_no_moment(at: int) -> None:
    with pytest.raises(collector.read.QuestionError, match="no time in microseconds since the epoch"):
        window(at, None)


def test_a_number_of_any_kind_is_a_moment_and_an_end_before_its_start_is_named_as_people_write_it() -> None:
    of_numpy: Any = np.int64(NOON_US)
    assert window(of_numpy, None).since_us == NOON_US
    with pytest.raises(
        collector.read.QuestionError, match=r"must be before end: 2026-11-23T12:00:00\.000000Z and 2026"
    ):
        window(NOON_US, NOON_US)
