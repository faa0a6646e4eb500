"""A later program takes over from a recorder under load: nothing is missing, nothing is there twice, no gap row says so."""

import fcntl
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import termios
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from collector.storage.locks import supervisor_lock
from tests.whole.accounts import frames_sent, missing_frames
from tests.whole.handing import Handed, ended, handed, later_program
from tests.whole.running import DEADLINE_SECS, PATIENT, ROOT, Exchange, Recorder, fetch, wait_for

__all__ = ["handed"]

TYPES = ["book_delta", "trade", "agg_trade", "book_ticker"]
SPOT = {"name": "spot", "symbols": ["BTCUSDT", "ETHUSDT"], "data_types": TYPES}
MORE = {"name": "more", "symbols": ["SOLUSDT"], "data_types": ["trade", "book_snapshot"], "lines": 2}
LIVE = ("--rate", "200", "--symbols", "BTCUSDT,ETHUSDT,SOLUSDT")

Start = Callable[..., Handed]
INGEST = "collector/processes/ingest/process.py"
WRITER = "collector/processes/writer/process.py"
STATE = "collector/storage/segment/file_format.py"
UPGRADE = "collector/processes/writer/state_upgrade.py"


def settings(min_secs: float = 2, **changes: Any) -> dict[str, Any]:
    """Frames are archived with their text; the exchange is asked nothing over REST."""
    lone = {**PATIENT, "repair": {"enabled": False}, "feed": [SPOT], "archive": {"keep_raw": True}}
    return {**lone, **changes, "supervisor": {"handover_min_secs": min_secs, **changes.get("supervisor", {})}}


@pytest.fixture
def source(exchange: Callable[..., Exchange]) -> Exchange:
    return exchange(*LIVE)


@pytest.mark.timeout(300)
def test_later_programs_take_over_one_after_the_other_and_all_counts_go_on(source: Exchange, handed: Start) -> None:
    of_spot = {"rest_url": source.rest_url, **SPOT}
    recorded = handed(source, **settings(feed=[of_spot, MORE], repair={"enabled": True}))
    run_id = wait_for(recorded.recorded.status)["run_id"]
    for _ in range(2):
        before, earlier, counted = recorded.pids(), recorded.pid, recorded.messages()
        code, lines = recorded.hand_over()
        assert code == 0, lines
        assert lines[-1] == f"version 0.1.0 records now, as process {recorded.pid}"
        assert recorded.pid != earlier
        after = recorded.pids()
        assert after.keys() == before.keys()
        assert not set(after.values()) & set(before.values()), "every process is another one"
        recorded.goes_on()
        status = wait_for(recorded.recorded.status)
        assert status["run_id"] == run_id
        assert status["writer"]["messages"] > counted
        assert {process["restarts"] for process in status["processes"]} == {0}
        wait_for(lambda: (wait_for(recorded.recorded.status))["healthy"])
    assert recorded.recorded.process.wait(DEADLINE_SECS) == 0
    assert len(list((recorded.recorded.data_dir / "journal" / "spot").glob("*.lock"))) == 1
    recorded.assert_whole(source)
    assert recorded.recorded.logged("process_died") == []


def test_it_is_healthy_all_the_time_and_out_of_reach_for_seconds_at_most(source: Exchange, handed: Start) -> None:
    recorded = handed(source, **settings())
    url = f"http://127.0.0.1:{recorded.recorded.port}/healthz"
    wait_for(lambda: fetch(url)[0] == 200)
    found: list[int] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.2):
            try:
                found.append(fetch(url)[0])
            except OSError:
                found.append(0)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        for _ in range(2):
            assert recorded.hand_over()[0] == 0
            recorded.goes_on()
    finally:
        over.set()
        looking.join()
    assert set(found) <= {200, 0}, "it never said that anything is wrong"
    assert found.count(200) > found.count(0)
    recorded.assert_whole(source)


CRASHES = {
    "as it starts": {"collector/supervision/later_program.py": ("import select\n", "import nothing_of_that_name\n")},
    "in an ingest": {INGEST: ("        self._first_data = FirstDataWatch(", "        raise ValueError\n        (")},
    "in its writer": {WRITER: ("        self._batch_since = None\n        self._processor.begin", "        raise ValueError\n        (")},
    "in its supervisor": {
        "collector/supervision/succession.py": ("self._say(Stored())", "raise SystemExit(9)"),
    },
}  # fmt: skip


@pytest.mark.parametrize("crash", CRASHES)
def test_a_later_program_that_crashes_leaves_the_earlier_one_recording(
    tmp_path: Path, source: Exchange, handed: Start, crash: str
) -> None:
    recorded = handed(source, **settings())
    before = recorded.pids()
    code, lines = recorded.hand_over(later_program(tmp_path / "later", CRASHES[crash]))
    assert code == 1
    assert lines[-1].startswith("error: the new version failed: ")
    assert lines[-1].endswith("; version 0.1.0 records on")
    wait_for(lambda: recorded.pids().keys() == before.keys())
    assert recorded.pids()["ingest:spot"] == before["ingest:spot"]
    recorded.goes_on()
    assert recorded.pid == recorded.recorded.process.pid
    if crash == "in its writer":
        code, lines = recorded.hand_over()
        assert code == 0, lines
        recorded.goes_on()
    recorded.assert_whole(source)


PHASES = ("starting", "trying", "leaving")


def reached(recorded: Handed, phase: str) -> None:
    """Wait until the handover is in that phase."""
    if phase == "starting":
        wait_for(lambda: recorded.recorded.logged("handover_begun"))
    else:
        word = {"trying": "committed", "leaving": "brings every stream"}[phase]
        wait_for(lambda: any(word in line["text"] for line in recorded.recorded.logged("handover")))


@pytest.mark.parametrize("phase", PHASES)
def test_a_later_program_that_is_killed_leaves_the_earlier_one_recording(
    source: Exchange, handed: Start, phase: str
) -> None:
    recorded = handed(source, **settings(15))
    asking = recorded.asking()
    reached(recorded, phase)
    os.kill(recorded.later_pid(), signal.SIGKILL)
    code, lines = ended(asking)
    if phase != "leaving":  # else it may have been over before the kill
        assert code == 1, lines
    wait_for(lambda: recorded.recorded.status() and "writer" in recorded.pids())
    if code == 1:
        recorded.goes_on()
        assert recorded.pid == recorded.recorded.process.pid
        if phase != "leaving":
            recorded.assert_whole(source)


@pytest.mark.parametrize("phase", PHASES)
def test_if_the_earlier_program_is_killed_meanwhile_the_later_one_records_on(
    source: Exchange, handed: Start, phase: str
) -> None:
    recorded = handed(source, **settings(5))
    asking = recorded.asking()
    reached(recorded, phase)
    later = recorded.later_pid()
    wait_for(lambda: any("answers" in line["text"] for line in recorded.recorded.logged("handover")))
    recorded.recorded.process.kill()
    code, lines = ended(asking)
    assert code == 0, lines
    recorded.goes_on()
    assert recorded.pid == later
    recorded.goes_on()
    if phase == "starting":  # its connections may not have stood yet
        assert recorded.stop() == 0
    else:
        recorded.assert_whole(source)


@pytest.mark.parametrize("phase", PHASES)
def test_a_stop_in_the_middle_ends_both_in_order(source: Exchange, handed: Start, phase: str) -> None:
    recorded = handed(source, **settings(5))
    asking = recorded.asking()
    reached(recorded, phase)
    earlier = recorded.recorded.process
    earlier.terminate()
    if phase != "leaving":
        assert earlier.wait(DEADLINE_SECS) == 0
    wait_for(supervisor_lock(recorded.recorded.data_dir).is_free) if phase != "leaving" else recorded.stop()
    ended(asking)
    source.stop()
    archive = recorded.recorded.data_dir
    assert list((archive / "journal" / "spot").iterdir()) == [], "all was read"


def test_a_later_program_that_is_frozen_is_ended_with_its_processes(source: Exchange, handed: Start) -> None:
    recorded = handed(source, **settings(60, supervisor={"hang_timeout_secs": 15}))
    before = recorded.pids()
    asking = recorded.asking()
    reached(recorded, "trying")
    later = psutil.Process(recorded.later_pid())
    for process in (later, *later.children()):
        process.send_signal(signal.SIGSTOP)
    code, lines = ended(asking)
    assert code == 1
    assert "it has said nothing for " in lines[-1]
    wait_for(lambda: recorded.pids().keys() == before.keys())
    recorded.goes_on()
    recorded.assert_whole(source)


def test_a_recorder_that_leads_the_session_of_its_terminal_goes_on_without_it(
    source: Exchange, recorder: Callable[..., Recorder]
) -> None:
    ours, theirs = pty.openpty()

    def lead() -> None:
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    options = settings()
    recorded = Handed(recorder(source.ws_url, **options).start(preexec_fn=lead, pass_fds=(theirs,)))
    try:
        recorded.recorded.wait_for_messages(50)
        assert recorded.hand_over()[0] == 0
        assert recorded.recorded.process.wait(DEADLINE_SECS) == 0
        os.close(theirs)
        os.close(ours)
        recorded.goes_on()
        assert recorded.recorded.logged("stopping") == []
        recorded.assert_whole(source)
    finally:
        recorded.end()


def test_a_signal_to_every_process_of_both_ends_them_in_order(source: Exchange, handed: Start) -> None:
    recorded = handed(source, **settings(60))
    asking = recorded.asking()
    reached(recorded, "trying")
    earlier = psutil.Process(recorded.recorded.process.pid)
    everybody = [earlier, *earlier.children(recursive=True)]
    assert recorded.later_pid() in {process.pid for process in everybody}
    for process in everybody:
        process.terminate()
    assert recorded.recorded.process.wait(DEADLINE_SECS) == 0
    ended(asking)
    source.stop()
    assert list((recorded.recorded.data_dir / "journal" / "spot").iterdir()) == [], "all was read"
    assert missing_frames(frames_sent(source), recorded.recorded.data_dir / "archive") == []


def test_a_version_that_raises_a_stored_format_says_that_there_is_no_way_back(
    tmp_path: Path, source: Exchange, handed: Start
) -> None:
    raised = {
        STATE: ("STATE_VERSION: Final = 3", "STATE_VERSION: Final = 4"),
        UPGRADE: ("2: _as_it_is}", "2: _as_it_is, 3: _as_it_is}"),
    }
    recorded = handed(source, **settings())
    code, lines = recorded.hand_over(later_program(tmp_path / "later", raised))
    assert code == 0, lines
    said = [line for line in lines if "no way back" in line]
    assert said == [
        "it raises stored formats (state 3 -> 4): from its first commit on there is no way back", "there is no way back now",
    ]  # fmt: skip
    assert recorded.recorded.logged("state_tried_on_a_copy")
    assert recorded.recorded.logged("state_upgraded")
    recorded.goes_on()
    code, lines = recorded.hand_over(ROOT)
    assert code == 1
    assert "newer" in lines[-1]
    recorded.goes_on()
    recorded.assert_whole(source)


def test_a_raised_format_that_fails_on_the_copy_touches_nothing(
    tmp_path: Path, source: Exchange, handed: Start
) -> None:
    raised = {
        STATE: ("STATE_VERSION: Final = 3", "STATE_VERSION: Final = 4"),
        UPGRADE: ("2: _as_it_is}", "2: _as_it_is, 3: lambda state: state.nothing_of_that_name}"),
    }
    recorded = handed(source, **settings())
    code, lines = recorded.hand_over(later_program(tmp_path / "later", raised))
    assert code == 1
    assert "its writer ended" in lines[-1]
    assert recorded.recorded.logged("state_upgraded") == []
    recorded.goes_on()
    recorded.assert_whole(source)


def test_the_service_manager_is_told_which_process_the_recorder_is(
    tmp_path: Path, source: Exchange, handed: Start
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(DEADLINE_SECS)
        recorded = handed(source, **settings(), environment={"NOTIFY_SOCKET": str(tmp_path / "notify")})
        assert recorded.hand_over()[0] == 0
        told = [manager.recv(4096).decode() for _ in range(3)]
        assert told == ["READY=1", f"MAINPID={recorded.pid}", "READY=1"]
        recorded.assert_whole(source)


def test_what_cannot_be_handed_over_is_said_in_one_line(tmp_path: Path, source: Exchange, handed: Start) -> None:
    recorded = handed(source, **settings())
    code, lines = recorded.hand_over(ROOT, "--data-dir", str(tmp_path / "nowhere"))
    assert (code, lines) == (1, [f"error: no recorder runs on {tmp_path / 'nowhere'}"])
    code, lines = recorded.hand_over(ROOT, "--json", "--data-dir", str(recorded.recorded.data_dir))
    assert code == 0
    answer = json.loads("\n".join(lines))
    assert (answer["state"], answer["pid"], answer["problems"]) == ("done", recorded.pid, [])
    recorded.assert_whole(source)


@pytest.mark.parametrize(
    ("text", "problem"),
    [("data_dir = [", "is not valid TOML"), ('[writer]\nmax_batch_size = "many"\n', "writer.max_batch_size")],
)
def test_a_file_with_an_error_ends_a_handover_as_a_recorder_that_is_not_found(
    tmp_path: Path, text: str, problem: str
) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text, "utf-8")
    command = [sys.executable, "-m", "collector", "handover", "--config", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=DEADLINE_SECS, check=False, encoding="utf-8")
    said, hint = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (1, "")
    assert said.startswith("error: ")
    assert problem in said
    assert hint == "error: a handover needs only the recorder's data folder, which --data-dir DIR names by itself"
