"""What tests of several rooms share: an S3 server."""

import os
from collections.abc import Iterator

import pytest

from tests.seaweed import ADMIN, ALONE, Seaweed


@pytest.fixture(scope="session")
def running_seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    """One server for the whole run, started when the first test asks; each test uses a bucket of its own."""
    server = Seaweed(tmp_path_factory.mktemp("seaweed"))
    try:
        yield server.start()
    finally:
        server.remove()


@pytest.fixture
def aws_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take whatever this machine knows about AWS out of the environment."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in ALONE.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def seaweed(running_seaweed: Seaweed, aws_alone: None, monkeypatch: pytest.MonkeyPatch) -> Seaweed:
    """The server, and its administrator's keys in the environment."""
    for name, value in ADMIN.items():
        monkeypatch.setenv(name, value)
    return running_seaweed
