"""What the processes cost, as the operating system counts it."""

from collections.abc import Iterable
from typing import NamedTuple

import psutil


class Usage(NamedTuple):
    """Resident memory, and processor time in percent of one core since the look before (0.0 at the first)."""

    rss_bytes: int
    cpu_percent: float


class UsageMeter:
    """Remembers each process between two looks, because processor time is a difference."""

    def __init__(self) -> None:
        self._known: dict[int, psutil.Process] = {}

    def read(self, pids: Iterable[int]) -> dict[int, Usage]:
        """The usage of every pid that still runs; one that vanished, or may not be looked at, is left out."""
        wanted = set(pids)
        self._known = {pid: process for pid, process in self._known.items() if pid in wanted}
        found = {}
        for pid in wanted:
            try:
                process = self._known.get(pid) or psutil.Process(pid)
                found[pid] = Usage(process.memory_info().rss, process.cpu_percent())
                self._known[pid] = process
            except psutil.Error:
                self._known.pop(pid, None)
        return found
