"""What the tests of the ingest share."""

from collections.abc import Iterator

import pytest

from tests.feed.servers import Server


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()
