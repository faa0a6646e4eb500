"""Fixtures of the tests of the repair process."""

import pytest


@pytest.fixture(autouse=True)
def nothing_left_open(closed_journals: None) -> None:
    """What a test leaves open of its journals is closed."""
