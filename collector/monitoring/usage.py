"""Memory, processor time and open files of the processes, as the operating system counts them."""

import time
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import psutil

from collector.domain.clock import Every


class Usage(NamedTuple):
    """The resources that a process uses."""

    rss_bytes: int
    cpu_percent: float
    """Percent of one core since the previous reading; 0.0 at the first."""
    cpu_secs: float = 0.0
    """Processor time of all processes of that name since the first reading; it only rises."""
    open_files: int = 0


USAGE_SECS: Final = 5.0
"""How often the usage is read: that costs more than all else that is done once a second."""


class UsageMeter:
    """Reads the usage of processes every USAGE_SECS, and keeps their counters between two readings."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._readings = Every(USAGE_SECS, monotonic)
        self._pids: Mapping[str, int] = {}
        self._found: dict[str, Usage] = {}
        self._known: dict[int, psutil.Process] = {}
        self._cpu_secs: dict[str, tuple[int, float, float]] = {}

    def newest(self, pids: Mapping[str, int]) -> Mapping[str, Usage]:
        """The usage as of the last reading, which is made now if it is time, or for other processes."""
        if self._readings.due() or pids != self._pids:
            self._pids, self._found = pids, self.read(pids)
        return self._found

    def read(self, pids: Mapping[str, int]) -> dict[str, Usage]:
        """The usage of every process that still runs; one that is gone or may not be inspected is left out."""
        wanted = set(pids.values())
        self._known = {pid: process for pid, process in self._known.items() if pid in wanted}
        found = {}
        for name, pid in pids.items():
            try:
                process = self._known.get(pid) or psutil.Process(pid)
                found[name] = self._look(name, process)
                self._known[pid] = process
            except psutil.Error:
                self._known.pop(pid, None)
        return found

    def _look(self, name: str, process: psutil.Process) -> Usage:
        with process.oneshot():
            times = process.cpu_times()
            cpu_secs = self._add(name, process.pid, times.user + times.system)
            return Usage(process.memory_info().rss, process.cpu_percent(), cpu_secs, process.num_fds())

    def _add(self, name: str, pid: int, secs: float) -> float:
        before_pid, before_secs, last_secs = self._cpu_secs.get(name, (pid, 0.0, 0.0))
        if pid != before_pid:
            before_secs, last_secs = before_secs + last_secs, 0.0
        # The kernel's count for one process may go back by a tick.
        last_secs = max(secs, last_secs)
        self._cpu_secs[name] = (pid, before_secs, last_secs)
        return before_secs + last_secs
