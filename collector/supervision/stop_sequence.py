"""The stop sequence: a stage is told to stop once the one before it is dead, and all stages share one deadline."""

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Final

from collector.processes.roles import role_of
from collector.supervision.child import Child

HURRY_SECS: Final = 2.0
"""Time until the deadline after a second signal."""

LEAVE_SECS: Final = 1.0
"""How long before the deadline children that still work are asked to exit at once."""

_ASK_AGAIN_SECS: Final = 0.25
"""How often they are asked: a child that had not yet seen its stop Event ignores the first signal."""


def stages(children: Sequence[Child]) -> list[list[Child]]:
    """The children that stop together, in the order in which the stages stop. They are given stage by stage."""
    by_stage = groupby(children, key=lambda child: role_of(child.role).stage)
    return [list(stage) for _, stage in by_stage]


class Stop:
    """Everything from the first signal to the end of the last process; `step` never waits."""

    def __init__(self, stages: Sequence[Sequence[Child]], deadline: float) -> None:
        self._stages = list(stages)
        self._told = False
        self._ask_at = -math.inf
        self.deadline = deadline

    def hurry(self, now: float) -> None:
        """Bring the deadline forward."""
        self.deadline = min(self.deadline, now + HURRY_SECS)

    def step(self, now: float) -> bool:
        """Tell the next stage to stop once the one before it is done; true once all are done."""
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
        """Whether the deadline has passed."""
        return now >= self.deadline
