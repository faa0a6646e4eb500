"""A NATS server that the tests of a module share."""

from collections.abc import Iterator

import pytest

from tests.bus.servers import NatsServer


@pytest.fixture(scope="module")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """Each test uses a stream of its own; one that ends the server starts it again."""
    server = NatsServer(tmp_path_factory.mktemp("nats"))
    try:
        yield server.start()
    finally:
        server.remove()
