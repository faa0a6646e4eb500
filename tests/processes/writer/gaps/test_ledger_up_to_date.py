"""A seal updates the rows of everything that lasts, and a stop closes them."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.config import SegmentConfig
from collector.domain.repair_protocol import RepairAnswer, TradesRequest
from collector.storage.journal.format import RecordKind
from tests.processes.writer.gaps import test_ledger_closes
from tests.processes.writer.gaps.test_ledger_closes import STEPS, LedgerWorld
from tests.processes.writer.writer_harness import START_NS, World, connection, trade

SEC_NS = 1_000_000_000


def latest(told: LedgerWorld, kind: str, stream_type: str = "trade") -> list[Any]:
    told.world.commit()
    return [row for row in told.world.latest().values() if (row.kind, row.stream_type) == (kind, stream_type)]


def test_a_stop_closes_the_row_of_undecodable_frames_with_their_count(tmp_path: Path) -> None:
    world = World(tmp_path)
    journal = world.journal()
    for number in range(18):
        journal.append_frames(START_NS + number * SEC_NS, 0, [b"not readable %d" % number])
    world.run()
    rows = world.query("SELECT gap_id, missing, ended_at, status FROM gaps ORDER BY detected_at")
    assert [row[1:] for row in rows] == [
        (1, None, "open"),
        (18, (START_NS + 17 * SEC_NS) // 1_000, "unrepairable"),
    ]
    assert len({row[0] for row in rows}) == 1


def test_a_seal_updates_the_count_of_a_stretch_only_if_it_changed(tmp_path: Path) -> None:
    world = World(tmp_path, segment=SegmentConfig(interval_secs=10))
    journal, sleep, said = world.journal(), world.sleep, [5, 6, 7, 15, 25, 34]

    def goes_on(secs: float) -> None:
        sleep(secs)
        while said and world.secs >= said[0]:
            at_secs = said.pop(0)
            frames = [trade(at_secs)] if at_secs == 15 else [trade(at_secs), b"not readable %d" % at_secs]
            journal.append_frames(world.now_ns, 0, frames)

    world.sleep = goes_on  # type: ignore[method-assign]
    world.run(stop_after_secs=36)
    rows = world.query("SELECT missing, status FROM gaps WHERE kind = 'undecodable' ORDER BY detected_at")
    assert rows == [(1, "open"), (3, "open"), (4, "open"), (5, "unrepairable")]
    assert len(world.tables()) == 5


def test_a_seal_counts_the_holes_that_share_a_row() -> None:
    told = LedgerWorld("binance", repaired=False)
    for _ in range(3):
        told.lose(10)
        told.wait(3)
        told.speak()
    assert sum(row.missing for row in latest(told, "sequence")) < 30
    told.world.processor.ledger.update(told.now_us)
    assert sum(row.missing for row in latest(told, "sequence")) == 30
    assert [row.status for row in latest(told, "sequence") if row.ended_at is None] == ["open"]
    told.lose(2)
    told.world.processor.ledger.close(told.now_us)
    assert sum(row.missing for row in latest(told, "sequence")) == 32
    assert None not in [row.ended_at for row in latest(told, "sequence")]


def test_a_seal_says_what_is_still_missing_of_a_gap_under_repair() -> None:
    told = LedgerWorld("binance", repaired=True)
    told.ids[test_ledger_closes.trade] += 10
    told.speak()
    told.wait(3)
    told.speak()
    told.world.commit()
    (request,) = [request for request in told.world.requests if isinstance(request, TradesRequest)]
    four = range(request.first, request.first + 4)
    page = [{"id": id_, "price": "1", "qty": "2", "time": id_, "isBuyerMaker": True} for id_ in four]
    told.world.answered(
        told.now_us,
        RepairAnswer("X", "trade", "page", request.series, request.first, request.last),
        json.dumps(page).encode(),
    )
    assert [(row.missing, row.status) for row in latest(told, "sequence")] == [(10, "open")]
    told.world.processor.ledger.update(told.now_us)
    (row,) = latest(told, "sequence")
    assert (row.missing, row.status, row.repaired_by) == (6, "partly_repaired", "rest")


def test_a_stop_tells_of_a_refusal_that_its_ingest_could_not_end(tmp_path: Path) -> None:
    world = World(tmp_path)
    journal = world.journal(symbols=("BTCUSDT",), data_types=("trade",))
    journal.append_event(RecordKind.CONNECT, START_NS, 0, connection(1))
    journal.append_frames(START_NS, 0, [trade(1)])
    journal.append_event(RecordKind.REFUSING, START_NS + SEC_NS, 0, {"started_ns": START_NS + SEC_NS})
    world.now_ns = START_NS + 9 * SEC_NS
    world.run()
    world.now_ns = START_NS + 60 * SEC_NS
    world.journal(symbols=("BTCUSDT",), data_types=("trade",)).append_frames(world.now_ns, 0, [trade(5)])
    world.run()
    rows = world.query("SELECT gap_id, started_at, ended_at FROM gaps WHERE kind = 'budget' ORDER BY detected_at")
    secs = [tuple(time_us / 1e6 - START_NS / 1e9 for time_us in row[1:]) for row in rows]
    assert secs == [(1, 9), (1, 60)]
    assert len({row[0] for row in rows}) == 1


@pytest.mark.parametrize("repaired", [True, False])
@given(steps=st.lists(STEPS, max_size=25))
def test_rows_are_current_after_a_seal_and_closed_after_a_stop(steps: list[tuple[Any, ...]], *, repaired: bool) -> None:
    told = LedgerWorld("binance", repaired=repaired)
    unreadable = 0
    for name, *arguments in steps:
        unreadable += name == "garbage"
        getattr(told, name)(*arguments)
    ledger = told.world.processor.ledger
    ledger.update(told.now_us)
    assert sum(row.missing for row in latest(told, "undecodable", "_")) == unreadable
    count = len(told.world.gaps)
    ledger.update(told.now_us)
    told.world.commit()
    assert len(told.world.gaps) == count
    ledger.close(told.now_us)
    told.world.commit()
    left = {row.kind for row in told.world.latest().values() if row.ended_at is None}
    assert left <= {"silence"}
