"""The network of a soak and its outages."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.soak.network import CUT, FREEZE, FREEZE_CUT, KINDS, Network, Outage, outages
from tests.whole.running import wait_for

ECHO_SECS = 60.0
HOLD_SECS = 1.0


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that sends back what it gets."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(client: socket.socket) -> None:
        with client, contextlib.suppress(ConnectionResetError):
            while block := client.recv(1024):
                client.sendall(block)

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(client,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


@pytest.fixture
def network(echo: int) -> Iterator[Network]:
    with Network(echo) as network:
        yield network


def connect(network: Network) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", network.port))
    client.settimeout(ECHO_SECS)
    client.sendall(b"first")
    assert client.recv(1024) == b"first"
    return client


def fail(network: Network, kind: str) -> None:
    network.fail(Outage(0, kind, HOLD_SECS))
    wait_for(lambda: network._passes.is_set() is False or network.done[kind])


def test_each_period_has_one_outage_and_kinds_take_turns() -> None:
    planned = outages(7, 1, 600)
    assert planned == outages(7, 1, 600) != outages(8, 1, 600)
    assert [outage.kind for outage in planned] == [KINDS[index % 3] for index in range(10)]
    ends = [outage.at_secs + outage.hold_secs for outage in planned]
    assert all(end < 60 * (index + 1) for index, end in enumerate(ends))
    assert all(outage.at_secs >= 60 * index for index, outage in enumerate(planned))
    assert outages(7, 0, 600) == []


@pytest.mark.parametrize("kind", [CUT, FREEZE_CUT])
def test_a_cut_resets_open_and_new_connections_until_its_end(network: Network, kind: str) -> None:
    with connect(network) as client:
        fail(network, kind)
        with pytest.raises(ConnectionResetError):
            client.recv(1024)
    wait_for(lambda: not network.is_out())
    with connect(network):
        assert network.done[kind] == 1
        assert network.spans[0].end_us - network.spans[0].start_us >= HOLD_SECS * 1e6


def test_data_held_back_by_a_freeze_passes_at_its_end(network: Network) -> None:
    with connect(network) as client:
        fail(network, FREEZE)
        client.sendall(b"held")
        assert client.recv(1024) == b"held"
        assert network.done[FREEZE] == 1 or not network.is_out()
