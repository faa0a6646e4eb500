"""Where a store of either kind may be, for what every store promises."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from tests.seaweed import Seaweed

Store = TypeVar("Store")
Makers = dict[str, Callable[[pytest.FixtureRequest], Store]]
"""What makes an empty store, by where it is."""


def stores(in_folder: Callable[[Path], Store], in_bucket: Callable[[Seaweed, str, str], Store]) -> Makers[Store]:
    """The makers of stores of one kind; `in_bucket` is given a bucket and a prefix."""

    def directory(request: pytest.FixtureRequest) -> Store:
        folder: Path = request.getfixturevalue("tmp_path")
        return in_folder(folder / "archive")

    def bucket(request: pytest.FixtureRequest, prefix: str = "") -> Store:
        seaweed: Seaweed = request.getfixturevalue("seaweed")
        return in_bucket(seaweed, seaweed.new_bucket(), prefix)

    return {
        "directory": directory,
        "bucket": bucket,
        "folder of a bucket": lambda request: bucket(request, "market data/2026"),
    }
