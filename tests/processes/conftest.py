"""What the tests of the processes share."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.feed.servers import Server

DESCRIPTORS = Path("/proc/self/fd")


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def closed_journals(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Close the journals that a test leaves open: a process closes them by ending, and tests play processes in threads."""
    below, before = str(tmp_path_factory.getbasetemp()), journals()
    yield
    for fd, path in journals().items():
        if path.startswith(below) and before.get(fd) != path:
            os.close(fd)


def journals() -> dict[int, str]:
    """The journal files that this process has open, also those removed since: the path behind each descriptor."""
    found = {}
    for link in DESCRIPTORS.iterdir():
        with suppress(FileNotFoundError):  # the descriptor that lists the folder
            found[int(link.name)] = str(link.readlink())
    return {fd: path for fd, path in found.items() if ".journal" in path}
