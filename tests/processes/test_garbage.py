"""Looking for garbage costs a process little, and finds it all the same."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from collector.processes.garbage import YOUNG_OBJECTS, look_seldom


@pytest.fixture(autouse=True)
def python_as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


class Node:
    """Refers to itself."""

    def __init__(self) -> None:
        self.itself = self


def test_garbage_is_found_before_much_of_it_has_gathered() -> None:
    look_seldom()
    gone = weakref.ref(Node())
    kept: list[list[int]] = []
    while gone() is not None and len(kept) <= 2 * YOUNG_OBJECTS:
        kept.append([])
    assert gone() is None


def test_a_batch_of_messages_makes_nobody_look() -> None:
    look_seldom()
    looks = gc.get_stats()[0]["collections"]
    batch = [[] for _ in range(YOUNG_OBJECTS // 4)]  # type: ignore[var-annotated]
    assert gc.get_stats()[0]["collections"] == looks
    assert batch
