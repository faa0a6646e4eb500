"""Fixtures of the writer's tests."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

DESCRIPTORS = Path("/proc/self/fd")


@pytest.fixture(autouse=True)
def closed_journals(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Close the journals that a test leaves open: a real process closes them by ending.

    Only where no thread outlives its test: one that did would write into the next file with the same descriptor.
    """
    below, before = str(tmp_path_factory.getbasetemp()), journals()
    yield
    for fd, path in journals().items():
        if path.startswith(below) and before.get(fd) != path:
            os.close(fd)


def journals() -> dict[int, str]:
    """Paths of the journal files and locks that this process has open, including removed journal files."""
    found = {}
    for link in DESCRIPTORS.iterdir():
        with suppress(FileNotFoundError):  # the descriptor that lists the folder
            found[int(link.name)] = str(link.readlink())
    return {fd: path for fd, path in found.items() if ".journal" in path or path.endswith(".lock")}
