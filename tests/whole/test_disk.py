"""Disks that get short, full, and have room again: what was accepted is archived once, what was refused is a gap."""

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from collector.storage.journal.files import journal_files
from tests.whole.accounts import frames_sent, gaps_of, missing_frames
from tests.whole.disks import SmallDisk
from tests.whole.running import Exchange, Recorder, wait_for

SYMBOLS = ["BTCUSDT", "ETHUSDT"]
TYPES = ["book_snapshot", "book_delta", "trade", "book_ticker"]
LIVE = ("--symbols", ",".join(SYMBOLS), "--rate", "2000", "--seed", "13")
MIB = 1 << 20
JOURNAL = {"file_bytes": "256KiB", "min_free_bytes": "8MiB", "fsync_interval_secs": 0.2}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str, int], SmallDisk]]:
    """Mount a small disk on a folder of the test's."""
    made: list[SmallDisk] = []

    def mount(name: str, size_bytes: int) -> SmallDisk:
        made.append(SmallDisk(tmp_path / name, size_bytes))
        return made[-1]

    yield mount
    for one in made:
        one.unmount()


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    """What these recorders have in common: the archive stands on another disk."""
    return {
        "feed": {"symbols": SYMBOLS, "data_types": TYPES},
        "archive": {
            "url": (tmp_path / "elsewhere").as_uri(), "keep_raw": True,
            "retry_base_delay_secs": 0.2, "retry_max_delay_secs": 0.5,
        },
        "journal": JOURNAL,
        "segment": {"interval_secs": 2},
        "supervisor": {"hang_timeout_secs": 600},
    }  # fmt: skip


def refused(recorder: Recorder) -> int:
    return int((recorder.status() or {"writer": {"refused": 0}})["writer"]["refused"])


def told_to_be_refused(recorder: Recorder) -> int:
    """How many frames the stretches had that are over."""
    return sum(line["frames"] for line in recorder.logged("resumed"))


def reasons(recorder: Recorder) -> set[str]:
    return {reason["code"] for reason in recorder.status()["reasons"]}


def record_more(recorder: Recorder, count: int = 500) -> None:
    recorder.wait_for_messages(recorder.messages() + count)


def finish(recorder: Recorder, source: Exchange) -> int:
    """Stop both; how many frames are missing, each of which is accounted for."""
    assert recorder.stop() == 0
    source.stop()
    return len(missing_frames(frames_sent(source), recorder.folder / "elsewhere"))


def assert_one_budget_row_a_stretch_and_stream(recorder: Recorder, at_least: int) -> None:
    """A slow machine may fill the disk once more by itself."""
    stretches = len(recorder.logged("resumed"))
    assert stretches >= at_least
    gaps = gaps_of(recorder.folder / "elsewhere")
    rows = Counter((gap["symbol"], gap["stream_type"]) for gap in gaps if gap["kind"] == "budget")
    assert rows == {(symbol, data_type): stretches for symbol in SYMBOLS for data_type in TYPES}
    assert {gap["cause"] for gap in gaps} == {"disk_budget"}
    assert {gap["kind"] for gap in gaps} == {"budget"}


def test_frames_are_refused_only_while_the_disk_is_short(
    disk: Callable[[str, int], SmallDisk],
    settings: dict[str, Any],
    exchange: Callable[..., Exchange],
    recorder: Callable[..., Recorder],
) -> None:
    small = disk("data", 48 * MIB)
    source = exchange(*LIVE)
    recorded = recorder(source.ws_url, **settings).start()
    recorded.wait_for_messages(500)
    for _ in range(2):
        before = refused(recorded)
        small.fill(leave_bytes=7 * MIB)
        wait_for(lambda: recorded.alive() and refused(recorded) > before + 500)  # noqa: B023 -- asked at once
        wait_for(lambda: "journal_over_budget" in reasons(recorded))
        small.clear()
        record_more(recorded)
    wait_for(lambda: refused(recorded) == told_to_be_refused(recorded))
    assert finish(recorded, source) == told_to_be_refused(recorded)
    assert_one_budget_row_a_stretch_and_stream(recorded, at_least=2)


def test_a_full_journal_refuses_until_the_writer_has_read_it(
    settings: dict[str, Any], exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange(*LIVE)
    limits = {"journal": {**JOURNAL, "max_bytes": "1MiB"}, "segment": {"interval_secs": 3_600}}
    recorded = recorder(source.ws_url, **{**settings, **limits}).start()
    writer = recorded.pid_of("writer")
    os.kill(writer, signal.SIGSTOP)
    wait_for(lambda: recorded.alive() and refused(recorded) > 500)
    os.kill(writer, signal.SIGCONT)
    wait_for(lambda: recorded.logged("resumed"))
    record_more(recorded)
    wait_for(lambda: refused(recorded) == told_to_be_refused(recorded))
    assert finish(recorded, source) == told_to_be_refused(recorded)
    assert_one_budget_row_a_stretch_and_stream(recorded, at_least=1)


def test_a_disk_full_of_segments_recovers_with_the_archiver(
    disk: Callable[[str, int], SmallDisk],
    settings: dict[str, Any],
    exchange: Callable[..., Exchange],
    recorder: Callable[..., Recorder],
) -> None:
    small = disk("data", 11 * MIB)
    source = exchange(*LIVE)
    recorded = recorder(source.ws_url, **{**settings, "segment": {"interval_secs": 1}}).start()
    archiver = recorded.pid_of("archiver")
    os.kill(archiver, signal.SIGSTOP)
    wait_for(lambda: recorded.alive() and refused(recorded) > 100)
    wait_for(lambda: recorded.status()["segments"]["sealed"] > 0 and small.free_bytes() < 9 * MIB)
    os.kill(archiver, signal.SIGCONT)
    wait_for(lambda: recorded.logged("resumed"))
    record_more(recorded)
    assert finish(recorded, source) > 0
    assert recorded.logged("segment_quarantined") == []


def test_every_process_recovers_from_a_full_disk(
    disk: Callable[[str, int], SmallDisk],
    settings: dict[str, Any],
    exchange: Callable[..., Exchange],
    recorder: Callable[..., Recorder],
) -> None:
    small, store = disk("data", 48 * MIB), disk("elsewhere", 32 * MIB)
    source = exchange(*LIVE)
    # No mark: everybody writes until nothing is left.
    journal = {**JOURNAL, "min_free_bytes": 0}
    recorded = recorder(source.ws_url, **{**settings, "journal": journal, "segment": {"interval_secs": 1}}).start()
    archiver = recorded.pid_of("archiver")
    os.kill(archiver, signal.SIGSTOP)
    wait_for(lambda: (recorded.status() or {"segments": {"sealed": 0}})["segments"]["sealed"])
    writer = recorded.pid_of("writer")
    os.kill(writer, signal.SIGSTOP)
    # More than fits into the log that the open segment has already: a commit that needs no room does not fail.
    enough = journal_bytes(recorded) + 2 * log_bytes(recorded) + 6 * MIB
    wait_for(lambda: recorded.alive() and journal_bytes(recorded) > enough)
    small.fill()
    store.fill()
    for stopped in (archiver, writer):
        os.kill(stopped, signal.SIGCONT)

    def met_by_all() -> bool:
        small.fill()  # also what somebody has removed meanwhile
        return bool(recorded.logged("refusing") and recorded.logged("commit_failed") and failures(recorded, "staged"))

    wait_for(met_by_all)
    small.clear()
    wait_for(lambda: recorded.logged("resumed") and failures(recorded, "elsewhere: "))
    wait_for(lambda: "store_unreachable" in reasons(recorded))
    store.clear()
    wait_for(lambda: recorded.logged("segment_archived"))
    record_more(recorded)
    assert finish(recorded, source) > 0
    assert_one_budget_row_a_stretch_and_stream(recorded, at_least=1)
    assert recorded.logged("segment_quarantined") == []


def journal_bytes(recorder: Recorder) -> int:
    """What the feed's journals take."""
    return sum(path.stat().st_size for _, path in journal_files(recorder.data_dir / "journal/binance"))


def log_bytes(recorder: Recorder) -> int:
    """What the write-ahead log of the open segment takes."""
    return sum(path.stat().st_size for path in (recorder.data_dir / "segments").glob("*.open.db-wal"))


def failures(recorder: Recorder, word: str) -> list[Any]:
    """What the archiver could not do, as far as it says that word."""
    lines = recorder.logged("archiving_held_up") + recorder.logged("store_away")
    return [line for line in lines if word in line["error"]]
