"""Processes that hang, vanish or cannot start."""

import os
import signal
import time
from collections.abc import Callable

from collector.supervision.semaphores import existing
from tests.whole.running import Exchange, Recorder, wait_for
from tests.whole.test_stopping import KEEP_RAW, LIVE, archived, data_frames


def test_a_child_that_hangs_is_killed_and_restarted(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange(*LIVE)
    recorded = recorder(source.ws_url, supervisor={"hang_timeout_secs": 20}, **KEEP_RAW).start()
    recorded.wait_for_messages(500)
    writer = recorded.pid_of("writer")
    os.kill(writer, signal.SIGSTOP)
    wait_for(lambda: recorded.alive() and recorded.pid_of("writer") != writer)
    recorded.wait_for_messages(recorded.messages() + 500)
    assert [line["child"] for line in recorded.logged("process_hung")] == ["writer"]
    assert recorded.stop() == 0
    source.stop()
    assert sorted(archived(recorded)) == sorted(data_frames(source))


def launched_oddly() -> None:
    """Between fork and exec: leave what careless launchers leave."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])


def test_an_odd_launcher_or_a_pause_of_all_kills_no_child(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    hang_timeout_secs = 8
    source = exchange("--rate", "200", "--seed", "3")
    recorded = recorder(source.ws_url, supervisor={"hang_timeout_secs": hang_timeout_secs})
    recorded.start(start_new_session=True, preexec_fn=launched_oddly)
    recorded.wait_for_messages(100)

    killed = recorded.pid_of("writer")
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: recorded.alive() and recorded.pid_of("writer") != killed)
    assert [line["exit_code"] for line in recorded.logged("process_died")] == [-signal.SIGKILL]

    roles = ["ingest:binance", "writer", "archiver"]
    pids = [recorded.pid_of(role) for role in roles]
    before = recorded.messages()
    try:
        os.killpg(recorded.process.pid, signal.SIGSTOP)
        paused_at = time.monotonic()
        wait_for(lambda: time.monotonic() - paused_at > hang_timeout_secs + 1)
    finally:
        recorded.process.send_signal(signal.SIGCONT)  # it looks before anybody could report
        os.killpg(recorded.process.pid, signal.SIGCONT)
    recorded.wait_for_messages(before + 400)
    assert recorded.logged("process_hung") == []
    assert [recorded.pid_of(role) for role in roles] == pids
    assert recorded.stop(signal.SIGTERM) == 0


def kill_newest(recorder: Recorder, role: str) -> None:
    """Kill the role's process, however short it has lived, and wait for the next one."""

    def started() -> list[int]:
        return [line["pid"] for line in recorder.logged("process_started") if line["child"] == role]

    before = started()
    os.kill(before[-1], signal.SIGKILL)
    wait_for(lambda: len(started()) > len(before))


def test_a_kill_of_the_whole_group_leaves_nothing_for_long(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange(*LIVE)
    recorded = recorder(source.ws_url, **KEEP_RAW).start(start_new_session=True)
    recorded.wait_for_messages(1_000)
    for role in ("ingest:binance", "writer", "archiver"):
        for _ in range(2):
            kill_newest(recorded, role)
    recorded.wait_for_messages(recorded.messages() + 1_000)
    assert existing(recorded.data_dir)
    os.killpg(recorded.process.pid, signal.SIGKILL)
    recorded.process.wait(60)
    recorded.start(start_new_session=True)
    recorded.wait_for_messages(1_000)
    assert recorded.stop() == 0
    assert existing(recorded.data_dir) == []
    assert [line for line in recorded.log_path.read_bytes().splitlines() if not line.startswith(b"{")] == []
    source.stop()
    kept = archived(recorded)
    assert len(kept) == len(set(kept))
    causes = {(gap["kind"], gap["cause"]) for gap in recorded.losses()}
    assert causes <= {("sequence", "restart"), ("silence", "restart")}
    assert ("silence", "restart") in causes


def test_a_child_that_cannot_start_ends_the_recorder_with_the_reason(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange(*LIVE)
    recorded = recorder(source.ws_url)
    recorded.data_dir.mkdir()
    (recorded.data_dir / "segments").write_text("a file where a folder should be", "utf-8")
    recorded.start()
    assert recorded.process.wait(60) == 4
    assert "writer cannot start" in recorded.log_path.read_text("utf-8")
    assert recorded.logged("process_failed")[0]["process"] == "writer"
