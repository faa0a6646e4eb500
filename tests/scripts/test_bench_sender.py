"""The benchmark's exchange: a process that sends what was made before."""

import ssl
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.bench import compare
from tests.bench.compare import Peer
from tests.bench.recorded import SYMBOLS, Wire, frames_of, write_wire
from tests.bench.sending import Certificate, Sender, make_certificate

MESSAGES = 3_000


@pytest.fixture(scope="module")
def wire(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Wire:
    return write_wire(tmp_path_factory.mktemp("bench") / "wire", SYMBOLS, MESSAGES)


@pytest.fixture(scope="module", params=["plain", "tls"])
def certificate(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Certificate | None:
    return make_certificate(tmp_path_factory.mktemp("tls")) if request.param == "tls" else None


@pytest.fixture
def sender(wire: Wire, certificate: Certificate | None) -> Iterator[Sender]:
    with Sender(wire, certificate) as sender:
        yield sender


def client(sender: Sender, certificate: Certificate | None) -> ClientConnection:
    trust = ssl.create_default_context(cafile=str(certificate.path)) if certificate else None
    url = f"{sender.ws_url}/stream?streams=btcusdt@trade"
    return connect(url, ssl=trust, ping_interval=None, open_timeout=60, close_timeout=1)


def test_a_client_gets_every_message_in_order_once_it_is_said(sender: Sender, certificate: Certificate | None) -> None:
    with client(sender, certificate) as connection:
        sender.wait_for_client()
        with pytest.raises(TimeoutError):
            connection.recv(timeout=0)
        sender.go()
        texts = [connection.recv(timeout=60) for _ in range(MESSAGES)]
        sent = sender.sent()
    assert texts == [frame.text for frame in islice(frames_of(SYMBOLS), MESSAGES)]
    assert sent.secs > 0


def test_a_second_client_makes_the_run_fail(sender: Sender, certificate: Certificate | None) -> None:
    with client(sender, certificate):
        sender.wait_for_client()
        with pytest.raises(ConnectionClosed), client(sender, certificate) as second:
            second.recv(timeout=60)
        with pytest.raises(AssertionError, match="asked for again"):
            sender.sent()


def test_the_sink_gets_each_frame_as_a_record_of_its_own(wire: Wire, certificate: Certificate | None) -> None:
    run = compare.run(compare.SINK, wire, certificate)
    assert run.messages == MESSAGES
    assert run.sender_cpu_secs > 0


@pytest.mark.parametrize("peer", [compare.SINGLE, compare.RECEIVE])
def test_a_peer_takes_every_message(wire: Wire, certificate: Certificate | None, peer: Peer) -> None:
    run = compare.run(peer, wire, certificate)
    assert run.messages == MESSAGES
    assert run.durable_per_sec > 0
    assert (run.parquet_per_sec is not None) == peer.archives


def test_a_pace_changes_no_message_and_takes_its_time(wire: Wire) -> None:
    with Sender(wire, None, rate=MESSAGES / 0.5) as sender, client(sender, None) as connection:
        sender.wait_for_client()
        sender.go()
        texts = [connection.recv(timeout=60) for _ in range(MESSAGES)]
        sent = sender.sent()
    assert texts == [frame.text for frame in islice(frames_of(SYMBOLS), MESSAGES)]
    assert sent.secs > 0.4
