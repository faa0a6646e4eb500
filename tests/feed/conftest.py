import pytest

from tests.feed.clocks import WallClock


@pytest.fixture
def clock() -> WallClock:
    return WallClock()
