"""The question that an exchange wants to be asked over REST before each connection, over real sockets."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from collector.exchanges.registry import adapter
from collector.exchanges.rest_adapter import Get
from collector.feed import rest as rest_module
from collector.storage.journal.format import RecordKind
from tests.feed.servers import Server, close_frame, wire
from tests.processes.ingest.ingest_harness import Recording, wait_for
from tests.processes.ingest.talking import TalkingAdapter, recording_of, texts

QUESTION = Get("/bullet", 10, "POST", '{"public":true}')
TOKEN = "2neAiuYvAU61ZDXANAGAsiL4"

Start = Callable[..., Recording]


@pytest.fixture
def rest() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def start(tmp_path: Path, rest: Server) -> Iterator[Start]:
    with ExitStack() as stack:

        def start(url: str = "", **options: Any) -> Recording:
            chosen = {"rest_url": f"http://127.0.0.1:{rest.port}"} | options
            asking = TalkingAdapter(question=QUESTION)
            return stack.enter_context(recording_of(tmp_path, url, asking, **chosen))

        yield start


def answer(rest: Server, body: str, status: str = "200 OK", *headers: str) -> tuple[str, str]:
    """Answer the next request; returns its first line and its body."""
    sock, request = rest.accept_silently()
    head, _, received = request.partition("\r\n\r\n")
    size = next(
        (int(line.split(":")[1]) for line in head.lower().split("\r\n") if line.startswith("content-length")), 0
    )
    while len(received) < size:
        received += sock.recv(4096).decode()
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "Connection: close", "", body]
    sock.sendall("\r\n".join(lines).encode())
    return head.partition("\r\n")[0], received


def test_each_connect_follows_a_question_of_its_own(start: Start, server: Server, rest: Server) -> None:
    recording = start()
    for number in range(3):
        assert answer(rest, f"{server.url}?token=secret{number}") == ("POST /bullet HTTP/1.1", QUESTION.body)
        peer = server.accept(wire(f"BTCUSDT {number}".encode()))
        assert peer.request.splitlines()[0] == f"GET /stream?token=secret{number} HTTP/1.1"
        wait_for(lambda: len(recording.frames()) == number + 1)  # noqa: B023 (waited for at once)
        peer.hang_up()


def test_kucoin_is_connected_to_and_pinged_as_its_answer_says(tmp_path: Path, server: Server, rest: Server) -> None:
    servers = [{"endpoint": server.url, "pingInterval": 400, "pingTimeout": 10_000}]
    told = {"code": "200000", "data": {"token": TOKEN, "instanceServers": servers}}
    options = {"symbols": ("BTC-USDT",), "rest_url": f"http://127.0.0.1:{rest.port}"}
    with recording_of(tmp_path, "", adapter("kucoin"), **options) as recording:
        assert answer(rest, json.dumps(told))[0] == "POST /api/v1/bullet-public HTTP/1.1"
        peer = server.accept(wire(b'{"id":"x","type":"welcome"}'))
        subscribed, *pings = texts(peer, 3)

        assert TOKEN in peer.request.splitlines()[0]
        assert json.loads(subscribed)["topic"] == "/market/match:BTC-USDT"
        assert [json.loads(ping)["type"] for ping in pings] == ["ping", "ping"]
        assert TOKEN not in str(recording.logged)


def test_a_server_that_closes_after_the_question_is_asked_again_after_a_delay(start: Start, rest: Server) -> None:
    recording = start()
    for _ in range(3):
        sock, _ = rest.accept_silently()
        sock.close()
    wait_for(lambda: len(recording.events("connect_failed")) >= 3)

    assert all(entry["error"].startswith("no answer to /bullet") for entry in recording.events("connect_failed"))
    assert all(entry["retry_secs"] >= 0 for entry in recording.events("connect_failed"))


def test_a_server_that_never_answers_the_question_costs_one_attempt(
    start: Start, server: Server, rest: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rest_module, "READ_TIMEOUT_SECS", 0.2)
    recording = start()
    rest.accept_silently()
    wait_for(lambda: recording.events("connect_failed"))
    answer(rest, server.url)
    server.accept(wire(b"BTCUSDT 1"))

    wait_for(lambda: recording.frames() == [b"BTCUSDT 1"])


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("not a url", "the answer to /bullet cannot be read"),
        ("https://example.org", "the answer to /bullet names no WebSocket server"),
        ("ws://[", "the answer to /bullet names no WebSocket server"),
        ("no such key", "/bullet was refused: such key"),
    ],
)
def test_an_answer_that_is_of_no_use_is_a_failed_attempt(start: Start, rest: Server, body: str, told: str) -> None:
    recording = start()
    answer(rest, body)
    wait_for(lambda: recording.events("connect_failed"))

    assert recording.events("connect_failed")[0]["error"] == told


@pytest.mark.parametrize(("status", "body"), [("429 Too Many Requests", ""), ("200 OK", "limit reached")])
def test_too_many_questions_ban_all_connections_of_the_exchange(
    start: Start, rest: Server, tmp_path: Path, status: str, body: str
) -> None:
    recording = start()
    answer(rest, body, status, "Retry-After: 77")
    wait_for(lambda: recording.events("connect_failed"))

    wait_for(lambda: json.loads((tmp_path / "run/connections-talking.json").read_bytes()).get("banned_secs", 0) >= 77)


def test_a_question_counts_against_the_weight_that_repair_shares(
    start: Start, server: Server, rest: Server, tmp_path: Path
) -> None:
    start()
    answer(rest, server.url)
    server.accept()

    assert [weight for _, weight in json.loads((tmp_path / "run/weight-talking.json").read_bytes())["spent"]] == [10]


def test_a_feed_with_its_own_server_and_no_rest_asks_nothing(start: Start, server: Server, rest: Server) -> None:
    recording = start(server.url, rest_url="")
    server.accept(wire(b"BTCUSDT 1"))

    wait_for(lambda: recording.frames() == [b"BTCUSDT 1"])


def test_no_token_gets_into_a_log_the_status_or_the_journal(
    start: Start, server: Server, rest: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.processes.ingest.process.REPORT_SECS", 0.05)
    recording = start()
    answer(rest, f"{server.url}?token={TOKEN}")
    server.refuse("400 Bad Request", body=f"GET /stream?token={TOKEN} is not allowed, {TOKEN}".encode())
    wait_for(lambda: recording.events("connect_failed"))
    answer(rest, f"{server.url}?token={TOKEN}")
    server.accept(wire(b"BTCUSDT 1"), close_frame(reason=f"token {TOKEN} has expired"))
    wait_for(lambda: recording.records(RecordKind.DISCONNECT))
    wait_for(lambda: recording.reports and recording.reports[-1].lines[0].last_error)

    kept = [recording.logged, recording.reports, [record.info for record in recording.records()]]
    assert TOKEN not in str(kept)
    assert "has expired" in str(kept)
    assert "?token=***" in str(recording.records(RecordKind.CONNECT)[0].info["url"])
