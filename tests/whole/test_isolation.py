"""The reader of the socket waits for nobody: the exchange, which would notice, never has to wait for it."""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

from tests.whole.running import ROOT, Exchange, Recorder, fetch, wait_for

LIVE = ("--symbols", "BTCUSDT,ETHUSDT", "--rate", "3000", "--seed", "5")
FEED = {"symbols": ["BTCUSDT", "ETHUSDT"], "data_types": ["book_delta", "trade", "book_ticker"]}
MUCH = 40_000


def sent(exchange: Exchange) -> int:
    return int(exchange.stats()["frames_sent"])


def assert_never_stalled(exchange: Exchange) -> None:
    stalls: Any = exchange.stats()["send_stalls"]
    assert stalls["count"] == 0, stalls


def test_a_stopped_writer_does_not_delay_ingest(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange(*LIVE)
    recorded = recorder(source.ws_url, feed=FEED, supervisor={"hang_timeout_secs": 600}).start()
    writer = recorded.pid_of("writer")
    os.kill(writer, signal.SIGSTOP)
    until = sent(source) + MUCH
    wait_for(lambda: recorded.alive() and sent(source) >= until)
    assert_never_stalled(source)
    os.kill(writer, signal.SIGCONT)
    recorded.wait_for_messages(until)
    assert recorded.stop() == 0


def test_a_log_nobody_reads_delays_nothing(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange(*LIVE)
    reader, writer = os.pipe()
    # Filled to the brim before anybody logs.
    os.set_blocking(writer, False)
    while True:
        try:
            os.write(writer, b"." * 4_096)
        except BlockingIOError:
            break
    os.set_blocking(writer, True)
    recorded = recorder(source.ws_url, feed=FEED, segment={"interval_secs": 1}, log={"level": "debug"})
    recorded.start(stdout=writer, stderr=writer)
    until = sent(source) + MUCH
    wait_for(lambda: recorded.alive() and sent(source) >= until)
    recorded.wait_for_messages(until)
    assert_never_stalled(source)
    assert recorded.stop() == 0
    os.close(reader)
    os.close(writer)


def test_a_stopped_supervisor_and_archiver_delay_no_recording(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange(*LIVE)
    recorded = recorder(source.ws_url, feed=FEED, segment={"interval_secs": 1}).start()
    recorded.wait_for_messages(1_000)
    archiver = recorded.pid_of("archiver")
    for pid in (archiver, recorded.process.pid):
        os.kill(pid, signal.SIGSTOP)
    until = sent(source) + MUCH
    wait_for(lambda: recorded.alive() and sent(source) >= until)
    assert_never_stalled(source)
    for pid in (archiver, recorded.process.pid):
        os.kill(pid, signal.SIGCONT)
    recorded.wait_for_messages(until)
    assert recorded.stop() == 0


def test_a_page_that_cannot_be_made_stops_no_recording(
    tmp_path: Path, exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    program = tmp_path / "program"
    shutil.copytree(ROOT / "collector", program / "collector", ignore=shutil.ignore_patterns("__pycache__", "*.css"))
    shutil.copy(ROOT / "supervisor.py", program)
    source = exchange("--symbols", "BTCUSDT", "--rate", "100")
    recorded = recorder(source.ws_url, feed=FEED)
    recorded.program = [sys.executable, str(program / "supervisor.py")]
    recorded.start()
    recorded.wait_for_messages(20)
    code, said = fetch(f"http://127.0.0.1:{recorded.port}/")
    assert (code, b"the log says why" in said) == (HTTPStatus.INTERNAL_SERVER_ERROR, True)
    assert wait_for(lambda: recorded.logged("http_page_failed"))
    recorded.wait_for_messages(recorded.messages() + 20)
    assert recorded.stop() == 0
