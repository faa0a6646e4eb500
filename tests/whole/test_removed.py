"""Somebody removes files under the running recorder: it notices, says so, and stores nothing twice."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.whole.running import Exchange, Recorder, wait_for
from tests.whole.test_stopping import KEEP_RAW, LIVE, archived, data_frames


def remove_folder(folder: Path) -> None:
    """Remove it at one blow: what its processes write there meanwhile is written to a new one, or not at all."""
    shutil.rmtree(folder.rename(folder.with_name(f"{folder.name}.gone")))


def the_folder(data_dir: Path) -> None:
    remove_folder(data_dir / "segments")


def the_open_segment(data_dir: Path) -> None:
    for path in (data_dir / "segments").glob("*.open.db*"):
        path.unlink()


def the_segment_s_log(data_dir: Path) -> None:
    next((data_dir / "segments").glob("*.open.db-wal")).unlink()


def the_positions(data_dir: Path) -> None:
    (data_dir / "segments" / "positions.json").unlink()


def the_journals(data_dir: Path) -> None:
    remove_folder(data_dir / "journal")


def the_journals_and_the_locks(data_dir: Path) -> None:
    remove_folder(data_dir / "run")
    the_journals(data_dir)


OF_SEGMENTS = [the_folder, the_open_segment, the_segment_s_log, the_positions]
OF_JOURNALS = [the_journals, the_journals_and_the_locks]


@pytest.mark.parametrize("remove", [*OF_SEGMENTS, *OF_JOURNALS])
def test_removed_files_are_reported_and_open_ones_lose_nothing(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder], remove: Callable[[Path], None]
) -> None:
    source = exchange(*LIVE)
    recorded = recorder(source.ws_url, **KEEP_RAW).start()
    recorded.wait_for_messages(500)
    pids = [recorded.pid_of(role) for role in ("ingest:binance", "writer")]
    remove(recorded.data_dir)
    told = "journal_removed" if remove in OF_JOURNALS else "segments_put_back"
    wait_for(lambda: recorded.logged(told))
    wait_for(lambda: recorded.alive() and "data_removed" in json.dumps(recorded.status()))
    recorded.wait_for_messages(recorded.messages() + 500)
    assert [recorded.pid_of(role) for role in ("ingest:binance", "writer")] == pids
    assert recorded.stop() == 0
    source.stop()
    assert sorted(archived(recorded)) == sorted(data_frames(source))
    assert recorded.logged("process_died") == []
    assert len(recorded.logged(told)) == 1


def test_no_process_dies_when_the_whole_data_directory_is_moved_away(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    recorded = recorder(exchange(*LIVE).ws_url, **KEEP_RAW).start()
    recorded.wait_for_messages(500)
    recorded.data_dir.rename(recorded.data_dir.with_name("away"))
    wait_for(lambda: recorded.logged("segments_put_back") and recorded.logged("journal_removed"))
    recorded.wait_for_messages(recorded.messages() + 500)
    assert recorded.stop() == 0
    assert recorded.logged("process_failed") == []
