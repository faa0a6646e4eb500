"""Fixtures of the journal's tests."""

from collections.abc import Iterator

import pytest

from tests.storage.journal import dead_journals


@pytest.fixture(autouse=True)
def closed_journals(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What a test leaves open of its journals is closed."""
    with dead_journals.closed_journals(tmp_path_factory.getbasetemp()):
        yield
