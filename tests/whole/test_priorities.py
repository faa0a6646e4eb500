"""Where processors are short, what would be lost goes first: receiving, then storing, then what can wait on disk."""

from pathlib import Path

import psutil

from collector.processes.roles import role_of
from tests.whole.running import Exchange, Recorder, wait_for

FIELDS_BEFORE_NICE = 16
"""In /proc/PID/task/TID/stat behind the name; nice is field 19 of proc(5)."""


def nice_of_threads(pid: int) -> set[int]:
    """The nice values of all threads of a process."""
    paths = Path(f"/proc/{pid}/task").glob("*/stat")
    return {int(path.read_text("utf-8").rpartition(")")[2].split()[FIELDS_BEFORE_NICE]) for path in paths}


def test_every_thread_of_a_process_stands_back_as_the_table_of_roles_says(tmp_path: Path) -> None:
    exchange = Exchange(tmp_path, log=False)
    recorder = Recorder(tmp_path, exchange.ws_url, feed={"rest_url": exchange.rest_url, "symbols": ["BTCUSDT"]}).start()
    try:
        recorder.wait_for_messages(1)
        names = ("ingest:binance", "repair", "writer", "archiver")
        pids = {name: recorder.pid_of(name) for name in names}
        own = psutil.Process(recorder.process.pid).nice()
        wait_for(lambda: all(len(nice_of_threads(pid)) == 1 for pid in pids.values()))
        assert nice_of_threads(recorder.process.pid) == {own}, "the supervisor keeps its own"
        expected = {name: {min(19, own + role_of(name).nice)} for name in names}
        assert {name: nice_of_threads(pid) for name, pid in pids.items()} == expected
        assert expected["ingest:binance"] == {own}
    finally:
        recorder.end()
        exchange.stop()
