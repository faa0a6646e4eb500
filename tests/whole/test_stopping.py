"""Stops, at any moment: what the exchange sent before the end is in the archive, once and in order."""

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from collector.storage.journal.files import journal_files
from tests.whole.running import DEADLINE_SECS, STOP_SECS, Exchange, Recorder, payloads_in_segments, wait_for

SYMBOLS = ["BTCUSDT", "ETHUSDT"]
TYPES = ["book_snapshot", "book_delta", "trade", "agg_trade", "book_ticker"]
LIVE = ("--symbols", ",".join(SYMBOLS), "--rate", "1500", "--seed", "11")
KEEP_RAW = {"feed": {"symbols": SYMBOLS, "data_types": TYPES}, "archive": {"keep_raw": True}}


def data_frames(exchange: Exchange) -> list[str]:
    """Every data frame whose last byte the kernel took, in order."""
    return [line["raw"] for line in exchange.sent() if "event" not in line and "raw" in line]


def archived(recorder: Recorder) -> list[str]:
    """The text of every archived message, stream by stream."""
    return [row["raw"] for data_type in TYPES for row in recorder.table(data_type)]


def assert_left_clean(data_dir: Path) -> None:
    assert journal_files(data_dir / "journal/binance") == []
    assert [path.name for path in (data_dir / "segments").glob("*.db") if not path.name.endswith(".open.db")] == []
    assert len(list((data_dir / "segments").glob("*.open.db"))) == 1
    assert list(payloads_in_segments(data_dir)) == []


@pytest.mark.parametrize("run", range(20))
def test_a_sigterm_at_a_random_moment_loses_no_frame(
    run: int, exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange(*LIVE)
    recorded = recorder(source.ws_url, **KEEP_RAW).start()
    moment = random.Random(run)
    wait_for(lambda: recorded.alive() and source.stats()["frames_sent"] >= moment.randint(1, 3_000))
    assert recorded.stop(moment.choice([signal.SIGTERM, signal.SIGINT])) == 0
    source.stop()
    sent = data_frames(source)
    assert sorted(archived(recorded)) == sorted(sent)
    trades = [raw for raw in sent if raw.startswith('{"stream":"btcusdt@trade"')]
    assert [row["raw"] for row in recorded.table("trade", "BTCUSDT")] == trades
    assert_left_clean(recorded.data_dir)


def test_ctrl_c_stops_in_order_though_it_reaches_the_whole_group(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:

    source = exchange(*LIVE)
    recorded = recorder(source.ws_url, **KEEP_RAW).start(start_new_session=True)
    recorded.wait_for_messages(500)
    os.killpg(recorded.process.pid, signal.SIGINT)
    assert recorded.process.wait(STOP_SECS + 10) == 0
    source.stop()
    assert sorted(archived(recorded)) == sorted(data_frames(source))


@pytest.mark.parametrize("moment", [0.2, 0.5, 0.8, 1.1, 1.4])
def test_ctrl_c_during_the_start_ends_it_quietly(moment: float, recorder: Callable[..., Recorder]) -> None:
    recorded = recorder("ws://127.0.0.1:9").start(start_new_session=True)
    begun = time.monotonic()
    wait_for(lambda: time.monotonic() - begun >= moment)
    os.killpg(recorded.process.pid, signal.SIGINT)
    assert recorded.process.wait(60) in {0, -signal.SIGINT}
    assert "Traceback" not in recorded.log_path.read_text("utf-8")


@pytest.mark.parametrize("started", [1, 2])
def test_ctrl_c_while_children_start_kills_none_of_them(started: int, recorder: Callable[..., Recorder]) -> None:
    recorded = recorder("ws://127.0.0.1:9").start(start_new_session=True)
    deadline = time.monotonic() + DEADLINE_SECS
    while not recorded.log_path.exists() or len(recorded.logged("process_started")) < started:
        assert time.monotonic() < deadline  # looked at without a pause: the moment is short
    os.killpg(recorded.process.pid, signal.SIGINT)
    assert recorded.process.wait(DEADLINE_SECS) == 0
    assert [line for line in recorded.log_path.read_text("utf-8").splitlines() if not line.startswith("{")] == []


def test_a_stop_that_takes_too_long_exits_5_and_the_next_start_resumes(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange(*LIVE)
    recorded = recorder(source.ws_url, supervisor={"stop_timeout_secs": 15}, **KEEP_RAW).start()
    recorded.wait_for_messages(500)

    os.kill(recorded.pid_of("writer"), signal.SIGSTOP)
    assert recorded.stop() == 5
    assert recorded.logged("stop_late")
    source.stop()
    recorded.environment["COLLECTOR_SUPERVISOR__STOP_TIMEOUT_SECS"] = "120"
    assert recorded.start("--stop-after", "1").process.wait(150) == 0
    assert sorted(archived(recorded)) == sorted(data_frames(source))


def test_a_stop_does_not_wait_for_archiving_and_exits_0(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange(*LIVE)
    recorded = recorder(source.ws_url, supervisor={"stop_timeout_secs": 15}, **KEEP_RAW).start()
    recorded.wait_for_messages(500)
    os.kill(recorded.pid_of("archiver"), signal.SIGSTOP)
    assert recorded.stop() == 0
    assert [line["killed"] for line in recorded.logged("stop_late")] == [["archiver"]]
    source.stop()
    assert archived(recorded) == []
    recorded.environment["COLLECTOR_SUPERVISOR__STOP_TIMEOUT_SECS"] = "120"
    assert recorded.start("--stop-after", "1").process.wait(150) == 0
    assert sorted(archived(recorded)) == sorted(data_frames(source))


def test_a_second_signal_hurries_the_stop(exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]) -> None:

    source = exchange(*LIVE)
    recorded = recorder(source.ws_url, **KEEP_RAW).start()
    recorded.wait_for_messages(100)
    os.kill(recorded.pid_of("writer"), signal.SIGSTOP)
    recorded.process.send_signal(signal.SIGTERM)
    wait_for(lambda: recorded.logged("stopping"))
    recorded.process.send_signal(signal.SIGTERM)
    assert recorded.process.wait(60) == 5
    assert recorded.logged("hurrying")


@pytest.mark.parametrize("role", ["ingest:binance", "writer", "archiver"])
def test_a_killed_child_is_restarted_and_its_frames_are_archived_once(
    role: str, exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:

    source = exchange(*LIVE)
    recorded = recorder(source.ws_url, segment={"interval_secs": 2}, **KEEP_RAW).start()
    recorded.wait_for_messages(1_000)
    killed = recorded.pid_of(role)
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: recorded.pid_of(role) != killed)
    before = recorded.messages()
    recorded.wait_for_messages(before + 2_000)
    assert recorded.stop() == 0
    source.stop()
    sent, kept = data_frames(source), archived(recorded)
    assert len(kept) == len(set(kept))
    assert set(kept) <= set(sent)
    if role != "ingest:binance":
        assert sorted(kept) == sorted(sent)


def test_a_killed_supervisors_children_end_and_the_next_run_resumes(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange(*LIVE)
    recorded = recorder(source.ws_url, **KEEP_RAW).start()
    recorded.wait_for_messages(1_000)
    writer = recorded.pid_of("writer")
    os.kill(writer, signal.SIGSTOP)
    recorded.process.kill()
    recorded.process.wait(60)
    started = len(recorded.logged("process_started"))
    recorded.start()
    wait_for(lambda: any("writer" in line["roles"] for line in recorded.logged("waiting_for_children")))
    assert len(recorded.logged("process_started")) == started, "two of a role must never run"
    os.kill(writer, signal.SIGCONT)
    recorded.wait_for_messages(1_000)
    assert recorded.stop() == 0
    source.stop()
    kept = archived(recorded)
    assert len(kept) == len(set(kept))
    assert sorted(kept) == sorted(data_frames(source))


def unfinished(recorder: Recorder) -> Any:
    return list(recorder.data_dir.glob("staging/*"))


def test_nothing_is_left_in_staging(exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]) -> None:
    source = exchange(*LIVE)
    recorded = recorder(source.ws_url, segment={"interval_secs": 1}, **KEEP_RAW).start()
    recorded.wait_for_messages(1_000)
    assert recorded.stop() == 0
    assert unfinished(recorded) == []
