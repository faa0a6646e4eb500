"""Stopping in order: a stage is told only when the one before it is dead, and all share one deadline."""

import math
from collections.abc import Sequence
from typing import Final

from collector.supervision.child import Child

HURRY_SECS: Final = 2.0
"""What a second signal leaves of the time."""

LEAVE_SECS: Final = 1.0
"""So long before the deadline whoever still works is asked to leave its work as it is."""

_ASK_AGAIN_SECS: Final = 0.25
"""One that had not yet seen that it shall stop takes no notice of the first time."""


class Stop:
    """The way from the first signal to the last process's end; `step` never waits."""

    def __init__(self, stages: Sequence[Sequence[Child]], deadline: float) -> None:
        self._stages = list(stages)
        self._told = False
        self._ask_at = -math.inf
        self.deadline = deadline

    def hurry(self, now: float) -> None:
        """Cut the time short."""
        self.deadline = min(self.deadline, now + HURRY_SECS)

    def step(self, now: float) -> bool:
        """Tell the next stage to stop once the one before it is done; true when all are."""
        while self._stages:
            stage = self._stages[0]
            if not self._told:
                self._told = True
                for child in stage:
                    child.tell_stop(now)
            if any(child.state != "done" for child in stage):
                self._ask_to_leave(stage, now)
                return False
            self._stages.pop(0)
            self._told = False
        return True

    def _ask_to_leave(self, stage: Sequence[Child], now: float) -> None:
        if now < max(self._ask_at, self.deadline - LEAVE_SECS):
            return
        self._ask_at = now + _ASK_AGAIN_SECS
        for child in stage:
            child.ask_to_leave()

    def is_late(self, now: float) -> bool:
        """Whether the time is up."""
        return now >= self.deadline
