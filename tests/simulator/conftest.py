"""Simulators, recordings made and real."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from collector.simulator.server import Options
from tests.simulator.running import Running

FRAMES = Path("../shared/data/frames/binance_spot")


@pytest.fixture
def simulate(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start simulators with the options given; a sent log is always kept."""
    running: list[Running] = []

    def start(**options: Any) -> Running:
        log = tmp_path / f"sent-{len(running)}.jsonl"
        running.append(Running(Options(**{"sent_log": log, "rate": 400.0, **options})))
        return running[-1]

    yield start
    for simulator in running:
        simulator.hang_up()
        simulator.stop()


@pytest.fixture
def recording(tmp_path: Path) -> Callable[..., Path]:
    """Write recordings: each text is a frame, received `step_ms` after the one before."""

    def write(*texts: str, name: str = "made.jsonl", step_ms: int = 10) -> Path:
        lines = [
            json.dumps({"recv_ts_us": 1_000 * step_ms * number, "conn": "c", "dir": "in", "raw": text})
            for number, text in enumerate(texts)
        ]
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n", "utf-8")
        return path

    return write


@pytest.fixture
def real_file() -> Callable[[str], Path]:
    """Find a recording of the real exchange."""

    def find(name: str) -> Path:
        path = FRAMES / name
        if not path.exists():
            if os.environ.get("CI"):
                pytest.fail(f"{path} is missing")
            pytest.skip(f"needs {path}")
        return path

    return find
