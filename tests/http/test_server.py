import base64
import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from http import HTTPStatus
from time import monotonic
from typing import Any

import pytest

from collector.domain.log import Log
from collector.http import server as served
from collector.http.request_handler import MAX_HEAD_BYTES
from collector.http.response import Page, Response, as_json
from collector.http.server import StatusServer
from tests.ports import keep_port, port_of

DEADLINE_SECS = 60.0
WELL = {"run_id": "r", "healthy": True, "reasons": [], "processes": []}
PAGES: dict[str, Page] = {"/healthz": lambda: as_json(WELL)}
TOKEN = "planted-planted-planted"


class Site:
    """A running server and the page it gives."""

    def __init__(self, token: str = "", host: str = "127.0.0.1") -> None:
        self._keeper = keep_port()
        self.port = port_of(self._keeper)
        self.status: Page = lambda: as_json(WELL)
        self.log: list[dict[str, Any]] = []
        pages: dict[str, Page] = {"/status": lambda: self.status(), "/healthz": lambda: as_json({"healthy": True})}  # noqa: PLW0108 -- a test changes it
        self.server = StatusServer(host, self.port, pages, Log(lambda _level, event: self.log.append(event)), token)
        assert self.server.try_start(), self.server.error

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_SECS)
        with contextlib.closing(connection):
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            return response.status, response.headers, response.read()

    def close(self) -> None:
        self.server.close()
        self._keeper.close()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE_SECS)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(served, "_POLL_SECS", 0.02)
    running = Site()
    yield running
    running.close()


def read_all(connection: socket.socket) -> bytes:
    """All until the server ends the connection, however it does."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while block := connection.recv(65_536):
            received += block
    return received


def test_status_is_the_object_as_json(site: Site) -> None:
    code, headers, body = site.ask("/status")
    assert (code, headers["Content-Type"]) == (200, "application/json; charset=utf-8")
    assert json.loads(body) == WELL


def test_a_query_behind_the_path_is_ignored(site: Site) -> None:
    assert site.ask("/status?pretty=1")[0] == 200


def test_a_page_has_its_own_code_type_and_headers(site: Site) -> None:
    site.status = lambda: Response(
        b"<p>", "text/html", HTTPStatus.SERVICE_UNAVAILABLE, {"Content-Security-Policy": "x"}
    )
    code, headers, body = site.ask("/status")
    assert (code, headers["Content-Type"], headers["Content-Security-Policy"], body) == (503, "text/html", "x", b"<p>")
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_a_404_has_a_hint_and_does_not_echo_the_path(site: Site) -> None:
    code, headers, body = site.ask("/<script>alert(1)</script>")
    assert (code, headers["Content-Type"]) == (404, "application/json; charset=utf-8")
    assert json.loads(body) == {"error": "not found", "hint": "there is /status and /healthz"}


def test_head_is_answered_without_a_body(site: Site) -> None:
    code, headers, body = site.ask("/status", "HEAD")
    assert (code, body) == (200, b"")
    assert int(headers["Content-Length"]) == len(site.ask("/status")[2])


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "BREW"])
def test_methods_other_than_get_and_head_are_refused(site: Site, method: str) -> None:
    code, headers, body = site.ask("/status", method)
    assert (code, headers["Allow"], json.loads(body)) == (405, "GET, HEAD", {"error": "method not allowed"})


def test_answers_forbid_caching_and_type_sniffing(site: Site) -> None:
    headers = site.ask("/status")[1]
    assert (headers["Cache-Control"], headers["X-Content-Type-Options"]) == ("no-store", "nosniff")
    assert headers["Server"].strip() == "collector"


def test_a_failing_page_is_a_logged_500_and_the_next_request_is_served(site: Site) -> None:
    site.status = lambda: as_json(1 / 0)
    assert site.ask("/status")[0] == 500
    assert [event["event"] for event in site.log] == ["http_page_failed"]
    site.status = lambda: as_json(WELL)
    assert site.ask("/status")[0] == 200


@pytest.mark.parametrize(
    ("request_bytes", "answered"),
    [
        (b"\x00\xff\r\n\r\n", b'{"error":"bad request"}\n'),
        (b"GET /status HTTP/<b>\r\n\r\n", b'{"error":"bad request"}\n'),
        (b"GET /status HTTP/9.9\r\n\r\n", b'{"error":"http version not supported"}\n'),
        (b"GET /status HTTP/1.1\r\nX: <b>\r\n" * 101 + b"\r\n", b'{"error":"request header fields too large"}\n'),
    ],
)
def test_a_malformed_request_is_refused_without_an_echo(site: Site, request_bytes: bytes, answered: bytes) -> None:
    with site.connect() as connection:
        connection.sendall(request_bytes)
        answer = read_all(connection)
    assert answer.endswith(answered)
    assert b"<b>" not in answer
    assert site.ask("/healthz")[0] == 200
    assert site.log == []


@pytest.mark.parametrize("start", [b"GET /", b"GET / HTTP/1.1\r\nX: "])
def test_an_oversized_request_head_is_refused(site: Site, start: bytes) -> None:
    with site.connect() as connection:
        connection.sendall(start.ljust(MAX_HEAD_BYTES + 1, b"x"))
        assert b" 431 " in read_all(connection).partition(b"\r\n")[0]
    assert site.log == []


def test_endless_garbage_does_not_block_other_clients(site: Site) -> None:
    with site.connect() as connection:
        with contextlib.suppress(ConnectionError):
            for _ in range(1_000):
                connection.sendall(b"x" * 65_536)
        assert site.ask("/healthz")[0] == 200
    assert site.log == []


def test_hundreds_of_idle_connections_do_not_block_other_clients(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served, "CONNECTION_SECS", 10 * DEADLINE_SECS)
    with contextlib.ExitStack() as idle:
        for _ in range(300):
            idle.enter_context(site.connect())
        assert site.ask("/healthz")[0] == 200, "before any of them has had its time"
        threads = sum("process_request_thread" in thread.name for thread in threading.enumerate())
        assert threads <= served.MAX_CONNECTIONS
    assert site.log == []


def test_a_client_that_sends_slowly_is_cut_at_the_deadline(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served, "CONNECTION_SECS", 0.5)
    pause = threading.Event()

    def trickle(connection: socket.socket) -> None:
        ends_at = monotonic() + DEADLINE_SECS
        while monotonic() < ends_at:
            connection.sendall(b"x")
            pause.wait(0.02)

    with site.connect() as connection:
        connection.sendall(b"GET /status HTTP/1.1\r\n")
        with pytest.raises(ConnectionError):
            trickle(connection)
    assert site.log == []


def test_a_client_that_reads_nothing_is_cut_at_the_deadline(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served, "CONNECTION_SECS", 0.3)
    asked = threading.Event()

    def much() -> Response:
        asked.set()
        return as_json({**WELL, "filler": "x" * 30_000_000})

    site.status = much
    with site.connect() as connection:
        connection.sendall(b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n")
        server = site.server._server
        assert server is not None
        assert asked.wait(DEADLINE_SECS)
        ends_at, pause = monotonic() + DEADLINE_SECS, threading.Event()
        while server._open:
            assert monotonic() < ends_at
            pause.wait(0.01)
        assert len(read_all(connection)) < 30_000_000
    assert site.log == []


def test_a_taken_port_is_reported_and_can_be_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = StatusServer("127.0.0.1", taken.getsockname()[1], PAGES, Log(print))
        assert not server.try_start()
        assert "in use" in server.error
    assert server.try_start(), server.error
    assert server.try_start()
    server.close()


def test_an_address_of_another_machine_is_reported() -> None:
    with keep_port() as keeper:
        server = StatusServer("203.0.113.1", port_of(keeper), PAGES, Log(print))
        assert not server.try_start()
    assert server.error


def test_an_unknown_host_name_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody_knows(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody_knows)
    server = StatusServer("no-such-host.invalid", 9_464, PAGES, Log(print))
    assert not server.try_start()
    assert "not known" in server.error


def test_port_0_is_off() -> None:
    server = StatusServer("127.0.0.1", 0, PAGES, Log(print))
    assert server.try_start()
    assert not server.listens
    server.close()


def test_closing_frees_the_port_and_ends_open_connections(site: Site) -> None:
    with site.connect() as connection:
        assert site.ask("/healthz")[0] == 200
        site.server.close()
        site.server.close()
        assert read_all(connection) == b""
    with pytest.raises(ConnectionRefusedError):
        site.connect()
    assert site.server.try_start(), site.server.error


def test_ipv6_is_served() -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as probe:
            port = probe.getsockname()[1]
    except OSError as error:
        pytest.skip(f"this machine has no IPv6 loopback: {error}")
    server = StatusServer("::1", port, PAGES, Log(print))
    assert server.try_start(), server.error
    with contextlib.closing(http.client.HTTPConnection("::1", port, timeout=DEADLINE_SECS)) as connection:
        connection.request("GET", "/healthz")
        assert connection.getresponse().status == 200
    server.close()


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(served, "_POLL_SECS", 0.02)
    running = Site(TOKEN)
    yield running
    running.close()


def basic(text: bytes) -> str:
    return f"Basic {base64.b64encode(text).decode()}"


@pytest.mark.parametrize(
    "sent",
    ["", "Bearer", "Bearer planted", f"Bearer x{TOKEN}", f"bearer {TOKEN}x", TOKEN, f"Digest {TOKEN}", "Basic ?",
     basic(b"planted"), basic(b"user:"), basic(TOKEN.encode()), "Bearer \xff", "Basic \xff"],
)  # fmt: skip
def test_without_the_token_every_path_answers_401(guarded: Site, sent: str) -> None:
    for path in ("/status", "/healthz", "/unknown"):
        code, headers, body = guarded.ask(path, Authorization=sent)
        assert (code, json.loads(body)) == (401, {"error": "unauthorized"})
        assert headers["WWW-Authenticate"].startswith("Bearer")
    assert guarded.log == []


@pytest.mark.parametrize("sent", [f"Bearer {TOKEN}", f"bearer  {TOKEN}", basic(f"anybody:{TOKEN}".encode())])
def test_with_the_token_every_path_is_served(guarded: Site, sent: str) -> None:
    assert guarded.ask("/status", Authorization=sent)[0] == 200
    assert guarded.ask("/unknown", Authorization=sent)[0] == 404


def raw(site: Site, request: str) -> tuple[str, bytes]:
    """The status line and the body that a request as it stands brings."""
    with site.connect() as connection:
        connection.sendall(request.encode())
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
    return head.split(b"\r\n")[0].decode().partition(" ")[2], body


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9464", "127.0.0.1:1", "127.9.9.9", "[::1]:9464"])
def test_on_loopback_requests_for_local_host_names_are_answered(site: Site, host: str) -> None:
    assert site.ask("/status", Host=host)[0] == HTTPStatus.OK


@pytest.mark.parametrize("host", ["evil.example", "evil.example:9464", "localhost.evil.example", "", "192.168.0.1"])
def test_on_loopback_a_foreign_host_name_is_refused_against_dns_rebinding(site: Site, host: str) -> None:
    code, _, body = site.ask("/status", Host=host)
    assert code == HTTPStatus.MISDIRECTED_REQUEST
    assert json.loads(body)["error"] == "misdirected request"
    assert b"evil" not in body


def test_on_other_addresses_every_host_name_is_answered() -> None:
    site = Site(host="0.0.0.0")
    try:
        assert site.ask("/status", Host="recorder.example.org")[0] == HTTPStatus.OK
    finally:
        site.close()


def test_a_target_in_absolute_form_is_served_and_names_the_host(site: Site) -> None:
    served_, body = raw(site, "GET http://localhost:9464/status?x HTTP/1.1\r\nHost: evil.example\r\n\r\n")
    assert (served_, json.loads(body)) == ("200 OK", WELL)
    assert raw(site, "GET http://evil.example/status HTTP/1.1\r\nHost: localhost\r\n\r\n")[0].startswith("421 ")


@pytest.mark.parametrize("hosts", ["", "Host: localhost\r\nHost: localhost\r\n", "Host: a b\r\n"])
def test_an_http_1_1_request_must_name_exactly_one_host(site: Site, hosts: str) -> None:
    assert raw(site, f"GET /status HTTP/1.1\r\n{hosts}\r\n")[0] == "400 Bad Request"
    assert raw(site, "GET /status HTTP/1.0\r\n\r\n")[0] == "200 OK"
