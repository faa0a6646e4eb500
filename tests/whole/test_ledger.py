"""Frames the exchange removes come out as exactly those gaps."""

import os
import signal
from collections.abc import Callable

from tests.whole.running import Exchange, Recorder, wait_for

FEED = {"symbols": ["BTCUSDT"], "data_types": ["book_snapshot", "book_delta", "trade"]}


def test_the_gap_ledger_names_exactly_the_removed_frames(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange("--symbols", "BTCUSDT", "--rate", "300", "--seed", "3")
    recorded = recorder(source.ws_url, feed=FEED, segment={"interval_secs": 2}).start()
    recorded.wait_for_messages(300)
    for count in (1, 3, 1):
        before = source.stats()["frames_dropped"]
        source.fault(kind="drop", next=count, stream="btcusdt@trade")
        wait_for(lambda: source.stats()["frames_dropped"] >= before + count)  # noqa: B023 -- asked at once
        recorded.wait_for_messages(recorded.messages() + 200)
    assert recorded.stop() == 0
    source.stop()
    removed = {
        int(line["raw"].split('"t":')[1].split(",")[0]) for line in source.sent() if line.get("event") == "dropped"
    }
    rows = recorded.losses()
    assert {(row["stream_type"], row["kind"], row["cause"], row["status"]) for row in rows} == {
        ("trade", "sequence", "exchange", "open")
    }
    told = [id_ for row in rows for id_ in range(int(row["expected_id"]), int(row["actual_id"]))]
    assert sorted(told) == sorted(removed)
    assert sum(row["missing"] for row in rows) == len(removed) == 5


def test_a_disconnect_is_a_gap_row_with_its_stretch(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange("--symbols", "BTCUSDT", "--rate", "300", "--seed", "3")
    recorded = recorder(source.ws_url, feed=FEED).start()
    recorded.wait_for_messages(300)
    source.fault(kind="disconnect", now=True)
    wait_for(lambda: source.stats()["connections_total"] >= 2)
    recorded.wait_for_messages(recorded.messages() + 300)
    assert recorded.stop() == 0
    rows = recorded.losses()
    assert {row["cause"] for row in rows} == {"disconnect"}
    (silence,) = [row for row in rows if row["kind"] == "silence"]
    assert silence["stream_type"] == "book_snapshot"
    assert silence["started_at"] < silence["ended_at"]
    for row in rows:
        if row["kind"] == "sequence":
            assert row["started_at"] <= silence["started_at"]
            assert row["ended_at"] >= silence["ended_at"]


def test_a_frozen_server_is_noticed_and_its_time_is_a_gap_row(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange("--symbols", "BTCUSDT", "--rate", "300", "--seed", "3")
    ingest = {"stale_timeout_secs": 2, "reconnect_base_delay_secs": 0.2, "reconnect_max_delay_secs": 1}
    recorded = recorder(source.ws_url, feed=FEED, ingest=ingest).start()
    recorded.wait_for_messages(300)
    os.kill(source.pid, signal.SIGSTOP)
    try:
        wait_for(lambda: [line for line in recorded.logged("disconnected") if line["reason"] == "silent"])
    finally:
        os.kill(source.pid, signal.SIGCONT)
    recorded.wait_for_messages(recorded.messages() + 300)
    assert recorded.stop() == 0
    silences = [row for row in recorded.losses() if row["kind"] == "silence"]
    assert {(row["stream_type"], row["cause"]) for row in silences} == {("book_snapshot", "disconnect")}
    assert (silences[0]["ended_at"] - silences[0]["started_at"]).total_seconds() >= 2


def test_a_silent_connection_is_replaced_without_losing_the_others(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange("--symbols", "BTCUSDT", "--rate", "300", "--seed", "3")
    silence = {"min_secs": 1, "max_secs": 3}
    recorded = recorder(source.ws_url, feed=FEED, ingest={"stale_timeout_secs": 5}, silence=silence).start()
    recorded.wait_for_messages(300)
    source.fault(kind="drop", probability=1.0, connection=1)
    wait_for(lambda: recorded.logged("streams_overdue"))
    wait_for(lambda: [line for line in recorded.logged("disconnected") if line["reason"] == "renewed"])
    assert next(line["connection"] for line in recorded.logged("disconnected") if line["reason"] == "renewed") == 1
    recorded.wait_for_messages(recorded.messages() + 300)
    assert recorded.stop() == 0
    rows = recorded.losses()
    assert {(row["stream_type"], row["kind"]) for row in rows} >= {("trade", "sequence"), ("book_snapshot", "silence")}
    assert {row["cause"] for row in rows} == {"exchange"}
