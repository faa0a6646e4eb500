"""Upgrades stored state of an older version to the present one, one step per version."""

from collections.abc import Callable, Mapping
from typing import Final

from collector.storage.segment.state import SegmentState

Step = Callable[[SegmentState], SegmentState]


def _as_it_is(state: SegmentState) -> SegmentState:
    """Each version decodes the bytes of the one before: fields were only added.

    `feed_state_version_1` moves fields of version 1 when a feed's journal is opened.
    """
    return state


_STEPS: Final[Mapping[int, Step]] = {1: _as_it_is, 2: _as_it_is}
"""Steps by the version they upgrade from."""


def upgraded(state: SegmentState, steps: Mapping[int, Step] = _STEPS) -> SegmentState:
    """The state, upgraded to the present version."""
    while (step := steps.get(state.version)) is not None:
        state = step(state)._replace(version=state.version + 1)
    return state
