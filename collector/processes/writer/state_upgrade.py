"""How state of an older form becomes state of the present one, a step from each form to the next."""

from collections.abc import Callable, Mapping
from typing import Final

from collector.storage.segment.state import SegmentState

Step = Callable[[SegmentState], SegmentState]


def _as_it_is(state: SegmentState) -> SegmentState:
    """Form 2 reads the bytes of form 1; what only that had is carried over when a feed's journal is opened."""
    return state


_STEPS: Final[Mapping[int, Step]] = {1: _as_it_is}
"""By the form they begin with."""


def upgraded(state: SegmentState, steps: Mapping[int, Step] = _STEPS) -> SegmentState:
    """The same, in the present form."""
    while (step := steps.get(state.version)) is not None:
        state = step(state)._replace(version=state.version + 1)
    return state
