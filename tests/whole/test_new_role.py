"""A new process is a module and one row of the table of roles: nothing else has to learn of it."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from collector.storage.locks import RoleLock
from tests.whole.running import Exchange, Recorder, fetch, wait_for

PROGRAM = Path(__file__).with_name("toy_recorder.py")


def logged(recorder: Recorder, event: str) -> list[dict[str, Any]]:
    lines = map(json.loads, recorder.log_path.read_text("utf-8").splitlines())
    return [line for line in lines if line["process"] == "toy" and line["event"] == event]


def test_a_new_row_of_roles_is_started_watched_and_stopped(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange("--symbols", "BTCUSDT", "--rate", "50")
    recorded = recorder(source.ws_url, segment={"interval_secs": 2})
    recorded.program[1] = str(PROGRAM)
    recorded.start()

    pid = recorded.pid_of("toy")
    assert not RoleLock(recorded.data_dir, "toy", recorded.data_dir / "toy").is_free()
    assert (recorded.data_dir / "run/toy.lock").read_text("utf-8") == f"{pid}\n"
    hops = [(hop["from"], hop["to"]) for hop in recorded.status()["channels"]]
    assert ("writer", "toy") in hops
    assert b'collector_process_up{process="toy"} 1.0' in fetch(f"http://127.0.0.1:{recorded.port}/metrics")[1]
    wait_for(
        lambda: [(line["sender"], line["kind"]) for line in logged(recorded, "toy_heard")][:1] == [("writer", "sealed")]
    )

    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: recorded.alive() and recorded.pid_of("toy") != pid)
    assert recorded.stop() == 0
    assert [line["archiver_is_gone"] for line in logged(recorded, "toy_stops")] == [True]
