"""hftbacktest reads what is exported for it, and makes the same events of the CSV files. On request: `pytest tests/peers`.

Its packages are installed into an environment of their own, which takes a minute or two.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.bench.environment import make
from tests.exports.test_hftbacktest import export as events
from tests.exports.test_tardis import export as tardis
from tests.peers.conftest import told_by
from tests.read.recorded_world import RecordedWorld

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The Python that has hftbacktest."""
    return make(tmp_path_factory.mktemp("peer") / "environment", HERE / "requirements-hftbacktest.txt")


@pytest.mark.timeout(1_200)
def test_its_own_converter_makes_the_same_events_and_its_backtest_sees_the_book(
    python: str, archived: RecordedWorld, top20: list[dict[str, Any]], tmp_path: Path
) -> None:
    assert events(archived, tmp_path / "npz") == 0
    assert tardis(archived, tmp_path / "csv", "--data-type", "trades", "--data-type", "incremental_book_L2") == 0
    files = [*(tmp_path / "npz").iterdir(), *sorted((tmp_path / "csv").iterdir(), reverse=True)]
    said = told_by(python, HERE / "hftbacktest_reads.py", *files)
    assert said["events"] > 140_000
    assert said["equal"]
    last = top20[-1]
    assert said["best"] == pytest.approx([float(last["bids"][0][0]), float(last["asks"][0][0])])
