"""Buckets and servers for the tests of stores."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.seaweed import Seaweed


@pytest.fixture
def bucket(seaweed: Seaweed) -> str:
    """An empty bucket."""
    return seaweed.new_bucket()


@pytest.fixture
def own_seaweed(seaweed: Seaweed, tmp_path: Path) -> Iterator[Seaweed]:
    """A server that the test may kill; its administrator's keys are in the environment."""
    server = Seaweed(tmp_path / "seaweed")
    try:
        yield server.start()
    finally:
        server.remove()
