"""What the outside sees of a running recorder: numbers that survive its processes, a log that tells no secrets."""

import http.server
import json
import os
import re
import signal
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from collector.monitoring.metrics_table import METRICS
from tests.promtool import promtool
from tests.whole.running import ANSWER_SECS, Exchange, Recorder, wait_for

LIVE = ("--symbols", "BTCUSDT", "--rate", "300", "--seed", "4")
FEED = {"symbols": ["BTCUSDT"], "data_types": ["book_delta", "trade", "book_ticker"]}
PLENTY = {"journal": {"min_free_bytes": "1MiB"}}
TOKEN = "planted-planted-planted"

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def page(recorded: Recorder, path: str, token: str = "") -> bytes:
    """What a GET answers, also when it is no 200."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(f"http://127.0.0.1:{recorded.port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_SECS) as answer:
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        return error.read()


def metrics(recorded: Recorder) -> Samples:
    families = text_string_to_metric_families(page(recorded, "/metrics").decode())
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def total(samples: Samples, name: str) -> float:
    return sum(value for (sample, _), value in samples.items() if sample == name)


def test_counters_survive_kills_and_end_at_the_frames_sent(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange(*LIVE)
    recorded = recorder(source.ws_url, feed=FEED, **PLENTY).start()
    recorded.wait_for_messages(500)
    before: Samples = {}
    for role in ("ingest:binance", "writer", "writer"):
        victim = recorded.pid_of(role)
        os.kill(victim, signal.SIGKILL)
        wanted = recorded.messages() + 500

        while recorded.alive() and recorded.messages() < wanted:
            now = metrics(recorded)
            rising = [key for key in before if re.search(r"_(total|bucket|count|sum)$", key[0])]
            assert [(key, before[key], now[key]) for key in rising if now[key] < before[key]] == []
            before = now
        wait_for(lambda: recorded.pid_of(role) != victim)  # noqa: B023 -- asked at once
    restarts = {dict(labels)["process"]: n for (name, labels), n in metrics(recorded).items() if "restarts" in name}
    assert restarts == {"ingest:binance": 1, "writer": 2, "archiver": 0}

    def once_the_writer_has_caught_up() -> Samples:
        # Beside what a killed process had counted since its last report.
        now = metrics(recorded)
        enough = 0.5 * total(now, "collector_frames_received_total")
        return now if total(now, "collector_messages_stored_total") >= enough else {}

    before = wait_for(once_the_writer_has_caught_up)
    stored = total(before, "collector_messages_stored_total")
    assert total(before, "collector_messages_received_total") >= stored
    # A killed writer takes along what its histograms counted since its last report.
    assert 0 < total(before, "collector_receive_to_durable_seconds_count") <= stored
    text = page(recorded, "/metrics")
    assert set(re.findall(r"^# TYPE (\w+)", text.decode(), flags=re.MULTILINE)) == set(METRICS)
    assert recorded.stop() == 0
    assert promtool("check", "metrics", stdin=text) == (0, "")


def test_the_log_level_can_be_changed_in_all_processes(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange(*LIVE)
    recorded = recorder(source.ws_url, feed=FEED, **PLENTY).start()
    recorded.wait_for_messages(100)
    assert recorded.logged("committed") == []
    recorded.process.send_signal(signal.SIGUSR1)
    wait_for(lambda: recorded.alive() and recorded.logged("committed"))
    recorded.process.send_signal(signal.SIGUSR2)
    wait_for(lambda: len(recorded.logged("log_level_changed")) == 2)
    children = {process["name"] for process in recorded.status()["processes"]} - {"supervisor"}
    for process in children:
        os.kill(recorded.pid_of(process), signal.SIGUSR1)
    recorded.wait_for_messages(recorded.messages() + 1_000)
    settled = len(recorded.logged("committed"))
    recorded.wait_for_messages(recorded.messages() + 1_000)
    assert len(recorded.logged("committed")) == settled
    assert recorded.stop() == 0
    lines = [json.loads(line) for line in recorded.log_path.read_bytes().splitlines()]
    assert {"supervisor", "ingest:binance", "writer", "archiver"} <= {line["process"] for line in lines}
    assert len({line["run_id"] for line in lines}) == 1


class Ear:
    """A service that hears of the recorder's health, and has had enough of it."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        ear = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                ear.paths.append(self.path)
                self.send_error(500, explain="planted")

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@contextmanager
def listening() -> Iterator[Ear]:
    ear = Ear()
    yield ear
    ear.server.shutdown()
    ear.server.server_close()


def test_no_secret_is_ever_shown(exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]) -> None:
    source = exchange(*LIVE)
    with listening() as ear:
        secrets = {
            "COLLECTOR_HTTP__TOKEN": TOKEN,
            "COLLECTOR_HTTP__PING_URL": f"http://127.0.0.1:{ear.server.server_port}/planted?key=planted",
            "AWS_ACCESS_KEY_ID": "planted",
            "AWS_SECRET_ACCESS_KEY": "planted",
            "no_proxy": "*",
        }
        recorded = recorder(
            source.ws_url,
            feed=FEED,
            log={"level": "debug"},
            segment={"interval_secs": 1},
            environment=secrets,
            **PLENTY,
        ).start()
        wait_for(lambda: recorded.alive() and ear.paths)
        wait_for(lambda: recorded.logged("ping_failed"))
    told = b""
    for path in ("/status", "/metrics", "/healthz", "/readyz", "/planted", f"/status?token={TOKEN}"):
        assert b"unauthorized" in page(recorded, path)
        assert b"unauthorized" in page(recorded, path, "planted")
        told += page(recorded, path, TOKEN)
    writer = json.loads((recorded.data_dir / "run/stats/writer.json").read_bytes())
    os.kill(writer["pid"], signal.SIGKILL)
    wait_for(lambda: recorded.logged("process_died"))
    assert b"collector_pings_total" in told
    assert recorded.stop() == 0
    kept = [path for folder in ("run", "segments", "archive") for path in (recorded.data_dir / folder).rglob("*")]
    for content in (told, recorded.log_path.read_bytes(), *(path.read_bytes() for path in kept if path.is_file())):
        assert b"planted" not in content


def hang(port: int, stack: ExitStack, count: int) -> None:
    for number in range(count):
        connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
        with suppress(OSError):
            connection.sendall(b"GET /status HTTP/1.1\r\nX: " if number % 2 else b"")


def pour(port: int, size_bytes: int) -> None:
    """Garbage until the server has had enough, again and again."""
    block, left = os.urandom(1 << 20), size_bytes
    while left > 0:
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection, suppress(OSError):
            while left > 0:
                left -= connection.send(block)
        left -= len(block)


def ask(port: int, times: int) -> None:
    for _ in range(times):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=ANSWER_SECS) as answer:
            assert answer.read()


def test_recording_goes_on_whatever_is_sent_to_the_port(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange(*LIVE)
    recorded = recorder(source.ws_url, feed=FEED, **PLENTY).start()
    recorded.wait_for_messages(100)
    with ExitStack() as stack:
        troubles: list[Callable[[], None]] = [
            lambda: hang(recorded.port, stack, 500),
            lambda: pour(recorded.port, 64 << 20),
            lambda: ask(recorded.port, 200),
        ]
        for trouble in troubles:
            before = int(source.stats()["frames_sent"])
            trouble()
            wait_for(lambda: recorded.alive() and int(source.stats()["frames_sent"]) >= before + 1_000)  # noqa: B023 -- it is asked at once
            recorded.wait_for_messages(before + 900)
    assert source.stats()["send_stalls"]["count"] == 0
    assert recorded.logged("process_died") == recorded.logged("http_request_failed") == []
    assert recorded.stop() == 0
