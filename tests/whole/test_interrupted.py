"""The archiver interrupted while it makes files from a large segment: whose doing that was decides what follows."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from collector.domain.records import StreamKey
from collector.storage.segment.attempts import Begun
from tests.storage.segment.segment_files import Message, make_segment, message
from tests.whole.running import Recorder, wait_for

NOWHERE = "ws://127.0.0.1:9"
ROWS = 600_000
"""They take some seconds to be staged."""

LARGE, SMALL = "20261123T120000Z-4f2a9c", "20261123T130000Z-4f2a9c"
TRADES = StreamKey("binance", "BTCUSDT", "trade")
TRADE = (
    '{"stream":"btcusdt@trade","data":{"e":"trade","E":1795435200000,"s":"BTCUSDT","t":%d,'
    '"p":"64000.10000000","q":"0.50000000","T":1795435200000,"m":true,"M":true}}'
)


def trades(count: int) -> Iterator[Message]:
    return (message(0, id_, (TRADE % id_).encode(), received_us=1_795_435_200_000_000) for id_ in range(count))


@pytest.fixture
def recorded(recorder: Callable[..., Recorder]) -> Recorder:
    """Not started yet; two sealed segments wait, a large and a small one."""
    made = recorder(NOWHERE, supervisor={"restart_base_delay_secs": 0.1, "restart_max_delay_secs": 0.2})
    for name, count in ((LARGE, ROWS), (SMALL, 10)):
        make_segment(made.data_dir / "segments", [TRADES], trades(count), segment_id=name, previous_segment="")
    return made


def wait_until_begun(recorded: Recorder) -> None:
    begun = Begun(recorded.data_dir / "staging")
    part = recorded.data_dir / "staging" / f"{LARGE}.part"
    wait_for(lambda: recorded.alive() and LARGE in begun.found() and part.exists())


def archived_rows(data_dir: Path) -> int:
    files = (data_dir / "archive").glob("exchange=*/data_type=trade/**/*.parquet")
    return sum(pq.read_metadata(path).num_rows for path in files)


def assert_all_archived(recorded: Recorder) -> None:
    assert archived_rows(recorded.data_dir) == ROWS + 10
    assert not list((recorded.data_dir / "quarantine").glob("*"))
    assert not list((recorded.data_dir / "archive").glob("exchange=binance/data_type=gap/**/*.parquet"))
    assert recorded.logged("segment_failed") == []


def test_three_hurried_stops_quarantine_no_sound_segment(recorded: Recorder) -> None:
    recorded.environment["COLLECTOR_SUPERVISOR__STOP_TIMEOUT_SECS"] = "2"
    for _ in range(3):
        recorded.start()
        wait_until_begun(recorded)
        recorded.stop()
        assert (recorded.data_dir / "segments" / f"{LARGE}.db").exists(), "it was interrupted"
    recorded.environment["COLLECTOR_SUPERVISOR__STOP_TIMEOUT_SECS"] = "120"
    assert recorded.start("--stop-after", "1").process.wait(240) == 0
    assert_all_archived(recorded)


def end_the_archiver(recorded: Recorder, number: signal.Signals, times: int) -> None:
    """Each time while it works on the large segment."""
    for ended in range(times):
        wait_until_begun(recorded)
        started = [line["pid"] for line in recorded.logged("process_started") if line["child"] == "archiver"]
        os.kill(started[-1], number)
        wait_for(lambda: len(recorded.logged("segment_interrupted")) > ended)  # noqa: B023 -- asked at once


def test_three_kills_from_outside_quarantine_no_sound_segment(recorded: Recorder) -> None:
    recorded.start()
    end_the_archiver(recorded, signal.SIGKILL, times=3)
    wait_for(lambda: archived_rows(recorded.data_dir) == 10)
    wait_for(lambda: "killed 3 times" in str((recorded.status() or {"archive": {}})["archive"].get("last_error")))
    recorded.stop()
    recorded.environment["COLLECTOR_ARCHIVE__UPLOAD_ON_STOP"] = "true"
    assert recorded.start("--stop-after", "1").process.wait(240) == 0
    assert_all_archived(recorded)


def test_three_crashes_quarantine_a_segment_and_the_next_is_archived(recorded: Recorder) -> None:
    recorded.start()
    end_the_archiver(recorded, signal.SIGSEGV, times=3)
    wait_for(lambda: recorded.logged("segment_quarantined"))
    wait_for(lambda: archived_rows(recorded.data_dir) == 10)
    assert recorded.stop() == 0
    assert [path.name for path in (recorded.data_dir / "quarantine").glob("*")] == [f"{LARGE}.db"]
