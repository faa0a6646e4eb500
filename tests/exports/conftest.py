"""Archives that tests of exports share with those of reading."""

from tests.read.conftest import frames, world

__all__ = ["frames", "world"]
