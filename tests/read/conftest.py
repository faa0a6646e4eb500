"""Archives that tests of reading share."""

from pathlib import Path

import pytest

from tests.conftest import Lines
from tests.read.recorded_world import Frame, RecordedWorld, binance_frames


@pytest.fixture(scope="session")
def frames(recorded: Lines) -> list[Frame]:
    """The first frames of a recording."""
    return binance_frames(recorded)


@pytest.fixture
def world(tmp_path: Path) -> RecordedWorld:
    """A recorder that has received nothing yet."""
    return RecordedWorld(tmp_path / "data")
