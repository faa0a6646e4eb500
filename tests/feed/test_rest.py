"""The REST client against servers that answer byte for byte what a test says, over real sockets."""

import contextlib
import gzip
import itertools
import socket
import threading
import time
from base64 import b64encode
from collections.abc import Iterator

import pytest

from collector.domain.errors import RetryError
from collector.feed import limited_answers, rest
from collector.feed.rest import RestClient, RestError, RestResponse
from tests.feed.servers import TIMEOUT_SECS, Server, meanwhile


class Clock:
    """Counts up at every look."""

    def __init__(self, step_secs: float = 0.0) -> None:
        self._ns = itertools.count(1)
        self._secs = 0.0
        self._step_secs = step_secs

    def now_ns(self) -> int:
        return next(self._ns)

    def now_us(self) -> int:
        raise AssertionError

    def monotonic(self) -> float:
        self._secs += self._step_secs
        return self._secs

    def sleep(self, secs: float) -> None:
        raise AssertionError


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def client(server: Server, prefix: str = "", step_secs: float = 0.0) -> RestClient:
    return RestClient(f"http://127.0.0.1:{server.port}{prefix}", Clock(step_secs))


def head(status: str, size: int, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, f"Content-Length: {size}", "", ""]).encode()


def drip_until_hung_up(sock: socket.socket) -> None:
    deadline = time.monotonic() + TIMEOUT_SECS
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        while not threading.Event().wait(0.01):
            assert time.monotonic() < deadline
            sock.sendall(b"x")


def answer(server: Server, asker: RestClient, *pieces: bytes, target: str = "/x") -> tuple[RestResponse, str]:
    asked = meanwhile(lambda: asker.get(target))
    sock, request = server.accept_silently()
    sock.sendall(b"".join(pieces))
    return asked.result(TIMEOUT_SECS), request


def test_an_answer_comes_with_its_status_headers_body_and_times(server: Server) -> None:
    got, request = answer(
        server, client(server, "/eu"), head("200 OK", 2, "X-MBX-USED-WEIGHT-1M: 27"), b"[]", target="/api/v3/depth?a=b"
    )
    assert request.startswith("GET /eu/api/v3/depth?a=b HTTP/1.1\r\n")
    assert (got.status, got.body, got.headers["x-mbx-used-weight-1m"]) == (200, b"[]", "27")
    assert got.asked_ns < got.received_ns


def test_a_refusal_is_an_answer_and_a_redirect_is_not_followed(server: Server) -> None:
    got, _ = answer(server, client(server), head("429 Too Many Requests", 4, "Retry-After: 7"), b"slow")
    assert (got.status, got.headers["Retry-After"], got.body) == (429, "7", b"slow")
    got, _ = answer(server, client(server), head("302 Found", 0, f"Location: http://127.0.0.1:{server.port}/other"))
    assert got.status == 302


def test_a_compressed_body_is_read(server: Server) -> None:
    packed = gzip.compress(b'{"lastUpdateId":1}')
    got, request = answer(server, client(server), head("200 OK", len(packed), "Content-Encoding: gzip"), packed)
    assert "Accept-Encoding: gzip" in request
    assert got.body == b'{"lastUpdateId":1}'


def test_a_connection_is_kept_until_it_is_renewed(server: Server) -> None:
    asker = client(server)
    asked = meanwhile(lambda: asker.get("/1"))
    first, _ = server.accept_silently()
    first.sendall(head("200 OK", 1) + b"1")
    assert asked.result(TIMEOUT_SECS).body == b"1"

    asked = meanwhile(lambda: asker.get("/2"))
    assert first.recv(4096).startswith(b"GET /2 ")
    first.sendall(head("200 OK", 1) + b"2")
    assert asked.result(TIMEOUT_SECS).body == b"2"

    asker.renew(None)
    assert answer(server, asker, head("200 OK", 1), b"3", target="/3")[1].startswith("GET /3 ")


def test_requests_at_once_each_have_a_connection_which_are_kept(server: Server) -> None:
    asker = RestClient(f"http://127.0.0.1:{server.port}", Clock(0.0), connections=2)
    first = [meanwhile(lambda: asker.get("/1")) for _ in range(2)]
    sockets = [server.accept_silently()[0] for _ in first]
    for sock in sockets:
        sock.sendall(head("200 OK", 1) + b"1")
    assert [asked.result(TIMEOUT_SECS).body for asked in first] == [b"1", b"1"]

    second = [meanwhile(lambda: asker.get("/2")) for _ in range(2)]
    for sock in sockets:
        assert sock.recv(4096).startswith(b"GET /2 ")
        sock.sendall(head("200 OK", 1) + b"2")
    assert [asked.result(TIMEOUT_SECS).body for asked in second] == [b"2", b"2"]


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"nonsense\r\n\r\n",
        head("200 OK", 10) + b"half",
        head("200 OK", 4, "Content-Encoding: gzip") + b"none",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhi\r\n0\r\n\r\n",
    ],
)
def test_an_incomplete_answer_is_a_temporary_error(server: Server, sent: bytes) -> None:
    asked = meanwhile(lambda: client(server).get("/x"))
    sock, _ = server.accept_silently()
    sock.sendall(sent)
    sock.close()
    with pytest.raises(RestError) as caught:
        asked.result(TIMEOUT_SECS)
    assert caught.value.reason == "unreachable"
    assert isinstance(caught.value, RetryError)


def test_a_refused_connection_is_a_temporary_error(server: Server) -> None:
    server.close()
    with pytest.raises(RestError, match="refused"):
        client(server).get("/x")


def test_a_body_above_the_limit_is_refused(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "MAX_BODY_BYTES", 100)
    packed = gzip.compress(bytes(1_000))
    with pytest.raises(RestError) as caught:
        answer(server, client(server), head("200 OK", len(packed), "Content-Encoding: gzip"), packed)
    assert caught.value.reason == "too_large"


@pytest.mark.parametrize(("begun", "reason"), [(b"", "unreachable"), (head("200 OK", 1_000_000), "slow")])
def test_an_answer_that_drips_takes_no_longer_than_its_limit(
    server: Server, monkeypatch: pytest.MonkeyPatch, begun: bytes, reason: str
) -> None:
    monkeypatch.setattr(limited_answers, "ANSWER_SECS", 0.5)
    asked = meanwhile(lambda: client(server).get("/x"))
    sock, _ = server.accept_silently()
    sock.sendall(begun)
    drip_until_hung_up(sock)
    with pytest.raises(RestError) as caught:
        asked.result(TIMEOUT_SECS)
    assert caught.value.reason == reason


def test_an_answer_in_time_ends_its_limit(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limited_answers, "ANSWER_SECS", 0.5)
    begun = threading.active_count()
    found, _ = answer(server, client(server), head("200 OK", 2), b"[]")
    assert found.body == b"[]"
    deadline = time.monotonic() + TIMEOUT_SECS
    while threading.active_count() > begun:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("form", ["http://me:p%40ss@127.0.0.1:{}", "me:p%40ss@127.0.0.1:{}"])
def test_the_proxys_user_and_password_are_sent(server: Server, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", form.format(server.port))
    monkeypatch.setenv("no_proxy", "")
    _, asked = answer(server, RestClient("http://api.example", Clock()), head("200 OK", 0))

    assert asked.startswith("GET http://api.example/x ")
    assert f"Basic {b64encode(b'me:p@ss').decode()}" in asked


def test_a_post_sends_its_body_as_json(server: Server) -> None:
    body = '{"type":"metaAndAssetCtxs"}'
    asked = meanwhile(lambda: client(server).get("/info", "POST", body))
    sock, request = server.accept_silently()
    while not request.endswith(body):
        request += sock.recv(4096).decode()
    sock.sendall(head("200 OK", 2) + b"[]")
    assert asked.result(TIMEOUT_SECS).body == b"[]"
    assert request.startswith("POST /info HTTP/1.1\r\n")
    assert "Content-Type: application/json" in request
    assert f"Content-Length: {len(body)}" in request


def test_a_post_without_a_body_says_that_it_has_none(server: Server) -> None:
    asked = meanwhile(lambda: client(server).get("/api/v1/bullet-public", "POST"))
    sock, request = server.accept_silently()
    sock.sendall(head("200 OK", 2) + b"{}")
    assert asked.result(TIMEOUT_SECS).body == b"{}"
    assert "Content-Length: 0" in request
    assert "Content-Type" not in request
