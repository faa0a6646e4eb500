"""A child of the supervisor over all its incarnations: started, watched, restarted with backoff, renewed, stopped."""

import math
import signal
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Final

from collector.domain.log import Log
from collector.supervision.child_process import ChildProcess
from collector.supervision.crash_codes import is_own_fault

STABLE_SECS: Final = 60.0
"""A child that ran this long is restarted at once when it dies, as if it had never failed before."""

Spawn = Callable[[str, int, bool], ChildProcess]
"""Starts a process: its name, the incarnation's number, and whether the previous one ended by a fault of its own."""


class Child:
    """A state machine driven by `tend`; it never waits.

    States: starting (runs, has not reported yet), running, draining (told to stop, also if another incarnation
    follows), backoff (dead, waits for its restart), failed (could not start), done (has stopped as told).
    """

    def __init__(
        self,
        role: str,
        spawn: Spawn,
        delays: Callable[[], Iterator[float]],
        log: Log,
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
        self._wait_logged = False
        self._retry_at = 0.0
        self._stopping = False
        self._renewing = self._leaving = False
        self._leave_by = math.inf

    @property
    def life(self) -> ChildProcess | None:
        """The present incarnation; None if the last one is dead and released."""
        return self._life

    @property
    def pid(self) -> int | None:
        """The id of the present process, if there is one."""
        return self._life.pid if self._life else None

    def start(self, now: float) -> None:
        """Start the next incarnation."""
        self._number += 1
        self._renewing, self._leave_by = False, math.inf
        self._waits = self._wait_logged = False
        self._started_at = self._progress_at = now
        try:
            self._life = self._spawn(self.role, self._number, self._crashed)
        except OSError as error:
            # File descriptors, processes or semaphores have run out; there may be some later.
            self._log.warning("process_not_started", child=self.role, error=str(error))
            self._wait(now)
            return
        self.state = "draining" if self._stopping else "starting"
        self._log.info("process_started", child=self.role, pid=self._life.pid, incarnation=self._number)
        if self._stopping:
            self._life.tell_stop()

    def note_report(self, pid: int, stamp: object, now: float) -> None:
        """Take in its newest report, which its main loop makes: a stamp that differs from the last one is progress."""
        if pid != self.pid or stamp == self._stamp:
            return
        self._stamp, self._progress_at = stamp, now
        if self.state == "starting":
            self.state, self.ever_up = "running", True

    def note_heartbeat(self, now: float, *, waits: bool) -> None:
        """Take in that its main loop runs, or that it waits for the disk from now on."""
        self._progress_at, self._waits = now, waits
        self._wait_logged = self._wait_logged and waits

    @property
    def waits_for_disk(self) -> bool:
        """Whether it waits for the disk, as it reported before the wait."""
        return self._waits

    def unreported_secs(self, now: float) -> float | None:
        """Seconds since a running process last reported; None if none runs."""
        return now - self._progress_at if self._life is not None and self.state == "running" else None

    def excuse(self, secs: float, now: float) -> None:
        """Do not count these seconds as time without a report."""
        self._progress_at = min(now, self._progress_at + secs)

    def end_if_hung(self, now: float, hang_timeout_secs: float) -> None:
        """Kill the process if it has not reported for `hang_timeout_secs`; `tend` then starts the next incarnation.

        The main loop reports also while it idles or waits on purpose; a process that is stopped (SIGSTOP) does not. A
        process that waits for the disk is not killed, however long it waits: the kill would take effect only when the
        disk answers, and the next incarnation would wait for the same disk.
        """
        if self._life is None or now - self._progress_at <= hang_timeout_secs:
            return
        if not self._waits or self._life.is_stopped:
            self._log.error(
                "process_hung", child=self.role, pid=self._life.pid, silent_secs=round(now - self._progress_at)
            )
            self._progress_at = now
            self._life.kill()
        elif not self._wait_logged:
            self._wait_logged = True
            self._log.warning("process_waits_for_disk", child=self.role, pid=self._life.pid)

    def retry_secs(self, now: float) -> float:
        """Seconds until the next incarnation is due; infinite if none is waited for."""
        return max(0.0, self._retry_at - now) if self._life is None and self.state == "backoff" else math.inf

    def tend(self, now: float) -> None:
        """Release a dead process, and start the next incarnation once its delay is over."""
        if self._life is None:
            if self.state == "backoff" and now >= self._retry_at:
                self.restarts += 1
                self.start(now)
            return
        code = self._life.exit_code
        if code is not None:
            self._note_death(code, now)
        elif now >= self._leave_by:
            self._leave_by = math.inf
            self._log.warning("process_forced_to_leave", child=self.role, pid=self._life.pid)
            self._life.kill()

    def renew(self, now: float, limit_secs: float) -> None:
        """Replace the process by the next incarnation, which is no restart; a dead one is followed at once.

        It is killed if it has not left after `limit_secs`.
        """
        if self._life is not None:
            self._renewing, self._leave_by = True, now + limit_secs
            self.state = "draining"
            self._life.renew()
        elif self.state == "backoff":
            self._retry_at = now

    def retire(self, now: float, limit_secs: float) -> None:
        """Stop it for good while others go on; `state` is done at the end. It is killed if that takes `limit_secs`."""
        self.tell_stop(now)
        self._leave_by = now + limit_secs

    def leave(self, now: float, limit_secs: float) -> None:
        """As `retire`, but it leaves everything as it is to a process of another supervisor."""
        self._stopping = self._leaving = True
        self._leave_by = now + limit_secs
        if self._life is None:
            self.state = "done"
        else:
            self.state = "draining"
            self._life.renew()

    def recall(self, now: float) -> None:
        """Let the next incarnation follow the process that was to be the last."""
        self._stopping = self._leaving = False
        if self._life is not None:
            self._renewing = True
        elif self.state == "done":
            self.start(now)

    def tell_stop(self, now: float) -> None:
        """Ask it to finish its input and exit; a dead one is started once more if it has a backlog to drain."""
        self._stopping = True
        if self._life is not None:
            self.state = "draining"
            self._life.tell_stop()
        elif self._drains:
            self.start(now)
        else:
            self.state = "done"

    def ask_to_leave(self) -> None:
        """Ask it to exit now, whatever is unfinished, because the deadline is near."""
        if self._life is not None:
            self._life.ask_to_leave()

    def end(self) -> None:
        """Kill the process and wait until it is gone."""
        if self._life is not None:
            self._life.kill()
            self._life.release()
            self._life = None
        self.state = "failed"

    def _note_death(self, code: int, now: float) -> None:
        assert self._life is not None  # noqa: S101 -- for the type checker: `tend` has checked it
        pid, lived = self._life.pid, now - self._started_at
        self._life.release()
        self._life, self.exit_code, self._crashed = None, code, is_own_fault(code)
        if self._is_renewed_by(code):
            self._log.info("process_renewed", child=self.role, pid=pid)
            self.start(now)
            return
        if self._stopping and (code == 0 or self._leaving or not self._drains):
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

    def _is_renewed_by(self, code: int) -> bool:
        """Whether it has left as it was asked to, or was made to, for a successor that is still wanted."""
        wanted = self._renewing and (self._drains or not self._stopping)
        return wanted and code in {0, -signal.SIGKILL}

    def _wait(self, now: float) -> float:
        delay = next(self._delays)
        self.state, self._retry_at = "backoff", now + delay
        return delay
