"""One role and the lives it goes through: started, watched, started again with backoff, told to stop, mourned."""

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Final

from structlog.typing import FilteringBoundLogger

from collector.supervision.child_process import ChildProcess
from collector.supervision.crash_codes import is_own_fault

STABLE_SECS: Final = 60.0
"""A child that lived this long starts again at once when it dies, as if it had never failed."""

Spawn = Callable[[str, int, bool], ChildProcess]
"""Make a new life: role, number of the incarnation, and whether the one before ended by a fault of its own."""


class Child:
    """A small machine driven by `tend`; it never waits.

    States: starting (lives, has not reported), running, draining (told to stop), backoff (dead, waits to be started
    again), failed (could not start), done (left after being told to).
    """

    def __init__(
        self,
        role: str,
        spawn: Spawn,
        delays: Callable[[], Iterator[float]],
        log: FilteringBoundLogger,
        *,
        drains: bool,
    ) -> None:
        self.role = role
        self.state = "starting"
        self.restarts = 0
        self.ever_up = False
        self.exit_code: int | None = None
        self._spawn = spawn
        self._new_delays = delays
        self._log = log
        self._drains = drains
        self._delays = chain([0.0], delays())
        self._number = 0
        self._crashed = False
        self._life: ChildProcess | None = None
        self._started_at = 0.0
        self._progress_at = 0.0
        self._stamp: object = None
        self._waits = False
        self._told_wait = False
        self._retry_at = 0.0
        self._stopping = False

    @property
    def life(self) -> ChildProcess | None:
        """The present incarnation, if one lives or has not been buried yet."""
        return self._life

    @property
    def pid(self) -> int | None:
        """The present process."""
        return self._life.pid if self._life else None

    def start(self, now: float) -> None:
        """Begin a life."""
        self._number += 1
        self._waits = self._told_wait = False
        self._started_at = self._progress_at = now
        try:
            self._life = self._spawn(self.role, self._number, self._crashed)
        except OSError as error:
            # Too few file descriptors, processes or semaphores now; there may be more later.
            self._log.warning("process_not_started", child=self.role, error=str(error))
            self._wait(now)
            return
        self.state = "draining" if self._stopping else "starting"
        self._log.info("process_started", child=self.role, pid=self._life.pid, incarnation=self._number)
        if self._stopping:
            self._life.tell_stop()

    def note_report(self, pid: int, stamp: object, now: float) -> None:
        """Its newest report, made by its working loop: one with a stamp never seen before is progress."""
        if pid != self.pid or stamp == self._stamp:
            return
        self._stamp, self._progress_at = stamp, now
        if self.state == "starting":
            self.state, self.ever_up = "running", True

    def note_pulse(self, now: float, *, waits: bool) -> None:
        """Its loop turns, or from now on waits for the disk."""
        self._progress_at, self._waits = now, waits
        self._told_wait = self._told_wait and waits

    @property
    def waits_for_disk(self) -> bool:
        """Whether it waits for the disk, as it said before it began to."""
        return self._waits

    def unreported_secs(self, now: float) -> float | None:
        """For how long a process that runs has reported nothing; None while none runs."""
        return now - self._progress_at if self._life is not None and self.state == "running" else None

    def excuse(self, secs: float, now: float) -> None:
        """So much of the time since its last report is not held against it."""
        self._progress_at = min(now, self._progress_at + secs)

    def end_if_hung(self, now: float, hang_timeout_secs: float) -> None:
        """Kill it when it lives without having reported for so long; `tend` then starts the next life.

        The loop that works is the one that reports, also while it idles or waits on purpose: one that is stopped does
        not. One that waits for the disk is left to wait, however long: a kill would reach it only when the disk answers,
        and whatever comes after it would wait for the same.
        """
        if self._life is None or now - self._progress_at <= hang_timeout_secs:
            return
        if not self._waits or self._life.is_stopped:
            self._log.error(
                "process_hung", child=self.role, pid=self._life.pid, silent_secs=round(now - self._progress_at)
            )
            self._progress_at = now
            self._life.kill()
        elif not self._told_wait:
            self._told_wait = True
            self._log.warning("process_waits_for_disk", child=self.role, pid=self._life.pid)

    def tend(self, now: float) -> None:
        """Bury the dead and start the next life when its time has come."""
        if self._life is None:
            if self.state == "backoff" and now >= self._retry_at:
                self.restarts += 1
                self.start(now)
            return
        code = self._life.exit_code
        if code is not None:
            self._bury(code, now)

    def tell_stop(self, now: float) -> None:
        """Ask for the end. One that is dead is started once more if it has a backlog to drain."""
        self._stopping = True
        if self._life is not None:
            self.state = "draining"
            self._life.tell_stop()
        elif self._drains:
            self.start(now)
        else:
            self.state = "done"

    def ask_to_leave(self) -> None:
        """The time is nearly up: what it has begun may stay undone."""
        if self._life is not None:
            self._life.ask_to_leave()

    def end(self) -> None:
        """Kill it and wait until it is gone."""
        if self._life is not None:
            self._life.kill()
            self._life.release()
            self._life = None
        self.state = "failed"

    def _bury(self, code: int, now: float) -> None:
        assert self._life is not None  # noqa: S101 -- for the type checker; `tend` asked
        pid, lived = self._life.pid, now - self._started_at
        self._life.release()
        self._life, self.exit_code, self._crashed = None, code, is_own_fault(code)
        if self._stopping and (code == 0 or not self._drains):
            self.state = "done"
            self._log.info("process_stopped", child=self.role, pid=pid, exit_code=code)
            return
        if lived >= STABLE_SECS:
            self._delays = chain([0.0], self._new_delays())
        delay = self._wait(now)
        self._log.warning(
            "process_died", child=self.role, pid=pid, exit_code=code, lived_secs=round(lived, 3),
            retry_in_secs=round(delay, 3),
        )  # fmt: skip

    def _wait(self, now: float) -> float:
        delay = next(self._delays)
        self.state, self._retry_at = "backoff", now + delay
        return delay
