"""A disk that answers with errors: every write is tried again or its process begins anew; nothing is skipped in silence."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.whole.accounts import frames_sent, missing_frames
from tests.whole.disk_faults import DiskFault, has_ended, require_strace
from tests.whole.running import Exchange, Recorder, wait_for

SYMBOLS = ["BTCUSDT", "ETHUSDT"]
TYPES = ["book_snapshot", "book_delta", "trade", "book_ticker"]
LIVE = ("--symbols", ",".join(SYMBOLS), "--rate", "1000", "--seed", "17")
SETTINGS: dict[str, Any] = {
    "feed": {"symbols": SYMBOLS, "data_types": TYPES},
    "archive": {"keep_raw": True, "retry_base_delay_secs": 0.2, "retry_max_delay_secs": 0.5},
    "journal": {"file_bytes": "256KiB", "fsync_interval_secs": 0.2, "min_free_bytes": 0},
    "supervisor": {"restart_base_delay_secs": 0.1, "restart_max_delay_secs": 0.5, "hang_timeout_secs": 600},
}
WRITES = "pwrite64,pwritev,pwritev2"
SYNCS = "fsync,fdatasync"


@pytest.fixture
def world(
    request: pytest.FixtureRequest, exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> tuple[Exchange, Recorder]:
    """A recorder that records; its segments last as long as the test says, or a second."""
    require_strace()
    source = exchange(*LIVE)
    segment = {"interval_secs": getattr(request, "param", 1)}
    recorded = recorder(source.ws_url, **SETTINGS, segment=segment).start()
    recorded.wait_for_messages(200)
    return source, recorded


def record_more(recorder: Recorder, count: int = 300) -> None:
    recorder.wait_for_messages(recorder.messages() + count)


def finish(world: tuple[Exchange, Recorder]) -> int:
    """Stop both; how many frames are missing, each of which is accounted for."""
    source, recorded = world
    assert recorded.stop() == 0
    source.stop()
    assert recorded.logged("segment_quarantined") == []
    return len(missing_frames(frames_sent(source), recorded.data_dir / "archive"))


def open_segment(recorder: Recorder) -> Path:
    """The segment that takes rows now."""
    return wait_for(lambda: next(iter((recorder.data_dir / "segments").glob("*.open.db")), None))  # type: ignore[return-value]


UNTIL_IT_FAILS = """
import errno, itertools, os, sys
for number in itertools.count():
    try:
        os.mkdir(f"{sys.argv[1]}/{number}")
    except OSError as error:
        sys.exit(error.errno != errno.ENOSPC)
    os.rmdir(f"{sys.argv[1]}/{number}")
"""


def test_a_fault_strikes_the_next_process_where_one_ends_before(tmp_path: Path) -> None:
    require_strace()
    idle = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    busy = subprocess.Popen([sys.executable, "-c", UNTIL_IT_FAILS, str(tmp_path)])
    try:
        with DiskFault(lambda: busy.pid if has_ended(idle.pid) else idle.pid, "mkdir", "ENOSPC", tmp_path) as fault:
            assert idle.stdin is not None
            idle.stdin.close()
            fault.wait()
        assert busy.wait(60) == 0
    finally:
        busy.kill()
        for process in (idle, busy):
            process.wait(60)


def test_a_failed_journal_write_is_a_gap_and_the_next_succeeds(
    world: tuple[Exchange, Recorder], tmp_path: Path
) -> None:
    _, recorded = world
    ingest = recorded.pid_of("ingest:binance")
    with DiskFault(lambda: ingest, WRITES, "EIO", tmp_path, when="3..6") as fault:
        fault.wait(4)
    wait_for(lambda: recorded.logged("resumed"))
    with DiskFault(lambda: ingest, f"{WRITES},ftruncate", "ENOSPC", tmp_path, when="2..3") as fault:
        fault.wait(2)
    record_more(recorded)
    assert recorded.pid_of("ingest:binance") == ingest
    assert finish(world) > 0


def test_after_a_failed_fsync_ingest_begins_a_new_journal(world: tuple[Exchange, Recorder], tmp_path: Path) -> None:
    _, recorded = world
    ingest = recorded.pid_of("ingest:binance")
    with DiskFault(lambda: ingest, SYNCS, "EIO", tmp_path) as fault:
        fault.wait()
    wait_for(lambda: recorded.pid_of("ingest:binance") != ingest)
    record_more(recorded)
    assert recorded.logged("fsync_failed")
    finish(world)


@pytest.mark.parametrize("world", [3_600], indirect=True)
def test_a_failed_commit_is_tried_again(world: tuple[Exchange, Recorder], tmp_path: Path) -> None:
    _, recorded = world
    writer = recorded.pid_of("writer")
    opened = open_segment(recorded)
    log = opened.with_name(f"{opened.name}-wal")
    for calls, error in ((WRITES, "EIO"), (WRITES, "ENOSPC"), (SYNCS, "EIO")):
        before = len(recorded.logged("commit_recovered"))
        with DiskFault(lambda: writer, calls, error, tmp_path, aim=lambda: [log]) as fault:
            fault.wait()
        wait_for(lambda: len(recorded.logged("commit_recovered")) > before)  # noqa: B023 -- asked at once
    record_more(recorded)
    assert recorded.pid_of("writer") == writer
    assert finish(world) == 0


def test_a_failed_seal_is_completed_also_by_the_next_writer(world: tuple[Exchange, Recorder], tmp_path: Path) -> None:
    _, recorded = world
    segments = recorded.data_dir / "segments"
    aims: list[tuple[str, str, Callable[[], list[Path]]]] = [
        ("pwrite64", "EIO", lambda: [open_segment(recorded)]),
        (SYNCS, "EIO", lambda: [segments]),
        ("rename", "ENOSPC", lambda: [segments / "positions.json.new", segments]),
    ]
    for calls, error, aim in aims:
        with DiskFault(lambda: recorded.pid_of("writer"), calls, error, tmp_path, aim=aim) as fault:
            fault.wait()
        sealed = len(recorded.logged("segment_sealed"))
        wait_for(lambda: len(recorded.logged("segment_sealed")) > sealed)  # noqa: B023 -- asked at once
    record_more(recorded)
    assert finish(world) == 0


def test_files_and_objects_that_fail_are_written_again(world: tuple[Exchange, Recorder], tmp_path: Path) -> None:
    _, recorded = world
    archiver = recorded.pid_of("archiver")
    for calls, error in (("mkdir", "ENOSPC"), (SYNCS, "EIO"), ("rename", "EIO"), ("pread64", "EIO")):
        before = len(recorded.logged("segment_archived"))
        with DiskFault(lambda: archiver, calls, error, tmp_path) as fault:
            fault.wait()
        wait_for(lambda: len(recorded.logged("segment_archived")) > before)  # noqa: B023 -- asked at once
    assert recorded.pid_of("archiver") == archiver
    assert finish(world) == 0
