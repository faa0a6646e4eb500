"""Looks at the manifests in a thread of its own, which may wait for a store or a catalog as long as they like."""

import random
from collections.abc import Callable, Iterator
from threading import Event, Lock
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from collector.backoff import delays
from collector.domain.clock import Clock, Every
from collector.domain.errors import StoreError
from collector.domain.log import Log
from collector.processes.tabler.pace import Pace
from collector.reports import TablerReport

if TYPE_CHECKING:
    from collector.storage.table.work import Step, TableWork

TIDY_SECS: Final = 3_600.0
"""How often old metadata are removed, and what could not be used is tried again."""


class Looks:
    """`run` looks until `leave` is called; every other method may be called by another thread."""

    def __init__(
        self, opened: Callable[[], "TableWork"], snapshot_days: int, retry_secs: tuple[float, float], clock: Clock, log: Log
    ) -> None:  # fmt: skip
        """`opened` makes the work. `retry_secs` are the first and the longest wait after an error."""
        self._opened = opened
        self._work: TableWork | None = None
        self._snapshot_days = snapshot_days
        self._retry_secs = retry_secs
        self._clock = clock
        self._log = log
        self._pace = Pace()
        self._delays: Iterator[float] | None = None
        self._tidying = Every(TIDY_SECS, clock.monotonic)
        self._bell = Event()
        self._leaves = False
        self._looks_last = False
        self._lock = Lock()
        self._report = TablerReport()

    def run(self) -> None:
        """Look whenever it is due."""
        while not self._leaves:
            wait_secs = 0.0 if self._looks_last else self._waits()
            if wait_secs > 0.0:
                self._bell.wait(wait_secs)
                self._bell.clear()
                continue
            is_last = self._looks_last
            self._look()
            if is_last:
                return

    def notice(self) -> None:
        """Something was archived."""
        with self._lock:
            self._pace.noticed(self._clock.monotonic())
        self._bell.set()

    def look_last(self) -> None:
        """Look once more, and end."""
        self._looks_last = True
        self._bell.set()

    def leave(self) -> None:
        """End after the present commit."""
        self._leaves = True
        self._bell.set()

    @property
    def report(self) -> TablerReport:
        """What was done by now."""
        return self._report

    def _waits(self) -> float:
        with self._lock:
            return self._pace.wait_secs(self._clock.monotonic())

    def _look(self) -> None:
        with self._lock:
            self._pace.begun()
        try:
            self._work = self._work or self._opened()
            is_all = self._through(self._work)
        except (StoreError, OSError) as error:
            self._failed(str(error))
            return
        if self._delays is not None:
            self._delays = None
            self._log.info("tables_work_again")
        self._report = replace(self._report, last_error=None)
        with self._lock:
            self._pace.looked(self._clock.monotonic(), self._work.listing_secs, is_all=is_all)

    def _through(self, work: "TableWork") -> bool:
        """A whole look; whether it saw all there is."""
        begun = self._clock.monotonic()
        for step in work.look():
            self._note(step, self._clock.monotonic() - begun)
            begun = self._clock.monotonic()
            if self._leaves:
                return False
        if self._tidying.due():
            work.try_again()
            removed = work.tidy(self._clock.now_us(), self._snapshot_days)
            self._log.debug("tables_tidied", snapshots=removed.snapshots, files=removed.files)
        return work.is_all

    def _note(self, step: "Step", secs: float) -> None:
        done, report = step.done, self._report
        self._report = replace(
            report,
            commits=report.commits + done.commits,
            segments=report.segments + len(done.segments),
            files=report.files + done.files,
            conflicts=report.conflicts + done.conflicts,
            backlog_segments=step.left,
            commit_secs=round(secs, 3) if done.commits else report.commit_secs,
            last_commit_us=self._clock.now_us() if done.commits else report.last_commit_us,
        )
        if done.commits:
            self._log.info("tables_committed", segments=len(done.segments), files=done.files, commits=done.commits)

    def _failed(self, error: str) -> None:
        if self._delays is None:
            self._delays = delays(*self._retry_secs, random.random)
            self._log.warning("tables_held_up", error=error)
        self._report = replace(self._report, last_error=error)
        with self._lock:
            self._pace.failed(self._clock.monotonic(), next(self._delays))
