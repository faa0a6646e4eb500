"""Exchanges and recorders that are gone when their test is over."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.whole.running import Exchange, Recorder

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"


@pytest.fixture
def shared_data() -> Path:
    """The recorded frames; absent at a desk is a skip, absent in CI a failure."""
    if not SHARED.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"{SHARED} is missing")
        pytest.skip(f"{SHARED} is missing: there are no recorded frames to replay")
    return SHARED


@pytest.fixture(autouse=True, scope="session")
def signals_heeded() -> Iterator[None]:
    """A recorder leaves an ignored signal ignored, as nohup and shells in the background set it; so may these tests run."""
    before = {
        number: signal.signal(number, handler)
        for number, handler in ((signal.SIGHUP, signal.SIG_DFL), (signal.SIGINT, signal.default_int_handler))
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Callable[..., Exchange]]:
    """Start an exchange with these arguments."""
    made: list[Exchange] = []

    def start(*arguments: str) -> Exchange:
        made.append(Exchange(tmp_path, *arguments))
        return made[-1]

    yield start
    for one in made:
        one.stop()


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Callable[..., Recorder]]:
    """Make a recorder; the test starts it."""
    made: list[Recorder] = []

    def make(*arguments: object, **options: object) -> Recorder:
        made.append(Recorder(tmp_path, *arguments, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.end()
