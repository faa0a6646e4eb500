"""A gap is closed once what is understood now covers all of it, and not before."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import collector.read
from collector.domain.records import Envelope, Gap, StreamKey
from collector.exchanges import registry
from collector.reprocess.job import Job
from collector.reprocess.mending import Mending
from collector.reprocess.refilled import Refilled
from collector.reprocess.scope import Scope
from collector.storage.store.directory import DirectoryStore
from tests.reprocess.stored import TRADES, store_segment, trade_frame, typed, undecoded
from tests.storage.archive.archive_files import IDS
from tests.storage.segment.segment_files import NOON_US, make_gap

DELTAS = StreamKey("binance", "BTCUSDT", "book_delta")


def at(second: int) -> int:
    return NOON_US + second * 1_000_000


def gap(gap_id: str, stream_type: str, kind: str, missing: int, begin: int, end: int, **changed: Any) -> Gap:
    return make_gap(
        gap_id=gap_id, stream_type=stream_type, kind=kind, cause="parse", missing=missing, started_at=at(begin),
        ended_at=at(end), detected_at=at(end + 1), status="unrepairable", **changed,
    )  # fmt: skip


HOLE = gap("aa", "trade", "sequence", 2, 1, 4, expected_id="2", actual_id="4")
FRAMES = gap("bb", "_", "undecodable", 2, 2, 3, expected_id=None, actual_id=None)
LEDGER = [("binance", "BTCUSDT", HOLE), ("binance", "_", FRAMES)]


def again(folder: Path, second: bytes) -> Path:
    """Read an archive again of whose four trades the third was not understood, nor this frame before it."""
    store = store_segment(
        folder, [typed(1), undecoded(1, 2, second), undecoded(1, 3, trade_frame(3)), typed(4)], gaps=LEDGER
    )
    job = Job(store, DirectoryStore(folder / "again"), Scope(), registry.adapter)
    assert [result.problem for result in job.read(job.look(lambda: None), lambda: None)] == [None]
    return folder / "again"


def test_gaps_of_frames_that_are_understood_now_are_closed(tmp_path: Path) -> None:
    found = collector.read.open(again(tmp_path, trade_frame(2)))
    assert found.trades("BTCUSDT").arrow()["trade_id"].to_pylist() == ["1", "2", "3", "4"]
    gaps = found.gaps().arrow().select(["gap_id", "status", "repaired_by", "missing"]).to_pylist()
    assert sorted(map(tuple, map(dict.values, gaps))) == [
        ("aa", "repaired", "reprocess", 0),
        ("bb", "repaired", "reprocess", 0),
    ]
    with pytest.raises(collector.read.GapError):
        collector.read.open(tmp_path / "archive").trades("BTCUSDT").arrow()


def test_a_gap_of_which_a_part_was_found_stays_as_it_was(tmp_path: Path) -> None:
    found = collector.read.open(again(tmp_path, b'{"stream":"x@new","data":{}}'))
    gaps = found.gaps().arrow().select(["gap_id", "status", "repaired_by", "missing"]).to_pylist()
    assert sorted(map(tuple, map(dict.values, gaps))) == [
        ("aa", "unrepairable", None, 2),
        ("bb", "unrepairable", None, 2),
    ]
    with pytest.raises(collector.read.GapError):
        found.trades("BTCUSDT").arrow()


def noted(stream: StreamKey, row: Gap) -> Mending:
    mending = Mending()
    mending.note_gap(stream, row._asdict(), has_dense_ids=True)
    mending.begin()
    return mending


def message(first: int, last: int, stream: StreamKey = DELTAS) -> Envelope:
    return Envelope(stream, last, first, None, b"{}")


@given(st.sets(st.integers(1, 9)), st.data())
def test_updates_close_a_hole_if_they_cover_all_its_ids(cuts: set[int], data: st.DataObject) -> None:
    pieces = list(pairwise(sorted({0, 10, *cuts})))
    left_out = data.draw(st.sampled_from([None, *pieces]))
    row = gap("cc", "book_delta", "sequence", 10, 1, 4, expected_id="100", actual_id="110")
    mending = noted(DELTAS, row)
    for begin, end in data.draw(st.permutations(pieces)):
        if (begin, end) != left_out:
            mending.note_messages([message(100 + begin, 99 + end)], at(2))
    assert mending.is_closed(DELTAS, row._asdict()) == (left_out is None)


@pytest.mark.parametrize("second", [0, 5])
def test_messages_received_at_another_time_close_no_hole(second: int) -> None:
    mending = noted(TRADES, HOLE)
    mending.note_messages([message(2, 2, TRADES), message(3, 3, TRADES)], at(second))
    assert not mending.is_closed(TRADES, HOLE._asdict())


@pytest.mark.parametrize(
    "changed",
    [
        {"ended_at": None},
        {"status": "repaired"},
        {"status": "partly_repaired"},
        {"missing": None},
        {"kind": "silence"},
        {"expected_id": None},
        {"actual_id": "a7"},
    ],
    ids=str,
)
def test_other_rows_of_the_ledger_stay_as_they_are(changed: dict[str, Any]) -> None:
    row = HOLE._replace(**changed)
    mending = noted(TRADES, row)
    mending.note_messages([message(2, 2, TRADES), message(3, 3, TRADES)], at(2))
    assert not mending.is_closed(TRADES, row._asdict())


def test_a_message_that_filled_a_hole_meanwhile_is_no_second_row(tmp_path: Path) -> None:
    late = (
        "binance",
        "BTCUSDT",
        HOLE._replace(status="repaired", missing=0, repaired_by="rest", detected_at=at(3_700)),
    )
    frames = [typed(1), undecoded(1, 2, trade_frame(2)), undecoded(1, 3, trade_frame(3)), typed(4)]
    store_segment(tmp_path, frames, gaps=LEDGER)
    fetched = [typed(id_, received_us=at(3_650), line=-1) for id_ in (2, 3)]
    store = store_segment(tmp_path, fetched, number=1, previous=IDS[0], gaps=[late])
    job = Job(store, DirectoryStore(tmp_path / "again"), Scope(whole=True), registry.adapter)
    results = list(job.read(job.look(lambda: None), lambda: None))
    assert sum(result.counts.copies for result in results) == 2
    found = collector.read.open(tmp_path / "again").trades("BTCUSDT").arrow()
    assert found["trade_id"].to_pylist() == ["1", "2", "3", "4"]
    assert found["line"].to_pylist() == [0, -1, -1, 0]


@pytest.mark.parametrize(
    ("changed", "id_", "second", "is_there"),
    [
        ({}, 2, 2, True), ({}, 3, 4, True), ({}, 1, 2, False), ({}, 4, 2, False), ({}, 2, 5, False),
        ({"status": "partly_repaired"}, 2, 2, False), ({"ended_at": None}, 2, 2, False), ({"actual_id": None}, 2, 2, False),
    ],
)  # fmt: skip
def test_only_ids_of_a_filled_hole_in_its_time_are_there(
    changed: dict[str, Any], id_: int, second: int, *, is_there: bool
) -> None:
    refilled = Refilled()
    for _ in range(2):
        refilled.note_gap(TRADES, HOLE._replace(**{"status": "repaired", **changed})._asdict())
    assert refilled.has(message(id_, id_, TRADES), at(second)) is is_there
    assert not refilled.has(message(id_, id_, DELTAS), at(second))
