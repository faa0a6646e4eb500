"""Frames that were not understood, and rows with their text, are read again into an archive of their own."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

import collector.read
from collector.domain.errors import ConfigError
from collector.exchanges import registry
from collector.exchanges.adapter import Adapter
from collector.exchanges.binance import Binance
from collector.reprocess.counts import Counts, Reason
from collector.reprocess.job import Job, SegmentResult
from collector.reprocess.scope import Scope
from collector.storage.archive.manifest import decode_manifest
from collector.storage.archive.object_check import differences
from collector.storage.archive.verify import Verification
from collector.storage.staging.undecoded import untyped_reason
from collector.storage.store.directory import DirectoryStore
from tests.reprocess.stored import BITFINEX, TRADES, as_schema_1, store_segment, trade_frame, typed, undecoded
from tests.storage.archive.archive_files import IDS
from tests.storage.segment.segment_files import NOON_US, make_gap


def again(store: DirectoryStore, scope: Scope | None = None, **chosen: Any) -> tuple[Counts, list[SegmentResult]]:
    """Read an archive again, to the folder beside it; what was counted, and what became of each segment."""
    job = Job(store, beside(store), scope or Scope(), registry.adapter, **chosen)
    results = list(job.read(job.look(lambda: None), lambda: None))
    counts = Counts()
    for result in results:
        counts.add(result.counts)
    return counts, results


def beside(store: DirectoryStore) -> DirectoryStore:
    return DirectoryStore(folder_of(store).with_name("archive-reprocessed"))


def folder_of(store: DirectoryStore) -> Path:
    return Path(store.url.removeprefix("file://"))


def contents(store: DirectoryStore) -> dict[str, bytes]:
    root = folder_of(store)
    return {key: (root / key).read_bytes() for key in store.keys("")}


def rows(store: DirectoryStore, symbol: str = "BTCUSDT", data_type: str = "trade") -> pa.Table:
    return collector.read.open(folder_of(store)).rows(data_type, symbol, exchange="binance", gaps="ignore").arrow()


def seconds(times: Iterable[Any]) -> list[int]:
    return [int(time.timestamp()) - NOON_US // 1_000_000 for time in times]


def findings(store: DirectoryStore) -> list[Any]:
    return list(Verification(store, differences).findings())


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> DirectoryStore:
    """Trades of which some were not understood, beside frames that nobody understands."""
    messages = [
        typed(1), undecoded(1, 2, trade_frame(2), line=1, series=0), undecoded(1, 3, b'{"stream":"x@new","data":{}}'),
        typed(4), undecoded(1, 5, trade_frame(4)), undecoded(1, 6, b'{"result":null,"id":1}'),
        undecoded(1, 7, trade_frame(7, "0.12345678901234567890")), undecoded(1, 8, trade_frame(3, symbol="ETHUSDT")),
        undecoded(2, 9, b"[17,[401597395,1574694478808,0.005,7245.3],5,1574694478808]"),
    ]  # fmt: skip
    return store_segment(tmp_path_factory.mktemp("mixed"), messages)


def test_frames_become_rows_where_they_belong(mixed: DirectoryStore) -> None:
    counts, _ = again(mixed)
    found = rows(beside(mixed))
    assert found["trade_id"].to_pylist() == ["1", "2", "4", "7"]
    assert seconds(found["received_at"].to_pylist()) == [1, 2, 4, 7]
    assert found["line"].to_pylist() == [0, 1, 0, 0]
    assert found["price"].to_pylist()[:3] == [64000.1] * 3
    assert counts.decoded == {TRADES: 2}
    assert (counts.frames, counts.control, counts.copies) == (7, 1, 1)


def test_a_number_that_no_double_is_keeps_its_text(mixed: DirectoryStore) -> None:
    again(mixed)
    texts = rows(beside(mixed))["raw"].to_pylist()
    assert texts[:3] == [None] * 3
    assert "0.12345678901234567890" in texts[3]


def test_what_is_still_not_understood_stays_with_the_reason(mixed: DirectoryStore) -> None:
    counts, _ = again(mixed)
    left = rows(beside(mixed), "_", "undecoded")
    assert seconds(left["received_at"].to_pylist()) == [3, 8]
    assert left["reason"].to_pylist() == ["unknown channel: new", "stream not subscribed: trade ETHUSDT"]
    assert counts.undecoded[Reason(*BITFINEX[:2], "channel id that no answer explained")] == 1


def test_frames_of_symbols_that_the_archive_has_not_are_read_if_they_are_named(tmp_path: Path) -> None:
    store = store_segment(tmp_path, [undecoded(1, 3, trade_frame(3))])
    assert again(store)[0].decoded == {}
    again(store, symbols=["BTCUSDT"])
    assert rows(beside(store))["trade_id"].to_pylist() == ["3"]
    assert again(store)[0].decoded == {TRADES: 1}, "the new archive has them now"
    assert findings(beside(store)) == []


def test_the_new_archive_verifies_and_the_old_one_is_as_it_was(mixed: DirectoryStore) -> None:
    before = contents(mixed)
    again(mixed)
    assert findings(beside(mixed)) == []
    assert contents(mixed) == before


def test_a_repeat_gives_the_same_bytes(mixed: DirectoryStore) -> None:
    again(mixed)
    once = contents(beside(mixed))
    again(mixed)
    assert contents(beside(mixed)) == once
    assert len(once) == 3, "trades, frames of one exchange and a manifest; of the other exchange nothing changed"


def test_a_part_after_another_gives_the_same_as_all_at_once(mixed: DirectoryStore, tmp_path: Path) -> None:
    again(mixed)
    parts = DirectoryStore(tmp_path / "parts")
    for scope in (
        Scope(data_types=frozenset({"trade"})), Scope(data_types=frozenset({"undecoded"})),
        Scope(symbols=frozenset({"BTCUSDT"})), Scope(exchanges=frozenset({"bitfinex"})),
    ):  # fmt: skip
        job = Job(mixed, parts, scope, registry.adapter)
        list(job.read(job.look(lambda: None), lambda: None))
    assert contents(parts) == contents(beside(mixed))


def test_without_a_target_nothing_is_written(mixed: DirectoryStore, tmp_path: Path) -> None:
    job = Job(mixed, None, Scope(), registry.adapter, scratch=tmp_path)
    (result,) = job.read(job.look(lambda: None), lambda: None)
    assert result.counts.decoded == {TRADES: 2}
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_which_nothing_changes_is_not_written(tmp_path: Path) -> None:
    store = store_segment(tmp_path, [typed(1), undecoded(1, 2, b"?")], keep_raw=True)
    counts, _ = again(store)
    assert counts.texts == {TRADES: 1}
    assert counts.changed.total() == 0
    assert contents(beside(store)) == {}


def test_rows_of_an_older_version_get_the_columns_of_this_one(tmp_path: Path) -> None:
    store = store_segment(tmp_path, [typed(1), undecoded(1, 2, b"?"), typed(3)], gaps=[("binance", "_", make_gap())])
    as_schema_1(folder_of(store))
    before = rows(store)
    counts, _ = again(store)
    assert counts.converted == {TRADES: 2}
    assert findings(beside(store)) == []
    assert rows(beside(store)).equals(before)
    assert before["kind"].to_pylist() == [None, None], "nothing tells"
    assert len(contents(beside(store))) == 4, "trades, frames, the ledger and a manifest"


def test_a_text_tells_the_columns_that_an_older_version_did_not_have(tmp_path: Path) -> None:
    store = store_segment(tmp_path, [typed(1), typed(2)], keep_raw=True)
    as_schema_1(folder_of(store))
    counts, _ = again(store)
    assert rows(beside(store))["kind"].to_pylist() == ["market", "market"]
    assert (counts.converted, counts.texts, counts.changed) == ({TRADES: 2},) * 3
    assert rows(beside(store)).drop_columns(["kind"]).equals(rows(store).drop_columns(["kind"]))


def test_an_archive_of_both_versions_is_read_again_whole(tmp_path: Path) -> None:
    store = store_segment(tmp_path, [typed(1)])
    as_schema_1(folder_of(store))
    store_segment(tmp_path, [typed(3_601), undecoded(1, 3_602, trade_frame(3_602))], number=1, previous=IDS[0])
    assert rows(store)["kind"].to_pylist() == [None, "market"]
    again(store)
    assert rows(beside(store))["trade_id"].to_pylist() == ["1", "3601", "3602"]
    assert findings(beside(store)) == []


def test_the_ledger_of_unchanged_segments_is_there_too(tmp_path: Path) -> None:
    store = store_segment(tmp_path, [typed(1)], gaps=[("binance", "BTCUSDT", make_gap())])
    store_segment(tmp_path, [undecoded(1, 3_602, trade_frame(3_602))], number=1, previous=IDS[0])
    store_segment(tmp_path, [typed(7_201)], number=2, previous=IDS[1])
    again(store)
    (gap,) = collector.read.open(folder_of(beside(store))).gaps().arrow().to_pylist()
    assert (gap["gap_id"], gap["status"]) == ("00112233445566ff", "open")
    assert len([key for key in contents(beside(store)) if key.startswith("_manifest")]) == 2, "of three segments"
    assert findings(beside(store)) == []


def test_a_segment_that_the_archive_lacks_is_a_hole_in_the_new_one(tmp_path: Path) -> None:
    store = store_segment(tmp_path, [undecoded(1, 1, trade_frame(1)), typed(2)], previous="20261123T090000Z-abcdef")
    again(store)
    assert [finding.kind for finding in findings(beside(store))] == ["hole"]


def test_a_segment_with_a_damaged_object_is_left_out_and_said(tmp_path: Path) -> None:
    store = store_segment(tmp_path, [undecoded(1, 1, trade_frame(1)), typed(2)])
    store_segment(tmp_path, [typed(3_601), undecoded(1, 3_602, trade_frame(3_602))], number=1, previous=IDS[0])
    (damaged,) = folder_of(store).glob(f"*/data_type=trade/**/*{IDS[0]}.parquet")
    damaged.write_bytes(b"not a file of rows")
    _, results = again(store)
    assert [result.problem is None for result in results] == [False, True]
    assert "is not what its manifest says" in str(results[0].problem)
    assert rows(beside(store))["trade_id"].to_pylist() == ["3601", "3602"]


def test_what_another_version_wrote_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_segment(tmp_path, [undecoded(1, 1, trade_frame(1)), typed(2)])
    again(store)
    monkeypatch.setattr("collector.reprocess.job.__version__", "9.9.9")
    with pytest.raises(
        ConfigError, match=r"has what version .* wrote, and this is 9\.9\.9: remove it, or name another"
    ):
        again(store)


def test_a_message_that_its_symbol_was_known_of_is_read_by_its_data_type(tmp_path: Path) -> None:
    messages = [typed(1), undecoded(3, 2, trade_frame(2)), undecoded(3, 3, b"{}"), undecoded(3, 4, b"{}")]
    said = untyped_reason("trade")
    store = store_segment(tmp_path, messages, reasons=[(2, said), (3, said)])
    counts, _ = again(store)
    assert rows(beside(store))["trade_id"].to_pylist() == ["1", "2"]
    assert rows(beside(store), "BTCUSDT", "undecoded")["reason"].to_pylist() == [said, "no reason is known"]
    assert (counts.frames, counts.undecoded.total()) == (3, 2)


def test_a_whole_archive_has_everything_and_hides_no_hole(tmp_path: Path) -> None:
    store = store_segment(tmp_path, [typed(1)], gaps=[("binance", "BTCUSDT", make_gap())])
    store_segment(tmp_path, [undecoded(1, 3_602, trade_frame(3_602))], number=1, previous=IDS[0])
    store_segment(tmp_path, [], number=2, previous=IDS[1])
    store_segment(tmp_path, [typed(10_801)], number=3, previous=IDS[2])
    again(store, Scope(whole=True))
    assert rows(beside(store))["trade_id"].to_pylist() == ["1", "3602", "10801"]
    manifests = [decode_manifest(text) for key, text in contents(beside(store)).items() if key.startswith("_manifest")]
    assert [one.previous_segment for one in manifests] == [None, *IDS[:3]]
    assert findings(beside(store)) == []
    before = contents(beside(store))
    again(store, Scope(whole=True))
    assert contents(beside(store)) == before


def test_the_beginning_of_a_part_is_no_hole(tmp_path: Path) -> None:
    store = store_segment(tmp_path, [typed(1)])
    store_segment(tmp_path, [typed(90_000)], number=1, previous=IDS[0])
    again(store, Scope(from_time="2026-11-24T00:00:00.000000Z", whole=True))
    assert rows(beside(store))["trade_id"].to_pylist() == ["90000"]
    assert findings(beside(store)) == []


def test_day_files_are_not_read_again(tmp_path: Path) -> None:
    store = store_segment(tmp_path, [typed(1)])
    (place,) = folder_of(store).glob("_manifest/*/*.json")
    place.write_bytes(msgspec.structs.replace(decode_manifest(place.read_bytes()), generation=1).encode())
    with pytest.raises(ConfigError, match="has day files: name the archive that they were made of"):
        again(store)


def test_a_data_type_that_this_version_does_not_know_is_not_dropped(tmp_path: Path) -> None:
    store = store_segment(tmp_path, [typed(1)])
    (place,) = folder_of(store).glob("_manifest/*/*.json")
    place.write_bytes(
        place.read_bytes().replace(b"data_type=trade", b"data_type=weather").replace(b'"trade"', b'"weather"')
    )
    _, (result,) = again(store, Scope(whole=True))
    assert str(result.problem).endswith("it has rows that only another version knows: weather")
    assert contents(beside(store)) == {}


class Forgetful(Binance):
    """A version that does not read trades any more."""

    channels = tuple(channel for channel in Binance.channels if "trade" not in channel.rules)  # type: ignore[assignment] # fewer


@pytest.mark.parametrize("adapter", [Forgetful(), None], ids=["a data type", "an exchange"])
def test_rows_of_what_this_version_does_not_record_stay_as_they_are(tmp_path: Path, adapter: Adapter | None) -> None:
    store = store_segment(tmp_path, [typed(1), typed(2)], keep_raw=True)
    as_schema_1(folder_of(store))

    def adapter_of(name: str) -> Adapter:
        if adapter is None:
            raise ConfigError([name])
        return adapter

    job = Job(store, beside(store), Scope(), adapter_of)
    (result,) = job.read(job.look(lambda: None), lambda: None)
    assert (result.counts.converted, result.counts.texts.total()) == ({TRADES: 2}, 0)
    assert rows(beside(store)).equals(rows(store))
    assert findings(beside(store)) == []
