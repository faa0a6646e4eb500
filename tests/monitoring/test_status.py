import json

import pytest
from msgspec.structs import replace

from collector.config import FeedConfig
from collector.monitoring import status_json
from collector.monitoring.disk_trend import SHORT_SECS
from collector.monitoring.exposition import exposition
from collector.monitoring.restarts import WINDOW_SECS
from collector.monitoring.view import ChildState, Snapshot
from tests.supervision.made import (
    CONFIG,
    GIB,
    NOW_US,
    SECOND_US,
    SILENT_AFTER_SECS,
    archiver,
    ingest,
    known,
    reports,
    status,
    stream,
    writer,
)


def test_a_report_that_cannot_be_read_for_once_changes_no_number() -> None:
    board = status()
    before = status_json.status(board.look(reports(ingest(), writer(), archiver()), known()))
    assert status_json.status(board.look({}, known())) == before


def test_a_view_does_not_change_when_the_next_one_is_made() -> None:
    board = status()
    view = board.look(reports(ingest(), writer(), archiver()), known())
    before = status_json.status(view)
    board.look(reports(writer(incarnation=2, messages=50, streams=[stream(messages=50)])), known(now_us=NOW_US + 1))
    assert status_json.status(view) == before


def test_the_flow_tells_what_went_through_each_stage_and_how_fast() -> None:
    board = status()
    for step in range(4):
        numbers = writer(messages=100 * step, undecodable=0, stored=50 * step, streams=[])
        view = board.look(reports(ingest(frames=200 * step), numbers, archiver(rows=0)), known(uptime_secs=5.0 * step))
    assert {stage.name: (stage.total, stage.per_sec) for stage in view.stages} == {
        "frames": (600, 40.0), "messages": (300, 20.0), "stored": (150, 10.0), "archived": (0, 0.0),
    }  # fmt: skip
    assert list(view.stages[0].history) == [40.0, 40.0, 40.0]


def codes(view: Snapshot) -> list[str]:
    return [reason["code"] for reason in view.reasons]


def test_a_writer_that_reports_no_more_falls_behind_by_the_time_and_the_bytes_that_pass() -> None:
    board = status()
    board.look(reports(ingest(bytes=1_000), writer()), known())
    later = known(now_us=NOW_US + 70 * SECOND_US)
    view = board.look(reports(ingest(bytes=51_000), writer()), later)
    assert view.journals[0].lag_secs == pytest.approx(70.1)
    assert view.journals[0].lag_bytes == 40 + 50_000
    assert "writer_behind" in codes(view)
    caught_up = writer(updated_us=later.now_us, streams=[stream(last_durable_us=later.now_us)])
    view = board.look(reports(ingest(bytes=52_000), caught_up), later)
    assert (view.journals[0].lag_secs, view.journals[0].lag_bytes, codes(view)) == (0.1, 40, [])


def test_a_feed_is_over_budget_while_it_refuses_and_well_again_soon_after() -> None:
    board = status()
    assert codes(board.look(reports(ingest(refused=3)), known(uptime_secs=1.0))) == ["journal_over_budget"]
    assert codes(board.look(reports(ingest(refused=3)), known(uptime_secs=9.0))) == ["journal_over_budget"]
    assert codes(board.look(reports(ingest(refused=3)), known(uptime_secs=12.0))) == []
    assert codes(board.look(reports(ingest(refused=4)), known(uptime_secs=13.0))) == ["journal_over_budget"]


def test_the_stores_error_is_shown_without_its_secrets() -> None:
    error = "PUT https://key:planted@host/bucket?signature=planted: 403"
    found = status().look(reports(archiver(last_error=error)), known())
    assert codes(found) == ["store_unreachable"]
    assert "planted" not in json.dumps(status_json.status(found)) + exposition(found).decode()
    assert found.store_error == "PUT https://host/bucket?signature=*** 403"


def test_a_child_in_backoff_makes_the_recorder_unhealthy() -> None:
    found = status().look({}, known(children=(ChildState("writer", None, "backoff", 4),)))
    assert codes(found) == ["child_failing"]


def test_a_silent_stream_makes_the_recorder_unhealthy_until_its_next_durable_row() -> None:
    board = status()
    old = stream(last_durable_us=NOW_US - (SILENT_AFTER_SECS + 1) * SECOND_US)
    view = board.look(reports(writer(streams=[old])), known(uptime_secs=1_000.0))
    assert codes(view) == ["stream_silent"]
    assert [*view.silent] == [("binance", "BTCUSDT", "trade")]
    assert codes(board.look(reports(writer()), known(uptime_secs=1_000.0))) == []


def test_a_stopped_writer_is_behind_and_its_streams_are_not_silent() -> None:
    board = status()
    for secs in range(21):
        now_us = NOW_US + secs * SECOND_US
        busy = writer(updated_us=now_us, streams=[stream(last_durable_us=now_us)])
        board.look(reports(ingest(bytes=1_000), busy), known(now_us=now_us, uptime_secs=1_000.0 + secs))
    seen = []
    for secs in range(90):
        at_us = now_us + secs * SECOND_US
        later = known(now_us=at_us, uptime_secs=1_020.0 + secs)
        view = board.look(reports(ingest(bytes=1_000 + secs, updated_us=at_us), busy), later)
        seen.append(codes(view))
        assert not view.silent
    assert seen == [[]] * 26 + [["writer_behind"]] * 64
    assert view.headline == "Recording into the journal only; the writer is behind"


def test_a_process_restarted_again_and_again_is_failing_also_while_it_runs() -> None:
    board = status()

    def look(restarts: int, uptime_secs: float) -> list[str]:
        children = (ChildState("writer", 12, "running", restarts),)
        now_us = NOW_US + round(uptime_secs * SECOND_US)
        told = reports(writer(updated_us=now_us, streams=[stream(last_durable_us=now_us)]))
        return codes(board.look(told, known(children=children, uptime_secs=uptime_secs, now_us=now_us)))

    assert [look(1, 10.0), look(2, 20.0), look(3, 30.0)] == [[], [], ["child_failing"]]
    assert look(3, 10.0 + WINDOW_SECS) == ["child_failing"]
    assert look(3, 11.0 + WINDOW_SECS) == []


def test_a_disk_that_fills_makes_the_recorder_unhealthy_until_there_is_room() -> None:
    board = status()
    for at_secs in range(0, round(SHORT_SECS), 10):
        free = 20 * GIB - at_secs * GIB // 30
        view = board.look({}, known(uptime_secs=float(at_secs), disk_free_bytes=free, now_us=NOW_US))
        if at_secs == 30:
            assert "disk_filling" not in codes(view)
    assert "disk_filling" in codes(view)
    assert view.disk_full_in_secs == pytest.approx(30 * (19 - 290 / 30), rel=0.05)
    view = board.look({}, known(uptime_secs=301.0, disk_free_bytes=60 * GIB))
    assert "disk_filling" not in codes(view)
    assert view.disk_full_in_secs is None


def test_a_disk_that_fills_with_copies_that_go_first_is_not_filling() -> None:
    board = status()
    for at_secs in range(0, round(SHORT_SECS), 10):
        grown = at_secs * GIB // 30
        told = reports(archiver(local_bytes=grown))
        view = board.look(told, known(uptime_secs=float(at_secs), disk_free_bytes=20 * GIB - grown, now_us=NOW_US))
        assert "disk_filling" not in codes(view)
        assert view.disk_full_in_secs is None


def test_a_disk_that_cannot_be_looked_at_is_not_judged() -> None:
    view = status().look({}, known(disk_free_bytes=None))
    assert (codes(view), view.disk_full_in_secs) == ([], None)


@pytest.mark.parametrize(
    ("offset_us", "expected"), [(-501_000, ["clock_off"]), (-499_000, []), (499_000, []), (501_000, ["clock_off"])]
)
def test_a_clock_half_a_second_off_makes_the_recorder_unhealthy(offset_us: int, expected: list[str]) -> None:
    board = status()
    assert codes(board.look(reports(writer(clock_offsets_us={"binance": offset_us})), known())) == expected
    assert codes(board.look(reports(writer(clock_offsets_us={})), known())) == []


def test_a_segment_in_quarantine_makes_the_recorder_unhealthy_until_it_is_gone() -> None:
    board = status()
    assert codes(board.look(reports(archiver(in_quarantine=1)), known())) == ["segment_quarantined"]
    assert codes(board.look(reports(archiver()), known())) == []


def test_it_is_ready_from_the_first_durable_row_on() -> None:
    board = status()
    assert not board.look(reports(writer(streams=[])), known()).ready
    assert board.look(reports(writer()), known()).ready
    assert board.look(reports(writer(incarnation=2, streams=[])), known()).ready


def test_another_configuration_changes_what_is_shown_and_no_count() -> None:
    board = status()
    before = status_json.status(board.look(reports(ingest(), writer(), archiver()), known()))
    more = FeedConfig(exchange="kraken", symbols=("BTC/USD",), data_types=("trade",))
    board.reconfigure(replace(CONFIG, feed=(*CONFIG.feed, more)), 10.0)
    after = status_json.status(board.look(reports(ingest(), writer(), archiver()), known()))
    assert [row["symbol"] for row in after["streams"]] == ["BTCUSDT", "BTC/USD"]
    assert after["streams"][0] == before["streams"][0]
    assert after["writer"] == before["writer"]
    board.reconfigure(replace(CONFIG, feed=(more,)), 10.0)
    last = board.look(reports(ingest(journal_removed=True), writer(), archiver()), known())
    assert "data_removed" not in {reason["code"] for reason in last.reasons}
