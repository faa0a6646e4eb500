"""What a person meets at the command line: one clear line, and the exit code that scripts rely on."""

import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from collector.supervision.semaphores import existing
from tests.whole.running import DEADLINE_SECS, ROOT, STOP_SECS, Exchange, Recorder, wait_for


def supervisor(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "supervisor.py"), *arguments]
    variables = {**os.environ, **environment}
    return subprocess.run(
        command, cwd=folder, env=variables, capture_output=True, text=True, timeout=60, check=False, encoding="utf-8"
    )


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"COLLECTOR_FEED": '[{"exchange": "binanse"}]'}, "binanse"),
        ({"COLLECTOR_FEED": '[{"symbols": []}]'}, "symbols"),
        ({"COLLECTOR_WRITER__MAX_BATCH_SIZES": "5"}, "COLLECTOR_WRITER__MAX_BATCH_SIZES"),
        ({"COLLECTOR_ARCHIVE__URL": "ftp://x"}, "archive.url"),
        ({"COLLECTOR_DATA_DIR": "/proc/nowhere"}, "data_dir"),
    ],
)
def test_a_wrong_setting_gets_one_line_and_exit_2(tmp_path: Path, environment: Mapping[str, str], said: str) -> None:
    for arguments in ((), ("--check",)):
        done = supervisor(tmp_path, *arguments, **environment)
        (line,) = done.stderr.splitlines()
        assert line.startswith("error: ")
        assert said in line
        assert (done.returncode, done.stdout) == (2, "")
    assert list(tmp_path.iterdir()) == []


def test_every_wrong_setting_is_named_at_once(tmp_path: Path) -> None:
    feed = '[{"symbols": ["btcusdt"]}]'
    wrong = {"COLLECTOR_WRITER__MAX_BATCH_SIZE": "0", "COLLECTOR_HTTP__PORT": "99999", "COLLECTOR_FEED": feed}
    done = supervisor(tmp_path, **wrong)
    lines = done.stderr.splitlines()
    assert len(lines) == 3
    for key in ("writer.max_batch_size", "http.port", "feed[0].symbols"):
        assert any(key in line for line in lines)
    assert done.returncode == 2


def test_check_says_what_would_run_and_records_nothing(tmp_path: Path) -> None:
    done = supervisor(tmp_path, "--check", COLLECTOR_JOURNAL__MIN_FREE_BYTES="1MiB", COLLECTOR_HTTP__PORT="0")
    assert done.returncode == 0, done.stderr
    assert "1 symbols x 3 data types = 3 streams on 1 connections" in done.stdout
    assert not list(tmp_path.glob("data/segments/*"))


def test_check_names_every_symbol_it_would_record(tmp_path: Path) -> None:
    symbols = [f"A{number}USDT" for number in range(300)]
    feeds = [{"symbols": symbols, "data_types": ["trade"]}, {"exchange": "binance_usdm", "symbols": ["BTCUSDT"]}]
    environment = {"COLLECTOR_FEED": json.dumps(feeds), "COLLECTOR_HTTP__PORT": "0"}
    done = supervisor(tmp_path, "--check", COLLECTOR_JOURNAL__MIN_FREE_BYTES="1MiB", **environment)
    _, of_spot, of_futures = re.split(r"^feed +", done.stdout, flags=re.MULTILINE)
    named = re.findall(r"^ {10}(.*)$", of_spot, re.MULTILINE)
    assert " ".join(named).split() == symbols
    assert re.findall(r"^ {10}(.*)$", of_futures, re.MULTILINE) == ["BTCUSDT"]
    assert max(map(len, named)) <= 90


def test_help_shows_examples(tmp_path: Path) -> None:
    done = supervisor(tmp_path, "--help")
    assert done.returncode == 0
    assert "examples:" in done.stdout


def test_only_one_of_two_instances_records(
    tmp_path: Path, exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange("--symbols", "BTCUSDT", "--rate", "200")
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / "notify"))
    manager.settimeout(DEADLINE_SECS)
    told = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "60000000"}
    both = [recorder(source.ws_url, environment=told) for _ in range(2)]
    both[0].port = both[1].port  # of the configuration that both read
    for one in both:
        one.start()
    wait_for(lambda: [one for one in both if one.process.poll() is not None])
    refused, recorded = sorted(both, key=lambda one: one.process.poll() is None)
    assert refused.process.returncode == 3
    assert "is already recording into" in recorded.log_path.read_text("utf-8")
    recorded.wait_for_messages(10)
    heard = []
    while "READY=1" not in heard:
        heard += manager.recv(4096).decode().split()
    wait_for(lambda: recorded.logged("recording"))
    second = supervisor(recorded.folder, "--config", str(recorded.config_path))
    (line,) = second.stderr.splitlines()
    assert line == f"error: process {recorded.process.pid} is already recording into {recorded.data_dir}"
    assert second.returncode == 3
    recorded.wait_for_messages(recorded.messages() + 50)
    recorded.process.terminate()
    while "STOPPING=1" not in heard:
        heard += manager.recv(4096).decode().split()
    manager.close()
    assert recorded.process.wait(STOP_SECS + 10) == 0
    assert {"READY=1", "WATCHDOG=1", "STOPPING=1"} == set(heard)
    left = json.loads((recorded.data_dir / "run" / "health.json").read_bytes())
    assert (left["healthy"], [reason["code"] for reason in left["reasons"]]) == (False, ["stopped"])


def test_a_recorder_without_its_run_folder_still_refuses_a_second(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange("--symbols", "BTCUSDT", "--rate", "200")
    recorded = recorder(source.ws_url, archive={"keep_raw": True}).start()
    recorded.wait_for_messages(100)
    run, semaphores = recorded.data_dir / "run", existing(recorded.data_dir)
    run.rename(recorded.folder / "removed")  # at once, where removing a file at a time would race with those being made
    second = supervisor(recorded.folder, "--config", str(recorded.config_path))
    assert second.returncode == 3
    assert "is already recording into" in second.stderr
    assert existing(recorded.data_dir) == semaphores != []
    wait_for(lambda: recorded.logged("lock_file_removed"))
    roles = ("supervisor", "ingest:binance", "writer", "archiver")
    wait_for(lambda: all((run / f"{role}.lock").exists() for role in roles) and (run / "health.json").exists())
    recorded.wait_for_messages(recorded.messages() + 200)
    assert recorded.stop() == 0
    source.stop()
    sent = [line["raw"] for line in source.sent() if "event" not in line and "raw" in line]
    kept = [row["raw"] for kind in ("trade", "book_delta", "book_snapshot") for row in recorded.table(kind)]
    assert sorted(kept) == sorted(sent)


def test_a_taken_port_is_a_warning_and_served_once_it_is_free(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange("--symbols", "BTCUSDT", "--rate", "200")
    recorded = recorder(source.ws_url)
    with socket.create_server(("127.0.0.1", recorded.port)):
        recorded.start()
        wait_for(lambda: recorded.alive() and recorded.logged("http_unavailable"))
        wait_for(lambda: recorded.logged("recording"))
    recorded.wait_for_messages(10)
    assert recorded.stop() == 0


def test_data_of_a_newer_version_is_left_alone_with_exit_2(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange("--symbols", "BTCUSDT", "--rate", "200")
    recorded = recorder(source.ws_url).start("--stop-after", "3")
    assert recorded.process.wait(STOP_SECS + 10) == 0
    (opened,) = (recorded.data_dir / "segments").glob("*.open.db")
    db = sqlite3.connect(opened)
    db.execute("PRAGMA user_version=99")
    db.close()
    assert recorded.start().process.wait(60) == 2
    assert re.search(r"version 99", recorded.log_path.read_text("utf-8"))
    assert opened.exists()


def test_several_feeds_record_side_by_side(
    tmp_path: Path, exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange("--symbols", "BTCUSDT,ETHUSDT,SOLUSDT", "--rate", "200")
    recorded = recorder(source.ws_url, feed={"symbols": ["BTCUSDT", "ETHUSDT"], "name": "one"})
    second = f'[[feed]]\nname = "two"\nsymbols = ["SOLUSDT"]\nws_url = "{source.ws_url}"\n'
    recorded.config_path.write_text(recorded.config_path.read_text("utf-8") + second, "utf-8")
    recorded.start()
    wait_for(
        lambda: (
            recorded.alive()
            and (status := recorded.status())
            and sum(stream["messages"] > 10 for stream in status["streams"]) == 9
        )
    )
    names = [process["name"] for process in recorded.status()["processes"]]
    assert names == ["supervisor", "ingest:one", "ingest:two", "writer", "archiver"]
    assert recorded.stop() == 0
    for symbol in ("BTCUSDT", "ETHUSDT", "SOLUSDT"):
        assert recorded.table("trade", symbol)
