"""An exchange whose name has several addresses, of which only one is any good."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from websockets.frames import Opcode

from collector.dial import Address, dial, dialling
from collector.domain.log import Log
from collector.exchanges.registry import adapter
from collector.exchanges.rest_adapter import Get
from collector.feed import handshake
from collector.feed.connection import Connection, open_connection
from collector.feed.handshake import HandshakeError
from collector.feed.outbox import Pace
from collector.feed.request_weight import WeightBudget
from collector.feed.rest import RestClient, RestError, RestResponse
from collector.feed.socket import ConnectionOverError
from collector.processes.context import SystemClock
from collector.processes.repair.throttled_client import RetryLaterError, ThrottledClient
from tests.dial.names import NAME, DeadAddress, Names
from tests.feed.servers import TIMEOUT_SECS, Peer, Server, close_frame, meanwhile, wire

LIVE = "127.0.0.4"
HALF_DEAD = "127.0.0.2"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"


@pytest.fixture
def undo() -> Iterator[ExitStack]:
    with ExitStack() as undo:
        yield undo


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch, undo: ExitStack) -> Names:
    names = Names(monkeypatch)
    undo.callback(names.go_on)
    return names


@pytest.fixture
def live(undo: ExitStack) -> Server:
    server = Server(host=LIVE)
    undo.callback(server.close)
    return server


@pytest.fixture
def kill(live: Server, undo: ExitStack) -> Callable[[str], None]:
    """Make an address dead at the port of the living server."""

    def kill(host: str) -> None:
        undo.callback(DeadAddress(host, live.port).close)

    return kill


@pytest.fixture
def half_dead(live: Server, undo: ExitStack) -> Server:
    """Takes connections at the port of the living server, and is no good after that."""
    server = Server(host=HALF_DEAD, port=live.port)
    undo.callback(server.close)
    return server


ORDERS = [["127.0.0.2", "127.0.0.3", LIVE], [LIVE, "127.0.0.2", "127.0.0.3"], ["::1", "127.0.0.2", LIVE]]


def open_ws(port: int, scheme: str = "ws") -> Any:
    return open_connection(f"{scheme}://{NAME}:{port}/stream", (), Pace(5), SystemClock())


@pytest.mark.parametrize("hosts", ORDERS)
def test_a_websocket_connects_although_some_addresses_are_dead(
    live: Server, names: Names, kill: Callable[[str], None], hosts: list[str]
) -> None:
    names.has(*hosts)
    for host in {*hosts} - {LIVE}:
        kill(host)

    opening = meanwhile(lambda: open_ws(live.port))
    peer = live.accept(wire(b"data"))

    assert opening.result(TIMEOUT_SECS).read().frames == [b"data"]
    assert f"Host: {NAME}:{live.port}" in peer.request


@pytest.mark.parametrize("hosts", ORDERS)
def test_a_rest_request_succeeds_although_some_addresses_are_dead(
    live: Server, names: Names, kill: Callable[[str], None], hosts: list[str]
) -> None:
    names.has(*hosts)
    for host in {*hosts} - {LIVE}:
        kill(host)
    client = RestClient(f"http://{NAME}:{live.port}", SystemClock())

    asked = meanwhile(lambda: client.get("/x"))
    sock, request = live.accept_silently()
    sock.sendall(ANSWER)

    assert asked.result(TIMEOUT_SECS).body == b"[]"
    assert f"Host: {NAME}:{live.port}" in request


def test_a_proxy_is_reached_although_some_of_its_addresses_are_dead(
    live: Server, names: Names, kill: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    names.has("127.0.0.2", LIVE)
    kill("127.0.0.2")
    monkeypatch.setenv("http_proxy", f"http://{NAME}:{live.port}")
    monkeypatch.setenv("no_proxy", "")

    opening = meanwhile(lambda: open_connection("ws://stream.example:9443/x", (), Pace(5), SystemClock()))
    sock, request = live.accept_silently()
    sock.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")

    assert request.startswith("CONNECT stream.example:9443 ")
    with pytest.raises(HandshakeError, match="407"):
        opening.result(TIMEOUT_SECS)
    client = RestClient("http://rest.example", SystemClock())
    asked = meanwhile(lambda: client.get("/x"))
    sock, request = live.accept_silently()
    sock.sendall(ANSWER)
    assert request.startswith("GET http://rest.example/x ")
    assert asked.result(TIMEOUT_SECS).body == b"[]"


def test_if_every_address_is_dead_the_error_names_them(
    live: Server, names: Names, kill: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handshake, "CONNECT_SECS", 1.0)
    monkeypatch.setattr("collector.feed.rest.CONNECT_TIMEOUT_SECS", 1.0)
    names.has("127.0.0.2", "127.0.0.3")
    kill("127.0.0.2")
    kill("127.0.0.3")
    tried = rf"127\.0\.0\.2:{live.port} \(no answer in 1 s\), 127\.0\.0\.3:{live.port} \(no answer in 1 s\)"

    with pytest.raises(HandshakeError, match=tried):
        open_ws(live.port)
    with pytest.raises(RestError, match=tried):
        RestClient(f"http://{NAME}:{live.port}", SystemClock()).get("/x")


def test_a_lookup_that_hangs_fails_one_attempt_and_the_next_connects(
    live: Server, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialling, "LOOKUP_SECS", 0.1)
    names.has(LIVE)
    names.hang()
    with pytest.raises(HandshakeError, match=f"the lookup of {NAME} took more than"):
        open_ws(live.port)
    with pytest.raises(RestError, match=f"the lookup of {NAME} took more than"):
        RestClient(f"http://{NAME}:{live.port}", SystemClock()).get("/x")
    monkeypatch.setattr(dialling, "LOOKUP_SECS", TIMEOUT_SECS)

    names.go_on()
    opening = meanwhile(lambda: open_ws(live.port))
    live.accept(wire(b"data"))

    assert opening.result(TIMEOUT_SECS).read().frames == [b"data"]


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_an_address_that_never_answers_the_handshake_comes_last_next_time(
    live: Server, names: Names, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setattr(handshake, "STEP_SECS", 0.3)
    names.has("127.0.0.2", LIVE)
    with socket.create_server(("127.0.0.2", live.port)), pytest.raises(HandshakeError, match="timed out"):
        open_ws(live.port, scheme)
    monkeypatch.setattr(handshake, "STEP_SECS", TIMEOUT_SECS)

    with socket.create_server(("127.0.0.2", live.port)):
        opening = meanwhile(lambda: open_ws(live.port))
        live.accept(wire(b"data"))
        assert opening.result(TIMEOUT_SECS).read().frames == [b"data"]


@pytest.mark.parametrize("status", ["500 Internal Server Error", "502 Bad Gateway", "503 Service Unavailable"])
def test_an_address_that_answers_5xx_comes_last_next_time(
    live: Server, names: Names, half_dead: Server, status: str
) -> None:
    names.has(HALF_DEAD, LIVE)
    opening = meanwhile(lambda: open_ws(live.port))
    half_dead.refuse(status)
    with pytest.raises(HandshakeError, match=status):
        opening.result(TIMEOUT_SECS)

    opening = meanwhile(lambda: open_ws(live.port))
    live.accept(wire(b"data"))
    assert opening.result(TIMEOUT_SECS).read().frames == [b"data"]


@pytest.mark.parametrize("sent", [b"", close_frame(1011)], ids=["reset", "close frame"])
def test_an_address_whose_connection_brings_nothing_comes_last_next_time(
    live: Server, names: Names, half_dead: Server, sent: bytes
) -> None:
    names.has(HALF_DEAD, LIVE)
    opening = meanwhile(lambda: open_ws(live.port))
    peer = half_dead.accept(sent)
    connection = opening.result(TIMEOUT_SECS)
    if not sent:
        peer.reset()
    read_to_its_end(connection)
    connection.close()

    opening = meanwhile(lambda: open_ws(live.port))
    live.accept(wire(b"data"))
    assert opening.result(TIMEOUT_SECS).read().frames == [b"data"]


def test_an_address_that_stays_silent_once_open_comes_last_next_time(
    live: Server, names: Names, half_dead: Server
) -> None:
    names.has(HALF_DEAD, LIVE)
    opening = meanwhile(lambda: open_ws(live.port))
    half_dead.accept()
    connection = opening.result(TIMEOUT_SECS)
    assert connection.read() is None
    connection.close()

    opening = meanwhile(lambda: open_ws(live.port))
    live.accept(wire(b"data"))
    assert opening.result(TIMEOUT_SECS).read().frames == [b"data"]


@pytest.mark.parametrize("sent", [wire(b"data"), wire(b"", Opcode.PING)], ids=["data", "ping"])
def test_an_address_that_sent_a_sign_of_life_keeps_its_place(
    live: Server, names: Names, half_dead: Server, sent: bytes
) -> None:
    names.has(HALF_DEAD, LIVE)
    for _ in range(2):
        opening = meanwhile(lambda: open_ws(live.port))
        peer = half_dead.accept(sent)
        connection = opening.result(TIMEOUT_SECS)
        while connection.read() is None:
            pass
        peer.reset()
        read_to_its_end(connection)
        connection.close()


def read_to_its_end(connection: Connection) -> None:
    deadline = time.monotonic() + TIMEOUT_SECS
    try:
        while time.monotonic() < deadline:
            connection.read()
    except ConnectionOverError:
        return
    raise AssertionError("the connection did not end")


@pytest.mark.parametrize("status", ["400 Bad Request", "403 Forbidden", "418 I'm a teapot", "429 Too Many Requests"])
def test_a_refused_handshake_does_not_count_against_the_address(
    live: Server, names: Names, half_dead: Server, status: str
) -> None:
    names.has(HALF_DEAD, LIVE)
    for _ in range(2):
        opening = meanwhile(lambda: open_ws(live.port))
        half_dead.refuse(status)
        with pytest.raises(HandshakeError, match=status):
            opening.result(TIMEOUT_SECS)


def test_rest_moves_on_from_an_address_that_never_answers(
    live: Server, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.feed.rest.READ_TIMEOUT_SECS", 0.3)
    names.has("127.0.0.2", LIVE)
    client = RestClient(f"http://{NAME}:{live.port}", SystemClock())
    with socket.create_server(("127.0.0.2", live.port)), pytest.raises(RestError, match="Read timed out"):
        client.get("/x")
    monkeypatch.setattr("collector.feed.rest.READ_TIMEOUT_SECS", TIMEOUT_SECS)

    with socket.create_server(("127.0.0.2", live.port)):
        asked = meanwhile(lambda: client.get("/x"))
        live.accept_silently()[0].sendall(ANSWER)
        assert asked.result(TIMEOUT_SECS).body == b"[]"


NO_ANSWERS = [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"]


@pytest.mark.parametrize("sent", NO_ANSWERS)
def test_rest_moves_on_from_an_address_that_resets_or_answers_5xx(
    live: Server, names: Names, half_dead: Server, sent: bytes
) -> None:
    names.has(HALF_DEAD, LIVE)
    client = RestClient(f"http://{NAME}:{live.port}", SystemClock())
    failing = meanwhile(lambda: client.get("/x"))
    sock, _ = half_dead.accept_silently()
    sock.sendall(sent)
    if b"503" in sent:  # the connection stays open, and is not asked again
        assert failing.result(TIMEOUT_SECS).status == 503
    else:
        reset(sock)
        with pytest.raises(RestError):
            failing.result(TIMEOUT_SECS)

    asked = meanwhile(lambda: client.get("/x"))
    live.accept_silently()[0].sendall(ANSWER)
    assert asked.result(TIMEOUT_SECS).body == b"[]"


@pytest.mark.parametrize("sent", [*NO_ANSWERS, b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n["])
def test_repair_gets_from_another_address_what_the_first_did_not_give(
    live: Server, names: Names, half_dead: Server, tmp_path: Path, sent: bytes
) -> None:
    names.has(HALF_DEAD, LIVE)
    client = RestClient(f"http://{NAME}:{live.port}", SystemClock())
    host = repair_host(client, tmp_path)
    failing = meanwhile(lambda: ask(host, client))
    sock, _ = half_dead.accept_silently()
    sock.sendall(sent)
    if b"503" not in sent:
        reset(sock)
    with pytest.raises(RetryLaterError) as caught:
        failing.result(TIMEOUT_SECS)
    assert caught.value.wait_secs == 0

    asked = meanwhile(lambda: ask(host, client))
    live.accept_silently()[0].sendall(ANSWER)
    assert asked.result(TIMEOUT_SECS).body == b"[]"


@pytest.mark.parametrize("status", [b"400 Bad Request", b"403 Forbidden"])
def test_a_refused_rest_request_does_not_count_against_the_address(
    live: Server, names: Names, half_dead: Server, status: bytes
) -> None:
    names.has(HALF_DEAD, LIVE)
    client = RestClient(f"http://{NAME}:{live.port}", SystemClock())
    for _ in range(2):
        asked = meanwhile(lambda: client.get("/x"))
        half_dead.accept_silently()[0].sendall(
            b"HTTP/1.1 %b\r\nConnection: close\r\nContent-Length: 0\r\n\r\n" % status
        )
        assert asked.result(TIMEOUT_SECS).status == int(status[:3])


def repair_host(client: RestClient, folder: Path) -> ThrottledClient:
    """It waits for nothing after a failure."""
    budget = WeightBudget(folder / "weight.json", 1_000, 60.0, 1.0, time.time_ns)
    rest_adapter = adapter("binance").rest
    assert rest_adapter is not None
    return ThrottledClient(client, budget, rest_adapter, SystemClock(), lambda: 0.0, Log(print))


def ask(host: ThrottledClient, client: RestClient) -> RestResponse:
    """As repair does."""
    pauses = host.admit("time", Get("/x", 1))
    try:
        answer = client.get("/x")
    except RestError as error:
        return host.read("time", pauses, error)
    return host.read("time", pauses, answer)


def reset(sock: socket.socket) -> None:
    Peer(sock, "").reset()


def test_renew_sends_the_next_request_to_another_address(live: Server, names: Names, undo: ExitStack) -> None:
    other = Server(host="127.0.0.2", port=live.port)
    undo.callback(other.close)
    names.has("127.0.0.2", LIVE)
    client = RestClient(f"http://{NAME}:{live.port}", SystemClock())
    for server in (other, live, other):
        asked = meanwhile(lambda: client.get("/x"))
        server.accept_silently()[0].sendall(ANSWER)
        answer = asked.result(TIMEOUT_SECS)
        assert answer.body == b"[]"
        client.renew(answer.address)


def test_the_time_to_connect_does_not_count_against_the_answer(
    live: Server, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    names.has(LIVE)
    passed_secs = [0.0]

    def slowly(host: str, port: int, timeout_secs: float) -> tuple[socket.socket, Address]:
        passed_secs[0] = 1e6
        return dial(host, port, timeout_secs)

    class Clock(SystemClock):
        @staticmethod
        def monotonic() -> float:
            return time.monotonic() + passed_secs[0]

    monkeypatch.setattr(handshake, "dial", slowly)
    opening = meanwhile(lambda: open_connection(f"ws://{NAME}:{live.port}/", (), Pace(5), Clock()))
    live.accept(wire(b"data"))

    batch = opening.result(TIMEOUT_SECS).read()
    assert batch is not None
    assert batch.frames == [b"data"]
