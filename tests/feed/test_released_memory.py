"""A connection that is over goes as soon as it is dropped: its buffers do not wait for a look for reference cycles."""

import gc
import socket
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from websockets.frames import Opcode

from collector.feed.connection import Connection, open_connection
from collector.feed.outbox import Pace
from collector.feed.socket import ConnectionOverError
from collector.processes.context import SystemClock
from tests.feed.servers import TIMEOUT_SECS, Peer, Server, close_frame, meanwhile, wire

CONNECTIONS: Final = 12
HALF_A_MESSAGE: Final = wire(bytes(1 << 20), Opcode.BINARY)[: 1 << 19]


@pytest.fixture(params=["ws", "wss"])
def any_server(
    request: pytest.FixtureRequest, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Server, str]]:
    """A server and the scheme of its URL."""
    if request.param == "wss":
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        yield request.getfixturevalue("tls_server"), "wss"
        return
    server = Server()
    yield server, "ws"
    server.close()


@pytest.fixture
def no_look_for_cycles() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def connect(server: Server, scheme: str) -> tuple[Connection, Peer]:
    """The connection is made in this thread, since another one could still hold it for a moment."""
    accepting = meanwhile(server.accept)
    connection = open_connection(server.url.replace("ws:", f"{scheme}:"), (), Pace(5), SystemClock())
    return connection, accepting.result(TIMEOUT_SECS)


def parts_of(connection: Connection) -> "list[weakref.ref[Any]]":
    buffer = connection._buffer
    return [weakref.ref(part) for part in (connection, connection._ws, buffer, buffer._source)]


def reason_of_the_end(connection: Connection) -> str:
    """Why it is over, which every later read says again."""
    deadline = time.monotonic() + TIMEOUT_SECS
    reasons: list[str] = []
    while len(reasons) < 2:
        assert time.monotonic() < deadline, "the connection does not end"
        try:
            connection.read()
        except ConnectionOverError as over:
            reasons.append(over.reason)
    assert reasons[0] == reasons[1]
    return reasons[0]


def close(peer: Peer) -> None:
    peer.send(wire(b"last"), close_frame())
    peer.hang_up()


def break_the_protocol(peer: Peer) -> None:
    peer.send(wire(b"last"), b"\x83\x00")
    peer.hang_up()


def announce_too_much(peer: Peer) -> None:
    peer.send(b"\x82\x7f" + (1 << 40).to_bytes(8, "big"))
    peer.hang_up()


def hang_up_within_a_message(peer: Peer) -> None:
    meanwhile(lambda: peer.send(HALF_A_MESSAGE)).add_done_callback(lambda _: peer.hang_up())


def close_within_a_message(peer: Peer) -> None:
    sending = meanwhile(lambda: peer.send(wire(HALF_A_MESSAGE, Opcode.BINARY, fin=False), close_frame()))
    sending.add_done_callback(lambda _: peer.hang_up())


@pytest.mark.usefixtures("no_look_for_cycles")
@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (close, "closed"),
        (close_within_a_message, "closed"),
        (break_the_protocol, "protocol"),
        (announce_too_much, "too_big"),
        (hang_up_within_a_message, "lost"),
        (Peer.reset, "lost"),
    ],
)
def test_nothing_of_a_connection_outlives_it_however_it_ended(
    any_server: tuple[Server, str], end: Callable[[Peer], None], reason: str
) -> None:
    for _ in range(CONNECTIONS):
        connection, peer = connect(*any_server)
        parts = parts_of(connection)
        end(peer)
        assert reason_of_the_end(connection) == reason
        connection.close()
        del connection
        assert [part() for part in parts] == [None] * len(parts)


@pytest.mark.usefixtures("no_look_for_cycles")
def test_nothing_of_a_connection_outlives_a_failed_send(any_server: tuple[Server, str]) -> None:
    connection, peer = connect(*any_server)
    parts = parts_of(connection)
    peer.reset()
    assert reason_of_the_end(connection) == "lost"
    connection.ping()
    assert connection._ws.send_failure is not None
    connection.close()

    del connection
    assert [part() for part in parts] == [None] * len(parts)


@pytest.mark.usefixtures("no_look_for_cycles")
def test_nothing_of_a_connection_outlives_a_damaged_record(
    tls_server: Server, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    connection, peer = connect(tls_server, "wss")
    parts = parts_of(connection)
    socket.socket.sendall(peer.sock, b"\x17\x03\x03\x00\x20" + bytes(32))
    assert reason_of_the_end(connection) == "lost"
    connection.close()

    del connection
    assert [part() for part in parts] == [None] * len(parts)
