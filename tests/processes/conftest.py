"""What tests of several processes share."""

from collections.abc import Iterator

import pytest

from tests.feed.servers import Server
from tests.storage.journal import dead_journals


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def closed_journals(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What a test leaves open of its journals is closed; see the function of that name."""
    with dead_journals.closed_journals(tmp_path_factory.getbasetemp()):
        yield
