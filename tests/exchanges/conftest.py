"""Real frames for the adapters' tests."""

from collections.abc import Callable
from functools import cache

import pytest

from tests.conftest import Lines


@pytest.fixture(scope="session")
def received(recorded: Lines) -> Callable[[str], list[bytes]]:
    """Read the frames a recording received."""

    @cache
    def read(name: str) -> list[bytes]:
        return [line["raw"].encode() for line in recorded(name) if line["dir"] == "in"]

    return read
