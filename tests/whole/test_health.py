"""Each reason that can be brought about in seconds is, and goes again once its cause has gone."""

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from tests.whole.running import Exchange, Recorder, get_json, wait_for

LIVE = ("--symbols", "BTCUSDT", "--rate", "200", "--seed", "3")
FEED = {"symbols": ["BTCUSDT"], "data_types": ["book_delta", "trade", "book_ticker"]}
PLENTY = {"journal": {"min_free_bytes": "1MiB"}}


def health(recorded: Recorder) -> Mapping[str, Any]:
    """What /healthz says."""
    return get_json(f"http://127.0.0.1:{recorded.port}/healthz") or {"healthy": None, "reasons": []}


def codes(recorded: Recorder) -> set[str]:
    recorded.alive()
    return {reason["code"] for reason in health(recorded)["reasons"]}


def logged_codes(recorded: Recorder, event: str) -> list[str]:
    return [line["code"] for line in recorded.logged(event)]


@contextmanager
def standing_still(pid: int) -> Iterator[None]:
    """Stop the process for a moment, in which two things can be done at once."""
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def wait_until_healthy(recorded: Recorder) -> None:
    wait_for(lambda: recorded.alive() and health(recorded)["healthy"])


def test_a_stream_that_falls_silent_is_named_until_it_speaks_again(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange(*LIVE)
    ingest = {"stale_timeout_secs": 2, "reconnect_base_delay_secs": 0.2, "reconnect_max_delay_secs": 1}
    recorded = recorder(source.ws_url, feed=FEED, ingest=ingest, silence={"min_secs": 0.2}, **PLENTY).start()
    recorded.wait_for_messages(100)
    wait_until_healthy(recorded)
    # Where a start takes long, its streams are silent for a moment: that is told too, and over.
    wait_for(lambda: logged_codes(recorded, "health_reason") == logged_codes(recorded, "health_reason_gone"))
    earlier = len(logged_codes(recorded, "health_reason"))
    source.fault(kind="drop", probability=1.0, stream="btcusdt@trade")
    wait_for(lambda: codes(recorded) == {"stream_silent"})
    (reason,) = health(recorded)["reasons"]
    assert reason["text"] == "1 of 3 streams silent: binance trade (BTCUSDT)"
    silent = {stream["data_type"] for stream in recorded.status()["streams"] if stream["silent"]}
    assert silent == {"trade"}
    source.heal()
    wait_until_healthy(recorded)
    wait_for(lambda: logged_codes(recorded, "health_reason_gone")[earlier:] == ["stream_silent"])
    assert logged_codes(recorded, "health_reason")[earlier:] == ["stream_silent"]
    assert recorded.stop() == 0


def test_many_undecodable_frames_are_a_health_reason(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange(*LIVE)
    recorded = recorder(source.ws_url, feed=FEED, **PLENTY).start()
    recorded.wait_for_messages(100)
    source.fault(kind="malformed", probability=0.3)
    wait_for(lambda: "frames_undecodable" in codes(recorded))
    assert health(recorded)["headline"].startswith("Recording; ")
    assert recorded.status()["writer"]["undecodable"] >= 20
    assert recorded.stop() == 0


def test_a_spent_disk_budget_is_a_health_reason_until_the_writer_catches_up(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange("--symbols", "BTCUSDT", "--rate", "400", "--seed", "3")
    journal = {"max_bytes": "512KiB", "file_bytes": "64KiB", "min_free_bytes": "1MiB"}
    recorded = recorder(
        source.ws_url, feed=FEED, journal=journal, segment={"interval_secs": 1}, supervisor={"hang_timeout_secs": 600}
    ).start()
    recorded.wait_for_messages(100)
    writer = recorded.pid_of("writer")
    os.kill(writer, signal.SIGSTOP)
    wait_for(lambda: "journal_over_budget" in codes(recorded))
    os.kill(writer, signal.SIGCONT)
    wait_for(lambda: "journal_over_budget" not in codes(recorded))
    assert recorded.stop() == 0


def test_a_store_that_takes_nothing_is_a_health_reason_until_it_does(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange(*LIVE)
    archive = {"retry_base_delay_secs": 0.2, "retry_max_delay_secs": 1}
    recorded = recorder(source.ws_url, feed=FEED, archive=archive, segment={"interval_secs": 1}, **PLENTY).start()
    wait_for(lambda: recorded.alive() and (recorded.status() or {"segments": {"archived": 0}})["segments"]["archived"])
    folder = recorded.data_dir / "archive"
    aside = recorded.folder / "aside"
    archiver = recorded.pid_of("archiver")
    with standing_still(archiver):
        folder.rename(aside)
        folder.write_text("a file where the archive should be", "utf-8")
    wait_for(lambda: "store_unreachable" in codes(recorded))
    assert wait_for(lambda: recorded.status()["archive"]["backlog_age_secs"]) > 0
    with standing_still(archiver):
        folder.unlink()
        aside.rename(folder)
    wait_until_healthy(recorded)
    assert recorded.stop() == 0


def test_a_process_that_cannot_restart_is_a_health_reason(
    tmp_path: Path, exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange(*LIVE)
    # A third restart would be told for minutes; drawn by chance, the second could come too soon to succeed.
    (tmp_path / "sitecustomize.py").write_text("import random\n\nrandom.random = lambda: 0.9\n", "utf-8")
    supervisor = {"restart_base_delay_secs": 15, "restart_max_delay_secs": 60}
    recorded = recorder(
        source.ws_url, feed=FEED, supervisor=supervisor, environment={"PYTHONPATH": str(tmp_path)}, **PLENTY
    ).start()
    recorded.wait_for_messages(100)
    archiver = recorded.pid_of("archiver")
    staging = recorded.data_dir / "staging"
    wait_for(staging.is_dir)
    with standing_still(archiver):
        shutil.rmtree(staging)
        staging.write_text("a file where a folder should be", "utf-8")
        os.kill(archiver, signal.SIGKILL)
    wait_for(lambda: "child_failing" in codes(recorded))
    staging.unlink()
    wait_for(lambda: recorded.alive() and health(recorded)["healthy"], 120)
    assert recorded.pid_of("archiver") != archiver
    assert recorded.stop() == 0


def test_old_exchange_times_make_the_clock_a_health_reason(
    tmp_path: Path, exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    path = tmp_path / "old.jsonl"
    trade = {"e": "trade", "E": 1_700_000_000_000, "s": "BTCUSDT", "p": "1", "q": "1", "T": 1_700_000_000_000}
    datas = ({**trade, "t": number, "m": True, "M": True} for number in range(50))
    frames = (json.dumps({"stream": "btcusdt@trade", "data": data}, separators=(",", ":")) for data in datas)
    path.write_text(
        "".join(json.dumps({"recv_ts_us": 0, "dir": "in", "raw": frame}) + "\n" for frame in frames), "utf-8"
    )
    source = exchange("--replay", str(path), "--speed", "0")
    recorded = recorder(source.ws_url, feed={**FEED, "data_types": ["trade"]}, **PLENTY).start()
    wait_for(lambda: "clock_off" in codes(recorded))
    assert recorded.status()["feeds"][0]["clock_offset_secs"] > 3600
    assert recorded.stop() == 0


def test_readiness_comes_with_the_first_durable_row(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange(*LIVE, "--fault", "drop=1")
    recorded = recorder(source.ws_url, feed=FEED, **PLENTY).start()
    ready = f"http://127.0.0.1:{recorded.port}/readyz"
    assert wait_for(lambda: recorded.alive() and get_json(ready)) == {"ready": False}
    assert recorded.status()["writer"]["stored"] == 0
    source.heal()
    wait_for(lambda: recorded.alive() and get_json(ready) == {"ready": True})
    assert recorded.status()["writer"]["stored"] > 0
    assert recorded.stop() == 0
