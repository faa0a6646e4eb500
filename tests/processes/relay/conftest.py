"""A NATS server for the relay's tests, emptied for each of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bus.servers import NatsServer
from tests.processes.relay.relay_world import RelayWorld
from tests.storage.journal import dead_journals


@pytest.fixture(autouse=True)
def closed_journals(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What a test leaves open of its journals is closed."""
    with dead_journals.closed_journals(tmp_path_factory.getbasetemp()):
        yield


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[NatsServer]:
    """A server of the test's own."""
    server = NatsServer(tmp_path / "nats")
    try:
        yield server.start()
    finally:
        server.remove()


@pytest.fixture
def world(tmp_path: Path, nats_server: NatsServer) -> RelayWorld:
    """A storage host."""
    return RelayWorld(tmp_path / "storage", nats_server.url)
