"""Where a child's reports go: beside those of another supervisor's children until its own holds the data directory."""

import os
from pathlib import Path
from typing import Final

from collector.processes.roles import report_of, runs_beside_successor
from collector.reports import Report
from collector.stats_files import StatsFile, read_reports, stats_file
from collector.storage.locks import supervisor_lock

STATS: Final = "run/stats"
BESIDE: Final = "run/stats-beside"
"""For the children of a program that is about to take over: their names are those of the children that still record."""


def newest_reports(data_dir: Path) -> dict[str, Report]:
    """The newest report of each process that works for the recorder, also of a program that is about to take over.

    Of two that run side by side that is the one of the program that holds the data directory.
    """
    reports = read_reports(data_dir / STATS, report_of)
    for role, report in read_reports(data_dir / BESIDE, report_of).items():
        known = reports.get(role)
        if known is None or (not runs_beside_successor(role) and report.updated_us > known.updated_us):
            reports[role] = report
    return reports


class StatsPlace:
    """The file of one process's reports."""

    def __init__(self, data_dir: Path, role: str, *, succeeds: bool) -> None:
        """`succeeds`: its supervisor may not be yet the one that holds the data directory."""
        self._data_dir = data_dir
        self._role = role
        self._lock = supervisor_lock(data_dir)
        self._parent = str(os.getppid())
        self._file = stats_file(data_dir / (BESIDE if succeeds else STATS), role)
        self._waits = succeeds

    def file(self) -> StatsFile:
        """The file to write to now. What the lock's file names is looked up until it is this process's parent."""
        if self._waits and self._lock.holder() == self._parent:
            self._waits = False
            self._file = stats_file(self._data_dir / STATS, self._role)
        return self._file
