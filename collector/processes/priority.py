"""Who waits when there is more work than processors: what cannot be made up for later goes first."""

import os
from contextlib import suppress


def step_back(steps: int) -> None:
    """Let this process, and every thread it starts from now on, stand back by so many steps of nice(2).

    The kernel takes the rank of its disk requests from the same number (ioprio_set(2)). On a system that allows no change
    it goes on as it is.
    """
    with suppress(OSError):
        os.nice(steps)
