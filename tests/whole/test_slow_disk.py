"""A disk on which each wait takes seconds costs delay, and nothing else."""

import json
import os
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from collector.supervision.reporting import HEALTH_SECS
from tests.whole.accounts import frames_sent, missing_frames
from tests.whole.running import Exchange, Recorder, wait_for
from tests.whole.slow_disk import SlowDisk

NOWHERE = "ws://127.0.0.1:9"


def pid_of(recorder: Recorder, role: str) -> int:
    """The process of that role that was started last."""
    started = wait_for(lambda: [line for line in recorder.logged("process_started") if line["child"] == role])
    return int(started[-1]["pid"])


def test_an_idle_writer_waits_for_the_disk_only_a_few_times(tmp_path: Path, recorder: Callable[..., Recorder]) -> None:
    disk = SlowDisk(tmp_path / "slow")
    recorded = recorder(NOWHERE, environment=disk.environment).start()
    writer = pid_of(recorded, "writer")
    wait_for(lambda: recorded.alive() and recorded.logged("segment_opened"))
    making = disk.count(writer)
    assert sum(making.values()) <= 3, making
    assert recorded.stop() == 0
    assert sum(disk.count(writer).values()) <= 12


def test_an_idle_writers_stop_waits_only_for_its_segment(tmp_path: Path, recorder: Callable[..., Recorder]) -> None:
    disk = SlowDisk(tmp_path / "slow")
    recorded = recorder(NOWHERE, environment=disk.environment).start()
    writer = pid_of(recorded, "writer")
    wait_for(lambda: recorded.alive() and recorded.logged("segment_opened"))
    wait_for(lambda: list((recorded.data_dir / "journal").rglob("*.journal")))
    before = disk.count(writer)
    assert recorded.stop() == 0
    waits = disk.count(writer) - before
    assert sum(waits.values()) <= 5, waits
    assert waits["positions.json.new"] == 0
    (opened,) = (recorded.data_dir / "segments").glob("*.open.db")
    with closing(sqlite3.connect(opened)) as db:
        held = {row[0] for row in db.execute("SELECT file_id FROM positions")}
    noted = json.loads((recorded.data_dir / "segments/positions.json").read_bytes())
    assert {entry["file_id"] for entry in noted["positions"]} == held != set()
    assert list((recorded.data_dir / "journal").rglob("*.journal")) == []


LIVE = ("--symbols", "BTCUSDT,ETHUSDT", "--rate", "300", "--seed", "23")
FEED: dict[str, Any] = {
    "symbols": ["BTCUSDT", "ETHUSDT"],
    "data_types": ["book_snapshot", "book_delta", "trade", "book_ticker"],
}
FSYNC_SECS = 2.0
HANG_SECS = 20.0
"""Less than all the waits of a start or a seal together."""


def assert_nobody_was_taken_for_dead(recorder: Recorder) -> None:
    assert recorder.logged("process_hung") == []
    assert recorder.logged("process_died") == []


def assert_all_archived(source: Exchange, recorder: Recorder) -> None:
    source.stop()
    assert missing_frames(frames_sent(source), recorder.data_dir / "archive") == []


def test_a_very_slow_disk_only_delays(
    tmp_path: Path, exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    disk = SlowDisk(tmp_path / "slow", FSYNC_SECS)
    source = exchange(*LIVE)
    recorded = recorder(
        source.ws_url, environment=disk.environment, feed=FEED, archive={"keep_raw": True},
        segment={"interval_secs": 10}, supervisor={"hang_timeout_secs": HANG_SECS},
    ).start()  # fmt: skip
    recorded.wait_for_messages(500)
    wait_for(lambda: recorded.alive() and recorded.logged("segment_archived"), 300)
    assert_nobody_was_taken_for_dead(recorded)
    disk.take(0)
    assert recorded.stop() == 0
    assert_nobody_was_taken_for_dead(recorded)
    assert_all_archived(source, recorded)


def test_a_disk_stall_above_the_hang_timeout_kills_no_process(
    tmp_path: Path, exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    disk = SlowDisk(tmp_path / "slow")
    source = exchange(*LIVE)
    recorded = recorder(
        source.ws_url, environment=disk.environment, feed=FEED, archive={"keep_raw": True},
        supervisor={"hang_timeout_secs": 10},
    ).start()  # fmt: skip
    recorded.wait_for_messages(500)
    disk.take(3_600)
    wait_for(lambda: recorded.alive() and recorded.logged("process_waits_for_disk"))
    assert {line["child"] for line in recorded.logged("process_waits_for_disk")} == {"writer"}
    read = source.stats()["frames_sent"]
    wait_for(lambda: frames_read(recorded) > read)
    assert_nobody_was_taken_for_dead(recorded)
    disk.take(0)
    recorded.wait_for_messages(recorded.messages() + 500)
    assert recorded.stop() == 0
    assert_nobody_was_taken_for_dead(recorded)
    assert_all_archived(source, recorded)


def frames_read(recorder: Recorder) -> int:
    """What ingest has appended to its journal, as /status says."""
    return sum(int(feed["frames"]) for feed in (recorder.status() or {"feeds": []})["feeds"])


def stall(path: Path) -> None:
    """Let who writes the file next wait for ever: what is there is a pipe that nobody reads."""

    def put() -> bool:
        try:
            os.mkfifo(path)
        except FileExistsError:  # it is just being written
            return False
        return True

    wait_for(put)


def test_ingest_goes_on_if_its_stats_file_cannot_be_written(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange(*LIVE)
    recorded = recorder(source.ws_url, feed=FEED, supervisor={"hang_timeout_secs": 10}).start()
    recorded.wait_for_messages(500)
    ingest = recorded.pid_of("ingest:binance")
    stall(recorded.data_dir / "run" / "stats" / f"ingest:binance.json.{ingest}.new")
    wait_for(lambda: recorded.alive() and recorded.logged("process_waits_for_disk"))
    recorded.wait_for_messages(recorded.messages() + 500)
    assert_nobody_was_taken_for_dead(recorded)


def test_the_supervisor_goes_on_if_its_files_cannot_be_written(recorder: Callable[..., Recorder]) -> None:
    recorded = recorder(NOWHERE).start()
    writer = recorded.pid_of("writer")
    stall(recorded.data_dir / "run" / f"health.json.{recorded.process.pid}.new")
    written = (recorded.data_dir / "run" / "health.json").stat().st_mtime_ns
    seen = recorded.status()["uptime_secs"]
    wait_for(lambda: recorded.status()["uptime_secs"] > seen + 2 * HEALTH_SECS)
    assert (recorded.data_dir / "run" / "health.json").stat().st_mtime_ns == written
    os.kill(writer, signal.SIGKILL)
    wait_for(lambda: recorded.pid_of("writer") != writer)
    assert recorded.stop() == 0
