"""The supervisor: starts the children, forwards their notices, watches, restarts and renews them, and stops them in order.

It does no data work and never waits for a child. Its single loop waits for signals, notices and the ends of processes, and
looks at the time about once a second.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from multiprocessing import connection
from typing import Final

from collector.channel.channel import ALIVE, CONFIG, Notice
from collector.config import Config
from collector.domain.clock import Clock, Every
from collector.domain.errors import AnotherInstanceError, CannotStartError, NewerDataError, StopError
from collector.domain.log import Log
from collector.processes.roles import role_of
from collector.reports import Report
from collector.supervision.child import Child, Spawn
from collector.supervision.notice_ways import NoticeWays
from collector.supervision.reload_steps import Steps
from collector.supervision.signals import Signals
from collector.supervision.stop_sequence import Stop, stages

STOP_TICK_SECS: Final = 0.02
"""How often the stop's own deadlines are looked at while it goes on."""

LOOK_SECS: Final = 1.0
"""How often the children's reports are read."""

_COUNTED_SECS: Final = 2 * LOOK_SECS
"""The most that the time between two reads of the reports counts against a child. What is beyond was a pause of this
process: most often the container or the whole machine was stopped, and the children have not yet resumed either."""

EXIT_LATE: Final = 5
_CANNOT_START: Final[Mapping[int, type[StopError]]] = {
    error.exit_code: error for error in (NewerDataError, AnotherInstanceError)
}

Reports = Mapping[str, Report]


class Supervisor:
    """Runs the children until told to stop.

    `read_reports` returns the children's newest reports and when each was written; `look` is called about once a second
    with this supervisor and the reports.
    """

    def __init__(
        self,
        config: Config,
        spawn: Spawn,
        delays: Callable[[], Iterator[float]],
        read_reports: Callable[[], tuple[Reports, Mapping[str, int]]],
        look: Callable[["Supervisor", Reports], None],
        signals: Signals,
        clock: Clock,
        log: Log,
        *,
        processes: Iterable[str],
        stop_after_secs: float | None = None,
    ) -> None:
        """`processes`: the names of the children, stage by stage."""
        self._config = config
        self._spawn, self._delays = spawn, delays
        self._read_reports = read_reports
        self._look = look
        self._signals = signals
        self._clock = clock
        self._log = log
        self._stop_at = None if stop_after_secs is None else clock.monotonic() + stop_after_secs
        self._stop: Stop | None = None
        self._looks = Every(LOOK_SECS, clock.monotonic)
        self._looked_at = clock.monotonic()
        self._children: list[Child] = []
        self._ways = NoticeWays(())
        self._join([self._new_child(name) for name in processes])
        self._all_up_once = False
        self._ended: int | None = None
        self.wakes: set[int] = set()
        """Further descriptors; once one is readable, `look` is called at once."""
        self.holds_signals = False
        """Whether a signal has to wait, because processes of two programs are changing places."""

    @property
    def children(self) -> Sequence[Child]:
        """Every child, stage by stage."""
        return self._children

    @property
    def recording(self) -> bool:
        """Whether every child has reported at least once."""
        return self._all_up_once

    @property
    def stopping(self) -> bool:
        """Whether it was told to stop."""
        return self._stop is not None

    @property
    def stops_in_secs(self) -> float | None:
        """In how long it stops by itself; None if it does not."""
        return None if self._stop_at is None else max(0.0, self._stop_at - self._clock.monotonic())

    @property
    def hops(self) -> list[tuple[str, str, int, int]]:
        """Each hop of notices: sender, receiver, notices waiting, capacity."""
        return [(*hop, self._config.channel.capacity) for hop in self._ways.hops()]

    def reconfigure(self, config: Config, number: int, steps: Steps) -> None:
        """Work by this configuration, of which `spawn` knows already, and take these steps; never waits."""
        self._config = config
        now, limit_secs = self._clock.monotonic(), config.supervisor.stop_timeout_secs
        known = {child.role: child for child in self._children}
        for name in steps.retire:
            known[name].retire(now, limit_secs)
        for name in steps.leave:
            known[name].leave(now, limit_secs)
        for name in steps.start:
            if name in known:
                known[name].recall(now)
        joining = [self._new_child(name) for name in steps.start if name not in known]
        for child in joining:
            child.start(now)
        self._join(joining)
        for name in steps.renew:
            known[name].renew(now, limit_secs)
        for name in steps.tell:
            if (life := known[name].life) is not None:
                life.forward(Notice("supervisor", CONFIG, number, 0))

    def end(self, code: int) -> None:
        """Let `run` return `code` at once; what still runs is killed."""
        self._ended = code

    def _new_child(self, name: str) -> Child:
        return Child(name, self._spawn, self._delays, self._log, drains=not role_of(name).stops_on_signal)

    def _join(self, joining: Iterable[Child] = (), leaving: Iterable[Child] = ()) -> None:
        left = set(leaving)
        children = [child for child in (*self._children, *joining) if child not in left]
        self._children = sorted(children, key=lambda child: role_of(child.role).stage)
        self._ways = NoticeWays(self._children)

    def run(self) -> int:
        """Record until told to stop; returns 0, or 5 if the deadline passed with anything unread or uncommitted.

        Raises StopError if it cannot start.
        """
        try:
            # From the last stage to the first, so that every sender has a receiver.
            for child in reversed(self.children):
                child.start(self._clock.monotonic())
            while not self._is_over():
                self._relay()
                self._tend()
                self._report()
                self._handle_signals()
                self._pause()
        except StopError:
            self._end_all()
            raise
        except Exception:
            # A fault of the supervisor: what was read is safe on disk, and the service manager restarts the recorder.
            self._log.exception("supervisor_failed")
            self._end_all()
            raise
        killed = self._end_all()
        if self._ended is not None:
            return self._ended
        is_late = any(not role_of(name).backlog_may_wait for name in killed)
        if is_late:
            self._log.error("stop_late", killed=killed)
        elif killed:
            self._log.warning("stop_late", killed=killed)
        self._report(now=True)
        return EXIT_LATE if is_late else 0

    def _relay(self) -> None:
        for child in self.children:
            if child.life is None:
                continue
            newest = {notice.kind: notice for notice in child.life.notices()}
            if ALIVE in newest:
                child.note_heartbeat(self._clock.monotonic(), waits=bool(newest[ALIVE].number))
            self._ways.forward(child, newest)

    def _tend(self) -> None:
        now = self._clock.monotonic()
        for child in self.children:
            child.tend(now)
            if child.state == "backoff" and not self._all_up_once:
                self._refuse_if_it_cannot_start(child)
        if self._stop is None and (retired := [child for child in self.children if child.state == "done"]):
            self._join(leaving=retired)

    def _refuse_if_it_cannot_start(self, child: Child) -> None:
        # A child that a signal killed (a negative code) or that stopped with code 0 was able to start; one that ended by
        # itself before its first report was not.
        if child.exit_code is None or child.exit_code <= 0 or child.ever_up:
            return
        child.state = "failed"
        reason = f"{child.role} cannot start (exit code {child.exit_code}); the reason is in the log"
        raise _CANNOT_START.get(child.exit_code, CannotStartError)(reason)

    def _report(self, *, now: bool = False) -> None:
        if not (self._looks.due() or now):
            return
        reports, signs = self._read_reports()
        at = self._clock.monotonic()
        paused_secs = max(0.0, at - self._looked_at - _COUNTED_SECS)
        self._looked_at = at
        for child in self.children:
            child.excuse(paused_secs, at)
            report = reports.get(child.role, Report())
            child.note_report(report.pid, (report.updated_us, signs.get(child.role)), at)
            child.end_if_hung(at, self._hang_limit_secs(child))
        if not self._all_up_once and all(child.ever_up for child in self.children):
            self._all_up_once = True
            self._log.info("recording", children=len(self.children))
        try:
            self._look(self, reports)
        except Exception:  # noqa: BLE001 -- a fault in what is shown must not end the recording
            self._log.exception("status_failed")

    def _hang_limit_secs(self, child: Child) -> float:
        limits = self._config.supervisor
        # A child that starts may first have to wait for its role's lock.
        return limits.hang_timeout_secs + (limits.stop_timeout_secs if child.state == "starting" else 0.0)

    def _handle_signals(self) -> None:
        now = self._clock.monotonic()
        if self._signals.take_wake():
            self._looks = Every(LOOK_SECS, self._clock.monotonic)
        if self.holds_signals or self._ended is not None:
            return  # for later, or for whoever ended this
        name = self._signals.take()
        if name is None and self._stop is None and self._stop_at is not None and now >= self._stop_at:
            name = "stop_after"
        if name is None:
            return
        if self._stop is None:
            self._stop = Stop(stages(self._children), now + self._config.supervisor.stop_timeout_secs)
            self._log.info("stopping", cause=name, deadline_secs=self._config.supervisor.stop_timeout_secs)
            self._looks = Every(LOOK_SECS, self._clock.monotonic)  # whoever looks on sees at once that it stops
        else:
            self._stop.hurry(now)
            self._log.warning("hurrying", cause=name)

    def _is_over(self) -> bool:
        if self._ended is not None or self._stop is None:
            return self._ended is not None
        now = self._clock.monotonic()
        return self._stop.step(now) or self._stop.is_late(now)

    def _end_all(self) -> list[str]:
        """Kill every child that still runs; returns their names. A failure to end one does not spare the others."""
        left = [child for child in self.children if child.state not in {"done", "failed"}]
        for child in left:
            try:
                child.end()
            except Exception:  # noqa: BLE001 -- a failure to end one must not spare the others
                self._log.exception("process_not_ended", child=child.role)
        return [child.role for child in left]

    def _pause(self) -> None:
        lives = [child.life for child in self.children if child.life is not None]
        descriptors = chain.from_iterable(life.descriptors for life in lives)
        ready = connection.wait([self._signals.fileno(), *self.wakes, *descriptors], self._wait_secs())
        if not self.wakes.isdisjoint(ready):
            self._looks = Every(LOOK_SECS, self._clock.monotonic)
        if self._signals.fileno() in ready:
            self._signals.clear()

    def _wait_secs(self) -> float:
        """How long there is nothing to do if nothing happens."""
        if self._stop is not None:
            return STOP_TICK_SECS
        now = self._clock.monotonic()
        stop_secs = math.inf if self._stop_at is None else max(0.0, self._stop_at - now)
        return min(self._looks.wait_secs(), stop_secs, *(child.retry_secs(now) for child in self.children))
