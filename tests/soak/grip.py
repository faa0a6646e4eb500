"""A hold on one process: its id alone may have been given to another meanwhile."""

import os
import signal
from typing import Self

from tests.soak.watch import Processes


class Grip:
    """Sends signals to one process of a run and to no other."""

    def __init__(self, pid: int) -> None:
        """Raises ProcessLookupError if there is none."""
        self.pid = pid
        try:
            self._fd = os.pidfd_open(pid)
        except FileNotFoundError as error:
            # What newer kernels say of a process that is being reaped at this very moment.
            raise ProcessLookupError(pid) from error

    def send(self, number: signal.Signals) -> bool:
        """Signal it; false if it has ended."""
        try:
            signal.pidfd_send_signal(self._fd, number)
        except ProcessLookupError:
            return False
        return True

    def __enter__(self) -> Self:
        """Let go at the end of a `with` block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go."""
        os.close(self._fd)


def grip(processes: Processes, pid: int) -> Grip | None:
    """A hold on a process of the run; None if it has ended."""
    try:
        held = Grip(pid)
    except ProcessLookupError:
        return None
    if processes.is_ours(pid):
        return held
    with held:
        return None


def end_all(processes: Processes, spared: str | None = None) -> None:
    """Kill every process of the run but those of that role."""
    for pid in processes.living():
        held = grip(processes, pid) if processes.role(pid) != spared else None
        if held is not None:
            with held:
                held.send(signal.SIGKILL)
