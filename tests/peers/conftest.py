"""A whole recording, as an archive, and how other projects' code is run on what is exported of it."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Lines
from tests.read.conftest import world
from tests.read.recorded_world import RecordedWorld, binance_frames, fetched_book

__all__ = ["world"]

SECS = 600


@pytest.fixture
def archived(world: RecordedWorld, recorded: Lines) -> RecordedWorld:
    """Six minutes of BTCUSDT, in two segments."""
    frames = binance_frames(recorded, 1_000_000)
    world.fetch(*fetched_book(recorded))
    for part in (frames[: len(frames) // 2], frames[len(frames) // 2 :]):
        world.receive(part)
        world.seal()
    world.archive()
    return world


def told_by(python: str, script: Path, *files: Path) -> Any:
    """What a script of this folder prints."""
    # Of other projects' code encodings are not our business.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHONWARN")}
    done = subprocess.run(
        [python, script, *files],
        capture_output=True, text=True, check=False, timeout=SECS, encoding="utf-8", env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
