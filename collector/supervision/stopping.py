"""Stopping in order: a stage is told only when the one before it is dead, and all share one deadline."""

from collections.abc import Sequence
from typing import Final

from collector.supervision.child import Child

HURRY_SECS: Final = 2.0
"""What a second signal leaves of the time."""


class Stop:
    """The way from the first signal to the last process's end; `step` never waits."""

    def __init__(self, stages: Sequence[Sequence[Child]], deadline: float) -> None:
        self._stages = list(stages)
        self._told = False
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
                return False
            self._stages.pop(0)
            self._told = False
        return True

    def is_late(self, now: float) -> bool:
        """Whether the time is up."""
        return now >= self.deadline
