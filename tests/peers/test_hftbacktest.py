"""hftbacktest reads what is exported for it, and makes the same events of the CSV files. On request: `pytest tests/peers`.

Its packages are installed into an environment of their own, which takes a minute or two.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.bench.environment import make
from tests.conftest import Lines
from tests.exports.test_hftbacktest import export as events
from tests.exports.test_tardis import export as tardis
from tests.read.conftest import world
from tests.read.recorded_world import RecordedWorld, binance_frames, fetched_book

HERE = Path(__file__).resolve().parent
SECS = 600

__all__ = ["world"]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The Python that has hftbacktest."""
    return make(tmp_path_factory.mktemp("peer") / "environment", HERE / "requirements-hftbacktest.txt")


@pytest.mark.timeout(1_200)
def test_its_own_converter_makes_the_same_events_and_its_backtest_sees_the_book(
    python: str, world: RecordedWorld, recorded: Lines, top20: list[dict[str, Any]], tmp_path: Path
) -> None:
    frames = binance_frames(recorded, 1_000_000)
    world.fetch(*fetched_book(recorded))
    for part in (frames[: len(frames) // 2], frames[len(frames) // 2 :]):
        world.receive(part)
        world.seal()
    world.archive()
    assert events(world, tmp_path / "npz") == 0
    assert tardis(world, tmp_path / "csv", "--data-type", "trades", "--data-type", "incremental_book_L2") == 0
    files = [*(tmp_path / "npz").iterdir(), *sorted((tmp_path / "csv").iterdir(), reverse=True)]
    # Of other projects' code encodings are not our business.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHONWARN")}
    done = subprocess.run(
        [python, HERE / "hftbacktest_reads.py", *files],
        capture_output=True, text=True, check=False, timeout=SECS, encoding="utf-8", env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["events"] > 140_000
    assert said["equal"]
    last = top20[-1]
    assert said["best"] == pytest.approx([float(last["bids"][0][0]), float(last["asks"][0][0])])
