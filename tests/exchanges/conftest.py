"""Real frames for the adapters' tests."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Lines


@pytest.fixture(scope="session")
def received(recorded: Lines) -> Callable[[str], list[bytes]]:
    """Read the frames a recording received."""

    @cache
    def read(name: str) -> list[bytes]:
        return [line["raw"].encode() for line in recorded(name) if line["dir"] == "in"]

    return read


@pytest.fixture(scope="session")
def mapped(data: Path) -> Callable[[str], list[dict[str, Any]]]:
    """Read another project's pairs of messages and the records it makes of them, by the exchange's name there."""

    def read(exchange: str) -> list[dict[str, Any]]:
        with (data / "expected" / "tardis" / "pairs.jsonl").open(encoding="utf-8") as lines:
            pairs = [json.loads(line) for line in lines]
        return [
            {"raw": pair["messages"][0]["raw"], "expected": pair["expected"]}
            for pair in pairs
            if len(pair["messages"]) == 1 and pair["messages"][0]["exchange"] == exchange
        ]

    return read
