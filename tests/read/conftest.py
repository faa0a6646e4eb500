"""Archives that tests of reading share."""

from pathlib import Path
from typing import Final

import pytest

from collector.read.books import forms
from collector.read.books.forms import Form
from tests.conftest import Lines
from tests.read.recorded_world import Frame, RecordedWorld, binance_frames

FORMS: Final = ("numba", "numpy")
"""How books are followed, but for the plain way; the fastest first."""


@pytest.fixture(scope="session")
def frames(recorded: Lines) -> list[Frame]:
    """The first frames of a recording."""
    return binance_frames(recorded)


@pytest.fixture
def world(tmp_path: Path) -> RecordedWorld:
    """A recorder that has received nothing yet."""
    return RecordedWorld(tmp_path / "data")


@pytest.fixture(params=FORMS, scope="module")
def form(request: pytest.FixtureRequest) -> Form:
    """A form that is installed."""
    pytest.importorskip(request.param)
    found = {"numba": forms.numba_form, "numpy": forms.numpy_form}[request.param]()
    assert found is not None
    assert found.name == request.param
    return found
