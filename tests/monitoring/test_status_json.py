import json

import pytest

from collector import __version__
from collector.config import Config, FeedConfig
from collector.monitoring import status_json
from collector.monitoring.status import Status
from collector.monitoring.view import ChildState
from tests.supervision.made import GIB, STREAM, archiver, ingest, known, repair, reports, status, stream, writer


def test_the_object_has_exactly_the_promised_shape() -> None:
    view = status().look(reports(ingest(), writer(), archiver(), repair()), known())
    assert status_json.status(view) == {
        "run_id": "run-1",
        "host": "box",
        "role": "all",
        "version": __version__,
        "demo": False,
        "uptime_secs": 10.0,
        "healthy": True,
        "headline": "Recording",
        "reasons": [],
        "ready": True,
        "processes": [
            {
                "name": "supervisor", "pid": 10, "state": "running", "restarts": 0,
                "rss_bytes": 40_000_000, "cpu_percent": 1.5, "open_files": 30, "unreported_secs": None,
            },
            {
                "name": "ingest:binance", "pid": 11, "state": "running", "restarts": 0,
                "rss_bytes": 50_000_000, "cpu_percent": 3.5, "open_files": 20, "unreported_secs": None,
            },
            {
                "name": "writer", "pid": 12, "state": "running", "restarts": 2,
                "rss_bytes": None, "cpu_percent": None, "open_files": None, "unreported_secs": None,
            },
        ],
        "channels": [{"from": "ingest:binance", "to": "writer", "depth": 1, "capacity": 256}],
        "flow": [
            {"stage": "frames", "total": 9, "per_sec": None, "history": [], "unit": ""},
            {"stage": "messages", "total": 8, "per_sec": None, "history": [], "unit": ""},
            {"stage": "stored", "total": 6, "per_sec": None, "history": [], "unit": ""},
            {"stage": "archived", "total": 100, "per_sec": None, "history": [], "unit": ""},
        ],
        "feeds": [
            {
                "feed": "binance", "exchange": "binance", "connections": 1, "connections_open": 1, "reconnects": 2,
                "frames": 9, "bytes": 900, "refused": 0, "last_data_at": "2026-11-18T11:06:39.000000Z",
                "clock_offset_secs": 0.02, "rest_clock_offset_secs": -0.012,
            }
        ],
        "journals": [{"feed": "binance", "lag_bytes": 40, "lag_secs": 0.1, "unread_files": 1, "files": 3}],
        "writer": {
            "batch_size": 100, "batch_limit": 10_000, "commit_secs": 0.02,
            "messages": 7, "stored": 6, "duplicates": 2, "undecodable": 1, "unasked": 4, "frame_holes": 5,
            "book_checks": {"matched": 8}, "refused": 0,
        },
        "segments": {"open": 1, "sealed": 2, "archived": 4, "quarantined": 1},
        "repair": {
            "waiting": {"book": 2, "trades": 1, "checkpoint": 0}, "answered": {"book": 3, "trades": 4}, "failed": 3,
            "weight_used": {"binance": 1_250},
        },
        "archive": {
            "state": "there", "backlog_segments": 2, "backlog_objects": 9, "backlog_bytes": 300,
            "backlog_age_secs": 60.0, "uploaded_objects": 12, "failed_uploads": 2, "last_error": None,
            "bytes_per_sec": 200, "eta_secs": 1.5, "next_seal_at": "2026-11-18T12:00:00.000000Z",
        },
        "publish": [], "relays": [], "edges": [],
        "cluster": {
            "connected": False, "quorum": True, "hosts": [], "members": [], "changes": 0, "copies": 0,
            "moving": False, "trouble": "", "uncovered": [], "uncovered_count": 0, "overcovered": [], "overcovered_count": 0,
            "last_error": None,
        },
        "tables": {
            "commits": 0, "segments": 0, "files": 0, "conflicts": 0, "backlog_segments": 0, "commit_secs": None,
            "last_commit_at": None, "last_error": None,
        },
        "disk": {"free_bytes": 50 * GIB, "full_in_secs": None},
        "events": [],
        "streams": [
            {
                **STREAM, "messages": 7, "stored": 6, "duplicates": 2, "gaps": 1,
                "last_received_at": "2026-11-18T11:06:39.000000Z", "last_durable_at": "2026-11-18T11:06:38.000000Z",
                "silent": False, "silent_after_secs": 310.0, "saved": None, "first_by_line": {},
            }
        ],
    }  # fmt: skip


def test_before_any_report_the_shape_is_the_same() -> None:
    complete = status_json.status(status().look(reports(ingest(), writer(), archiver()), known()))
    empty = status_json.status(status().look({}, known()))
    assert list(empty) == list(complete)
    for part in ("writer", "segments", "archive", "disk"):
        assert list(empty[part]) == list(complete[part])
    (feed,), (stream_,) = empty["feeds"], empty["streams"]
    assert list(feed) == list(complete["feeds"][0])
    assert {name: stream_[name] for name in ("messages", "gaps", "last_received_at", "last_durable_at")} == {
        "messages": 0, "gaps": 0, "last_received_at": None, "last_durable_at": None,
    }  # fmt: skip
    assert json.loads(json.dumps(empty)) == empty


def test_a_stream_says_what_lines_saved_and_which_was_first() -> None:
    rows = [stream(saved=12, first=((0, 5), (1, 2))), stream(symbol="ETHUSDT")]
    view = status().look(reports(ingest(), writer(streams=rows), archiver()), known())
    (first, second) = status_json.status(view)["streams"]
    assert (first["saved"], first["first_by_line"]) == (12, {"0": 5, "1": 2})
    assert (second["saved"], second["first_by_line"]) == (None, {})


def test_a_stream_nobody_configured_is_shown_after_those_that_were() -> None:
    undecoded = stream(symbol="_", data_type="undecoded", messages=3)
    streams = status_json.status(status().look(reports(writer(streams=[undecoded, stream()])), known()))["streams"]
    assert [(row["symbol"], row["messages"]) for row in streams] == [("BTCUSDT", 7), ("_", 3)]
    assert (streams[1]["silent"], streams[1]["silent_after_secs"]) == (False, None)


@pytest.mark.parametrize(("by_writer", "refused"), [(3, 5), (8, 8)])
def test_refused_frames_are_those_ingest_counted_or_the_writer_read_whichever_is_more(
    by_writer: int, refused: int
) -> None:
    view = status().look(reports(ingest(refused=5), writer(refused=by_writer)), known())
    assert status_json.status(view)["writer"]["refused"] == refused


def test_the_health_file_says_what_the_status_says() -> None:
    view = status().look({}, known(children=(ChildState("writer", None, "failed", 4),)))
    assert status_json.health(view) == {
        "run_id": "run-1",
        "host": "box",
        "uptime_secs": 10.0,
        "healthy": False,
        "headline": "Not recording; writer failing",
        "reasons": view.reasons,
        "updated_at": "2026-11-18T11:06:40.000000Z",
    }


def test_the_health_file_of_a_recorder_that_ended_is_not_healthy() -> None:
    view = status().look(reports(ingest(), writer(), archiver(), repair()), known())
    ended = status_json.stopped(view, view.known.now_us + 1_000_000)
    assert not ended["healthy"]
    assert [reason["code"] for reason in ended["reasons"]] == ["stopped"]
    assert ended["updated_at"] > status_json.health(view)["updated_at"]


@pytest.mark.parametrize(
    ("name", "ws_url", "is_demo"),
    [("demo", "ws://127.0.0.1:9", True), ("demo", "wss://example.com", False), ("x", "ws://127.0.0.1:9", False)],
)
def test_a_demo_says_that_it_is_one(name: str, ws_url: str, is_demo: bool) -> None:
    board = Status("run-1", Config(feed=(FeedConfig(name=name, ws_url=ws_url),)))
    assert status_json.status(board.look({}, known()))["demo"] is is_demo
