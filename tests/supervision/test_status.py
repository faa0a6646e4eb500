import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.config import Config, FeedConfig
from collector.supervision.status import ChildState, Hop, Knowledge, Status, health
from collector.supervision.usage import Usage

NOW_US = 1_795_000_000_000_000  # 2026-11-18T11:06:40Z
STREAM = {"exchange": "binance", "symbol": "BTCUSDT", "data_type": "trade"}
SILENT_AFTER_SECS = 30 + 5 + 5
CONFIG = Config(host_name="box", feed=(FeedConfig(symbols=("BTCUSDT",), data_types=("trade",)),))


def known(uptime_secs: float = 10.0, now_us: int = NOW_US, **changes: Any) -> Knowledge:
    return Knowledge(
        now_us,
        uptime_secs,
        (ChildState("ingest:binance", 11, "running", 0), ChildState("writer", 12, "running", 2)),
        (Hop("ingest:binance", "writer", 1, 256),),
        {11: Usage(50_000_000, 3.5)},
    )._replace(**changes)


def ingest(*, pid: int = 11, incarnation: int = 1, **numbers: Any) -> dict[str, Any]:
    return {
        "role": "ingest:binance", "pid": pid, "incarnation": incarnation, "state": "running", "updated_us": NOW_US,
        "feed": "binance", "frames": 9, "bytes": 900, "control": 1, "refused": 0, "reconnects": 0, "lines": [],
        "journal": {"number": 1, "position": 900, "files": 1, "bytes": 900}, **numbers,
    }  # fmt: skip


def writer(*, pid: int = 12, incarnation: int = 1, **numbers: Any) -> dict[str, Any]:
    return {
        "role": "writer", "pid": pid, "incarnation": incarnation, "state": "running", "updated_us": NOW_US,
        "batch_size": 100, "batch_limit": 10_000, "commit_secs": 0.02, "messages": 7, "duplicates": 2,
        "undecodable": 1, "refused": 0, "gaps": 1,
        "streams": [stream()],
        "journals": [{"feed": "binance", "lag_bytes": 40, "lag_secs": 0.1, "files": 1}],
        "segments": {"open": 1, "sealed": 2},
        **numbers,
    }  # fmt: skip


def stream(**numbers: Any) -> dict[str, Any]:
    return {
        **STREAM, "messages": 7, "gaps": 1,
        "last_received_us": NOW_US - 1_000_000, "last_durable_us": NOW_US - 2_000_000, **numbers,
    }  # fmt: skip


def archiver(**numbers: Any) -> dict[str, Any]:
    return {
        "role": "archiver", "pid": 13, "incarnation": 1, "state": "running", "updated_us": NOW_US,
        "archived": 4, "quarantined": 0, "uploaded_objects": 12, "rows": 100, "bytes": 5_000,
        "backlog_segments": 2, "backlog_bytes": 300, "last_error": None, "eta_secs": 1.5, **numbers,
    }  # fmt: skip


def reports(*all_reports: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {report["role"]: report for report in all_reports}


def status() -> Status:
    return Status("run-1", CONFIG)


def test_the_object_has_exactly_the_promised_shape() -> None:
    assert status().look(reports(ingest(), writer(), archiver()), known()) == {
        "run_id": "run-1",
        "host": "box",
        "uptime_secs": 10.0,
        "healthy": True,
        "reasons": [],
        "processes": [
            {"name": "ingest:binance", "pid": 11, "state": "running", "restarts": 0, "rss_bytes": 50_000_000, "cpu_percent": 3.5},
            {"name": "writer", "pid": 12, "state": "running", "restarts": 2, "rss_bytes": None, "cpu_percent": None},
        ],
        "channels": [{"from": "ingest:binance", "to": "writer", "depth": 1, "capacity": 256}],
        "journals": [{"feed": "binance", "lag_bytes": 40, "lag_secs": 0.1, "files": 1}],
        "writer": {
            "batch_size": 100, "batch_limit": 10_000, "commit_secs": 0.02,
            "messages": 7, "duplicates": 2, "undecodable": 1, "refused": 0,
        },
        "segments": {"open": 1, "sealed": 2, "archived": 4, "quarantined": 0},
        "archive": {
            "backlog_segments": 2, "backlog_bytes": 300, "uploaded_objects": 12, "last_error": None, "eta_secs": 1.5,
        },
        "streams": [
            {
                **STREAM, "messages": 7, "gaps": 1,
                "last_received_at": "2026-11-18T11:06:39.000000Z", "last_durable_at": "2026-11-18T11:06:38.000000Z",
            }
        ],
    }  # fmt: skip


def test_before_any_report_the_shape_is_the_same() -> None:
    complete = status().look(reports(ingest(), writer(), archiver()), known())
    empty = status().look({}, known())
    assert list(empty) == list(complete)
    for part in ("writer", "segments", "archive"):
        assert list(empty[part]) == list(complete[part])
    assert empty["streams"] == [{**STREAM, "messages": 0, "gaps": 0, "last_received_at": None, "last_durable_at": None}]
    assert json.loads(json.dumps(empty)) == empty


def test_counts_go_on_rising_when_a_child_is_restarted() -> None:
    board = status()
    board.look(reports(writer(), archiver()), known())
    board.look(reports(writer(messages=9, streams=[stream(messages=9)])), known())
    after = board.look(
        reports(writer(pid=99, incarnation=2, messages=1, streams=[stream(messages=1, gaps=0)])), known()
    )
    assert after["writer"]["messages"] == 10
    assert after["writer"]["duplicates"] == 4
    assert (after["streams"][0]["messages"], after["streams"][0]["gaps"]) == (10, 1)
    assert after["segments"]["archived"] == 4


def test_a_stream_the_new_incarnation_has_not_met_keeps_its_counts_and_times() -> None:
    board = status()
    before = board.look(reports(writer()), known())["streams"]
    assert board.look(reports(writer(incarnation=2, streams=[])), known())["streams"] == before
    unmet = stream(messages=0, gaps=0, last_received_us=None, last_durable_us=None)
    assert board.look(reports(writer(incarnation=3, streams=[unmet])), known())["streams"] == before


@given(st.lists(st.lists(st.integers(0, 50), min_size=1), min_size=1))
def test_a_total_is_the_sum_of_the_last_numbers_of_every_incarnation(incarnations: list[list[int]]) -> None:
    board, seen = status(), []
    for incarnation, counts in enumerate(incarnations):
        for messages in sorted(counts):
            found = board.look(reports(writer(incarnation=incarnation, messages=messages)), known())
            seen.append(found["writer"]["messages"])
    assert seen == sorted(seen)
    assert seen[-1] == sum(max(counts) for counts in incarnations)


def test_a_report_that_cannot_be_read_for_once_changes_no_number() -> None:
    board = status()
    before = board.look(reports(ingest(), writer(), archiver()), known())
    assert board.look({}, known()) == before


def test_a_stream_nobody_configured_is_shown_after_those_that_were() -> None:
    undecoded = stream(symbol="_", data_type="undecoded", messages=3)
    streams = status().look(reports(writer(streams=[undecoded, stream()])), known())["streams"]
    assert [(row["symbol"], row["messages"]) for row in streams] == [("BTCUSDT", 7), ("_", 3)]


def test_refused_frames_are_those_ingest_counted_or_the_writer_read_whichever_is_more() -> None:
    assert status().look(reports(ingest(refused=5), writer(refused=3)), known())["writer"]["refused"] == 5
    assert status().look(reports(ingest(refused=5), writer(refused=8)), known())["writer"]["refused"] == 8


def codes(found: Mapping[str, Any]) -> list[str]:
    assert found["healthy"] is not bool(found["reasons"])
    return [reason["code"] for reason in found["reasons"]]


def test_a_stream_is_silent_when_its_newest_durable_row_is_too_old() -> None:
    for age_secs, expected in ((SILENT_AFTER_SECS - 1, []), (SILENT_AFTER_SECS + 1, ["stream_silent"])):
        old = stream(last_durable_us=NOW_US - age_secs * 1_000_000)
        assert codes(status().look(reports(writer(streams=[old])), known(uptime_secs=1_000.0))) == expected


def test_no_stream_is_silent_before_the_recorder_was_up_that_long() -> None:
    assert codes(status().look({}, known(uptime_secs=SILENT_AFTER_SECS))) == []
    assert codes(status().look({}, known(uptime_secs=SILENT_AFTER_SECS + 1.0))) == ["stream_silent"]


def test_rows_received_but_not_durable_do_not_count_as_life() -> None:
    received = stream(last_received_us=NOW_US, last_durable_us=None)
    assert codes(status().look(reports(writer(streams=[received])), known(uptime_secs=1_000.0))) == ["stream_silent"]


def test_a_stream_nobody_configured_is_never_silent() -> None:
    undecoded = stream(symbol="_", data_type="undecoded", last_durable_us=1)
    assert codes(status().look(reports(writer(streams=[undecoded, stream()])), known(uptime_secs=1_000.0))) == []


def test_a_writer_that_reports_no_more_falls_behind_by_the_time_that_passes() -> None:
    stopped = writer(updated_us=NOW_US - 70_000_000)
    found = status().look(reports(stopped), known())
    assert found["journals"][0]["lag_secs"] == pytest.approx(70.1)
    assert codes(found) == ["writer_behind"]


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
    assert "planted" not in json.dumps(found)
    assert found["archive"]["last_error"] == "PUT https://host/bucket?signature=*** 403"


def test_a_child_in_backoff_makes_the_recorder_unhealthy() -> None:
    found = status().look({}, known(children=(ChildState("writer", None, "backoff", 4),)))
    assert codes(found) == ["child_failing"]
    assert found["processes"][0]["pid"] is None


def test_the_health_file_says_what_the_status_says() -> None:
    found = status().look({}, known(children=(ChildState("writer", None, "failed", 4),)))
    assert health(found, NOW_US) == {
        "run_id": "run-1",
        "host": "box",
        "uptime_secs": 10.0,
        "healthy": False,
        "reasons": found["reasons"],
        "updated_at": "2026-11-18T11:06:40.000000Z",
    }
