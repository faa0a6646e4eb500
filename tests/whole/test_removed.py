"""Somebody removes files under the running recorder: it notices, says so, and stores nothing twice."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from collector.processes.stats_place import BESIDE
from tests.whole.handing import Handed, ended, handed
from tests.whole.running import PATIENT, ROOT, Exchange, Recorder, wait_for
from tests.whole.test_stopping import KEEP_RAW, LIVE, archived, data_frames

__all__ = ["handed"]


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


@pytest.mark.timeout(300)
def test_whoever_asked_is_told_at_once_that_run_was_removed_and_the_handover_goes_on(
    exchange: Callable[..., Exchange], handed: Callable[..., Handed]
) -> None:
    source = exchange(*LIVE)
    recorded = handed(source, **KEEP_RAW, **PATIENT, supervisor={"handover_min_secs": 10})
    asking = recorded.asking(ROOT, "--data-dir", str(recorded.recorded.data_dir))
    later = recorded.later_pid()
    data_dir = recorded.recorded.data_dir
    wait_for(lambda: list((data_dir / BESIDE).glob("writer*")))
    remove_folder(data_dir / "run")
    code, lines = ended(asking)
    assert code == 1
    assert lines[-1] == (
        "error: somebody removed run/ of the data folder, and the request with it: `collector status` and the recorder's "
        "log say what became of it"
    )
    wait_for(lambda: recorded.recorded.logged("taken_over"))
    wait_for(lambda: recorded.pid == later)
    recorded.goes_on()
    recorded.assert_whole(source)


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
