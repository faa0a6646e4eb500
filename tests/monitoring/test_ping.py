import http.server
import socket
import threading
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import pytest

from collector.domain.log import Log
from collector.monitoring import ping
from collector.monitoring.ping import Pinger
from tests.ports import keep_port, port_of

DEADLINE_SECS = 60.0


class Ear:
    """A service that is called, on loopback."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.code = 200
        ear = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                ear.heard.append(self.path)
                self.send_response(ear.code)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/planted?status=up"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def ear() -> Iterator[Ear]:
    made = Ear()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def logged() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def log(logged: list[dict[str, Any]]) -> Log:
    return Log(lambda _level, event: logged.append(event))


def nobody_knows(*_: Any, **__: Any) -> Any:
    """In the place of a name server, which may be far away and slow."""
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def wait_for(condition: Callable[[], object]) -> None:
    ends_at, pause = monotonic() + DEADLINE_SECS, threading.Event()
    while not condition():
        assert monotonic() < ends_at
        pause.wait(0.01)


def test_the_address_is_called_again_and_again_while_all_is_well(ear: Ear, log: Log) -> None:
    pinger = Pinger(ear.url, lambda: True, log, 0.02)
    pinger.start()
    wait_for(lambda: pinger.sent >= 3)
    pinger.stop()
    assert set(ear.heard) == {"/planted?status=up"}
    assert pinger.failed == 0


def test_nobody_is_called_while_something_is_wrong_and_soon_after_it_is_not(ear: Ear, log: Log) -> None:
    well = threading.Event()
    asked: list[None] = []

    def is_well() -> bool:
        asked.append(None)
        return well.is_set()

    pinger = Pinger(ear.url, is_well, log, 0.01)
    pinger.start()
    wait_for(lambda: len(asked) > 10)
    assert ear.heard == []
    well.set()
    wait_for(lambda: ear.heard)
    pinger.stop()


def test_another_address_is_called_from_then_on_and_the_counts_go_on(ear: Ear, log: Log) -> None:
    pinger = Pinger("", lambda: True, log, 0.01)
    pinger.start()
    for path in ("/first", "/second"):
        pinger.reconfigure(ear.url.replace("/planted?status=up", path))
        before = pinger.sent
        wait_for(lambda: ear.heard[-1:] == [path] and pinger.sent > before)  # noqa: B023 -- it is awaited at once
    pinger.reconfigure("")
    wait_for(lambda: pinger.sent == len(ear.heard))
    pinger.stop()
    assert set(ear.heard) == {"/first", "/second"}
    assert pinger.failed == 0


def test_failures_are_counted_and_logged_once_until_it_works_again_without_the_address(
    ear: Ear, log: Log, logged: list[dict[str, Any]]
) -> None:
    ear.code = 500
    pinger = Pinger(ear.url, lambda: True, log, 0.01)
    pinger.start()
    wait_for(lambda: pinger.failed >= 3)
    ear.code = 200
    wait_for(lambda: pinger.sent)
    pinger.stop()
    assert logged == [{"event": "ping_failed", "error": "HTTP 500"}, {"event": "ping_recovered"}]


@pytest.mark.parametrize("host", ["127.0.0.1", "planted.invalid", "[::1"])
def test_whatever_goes_wrong_is_no_error_and_quotes_nothing(
    log: Log, logged: list[dict[str, Any]], host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "invalid" in host:
        monkeypatch.setattr(socket, "getaddrinfo", nobody_knows)
    with keep_port() as closed:
        pinger = Pinger(f"http://{host}:{port_of(closed)}/planted", lambda: True, log, 0.01)
        pinger.start()
        wait_for(lambda: pinger.failed >= 2)
        pinger.stop()
    assert [line["event"] for line in logged] == ["ping_failed"]
    assert "planted" not in str(logged)


def test_a_service_that_never_answers_holds_up_nobody(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ping, "TIMEOUT_SECS", 10 * DEADLINE_SECS)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(DEADLINE_SECS)
        pinger = Pinger(f"http://127.0.0.1:{silent.getsockname()[1]}/", lambda: True, log, 0.01)
        pinger.start()
        asking, _ = silent.accept()
        pinger.stop()
        assert (pinger.sent, pinger.failed) == (0, 0), "it is still waiting for the answer"
        asking.close()


def test_without_an_address_nothing_is_started(log: Log) -> None:
    before = threading.active_count()
    Pinger("", lambda: True, log).start()
    assert threading.active_count() == before
