"""The earlier program's side of a handover: a later one starts beside it, takes over step by step, and may fail at each.

    starting   the later program's ingests connect beside ours
    clearing   our other processes leave everything as it is
    trying     the later program's take their place, while both programs' ingests record
    leaving    our ingests close their connections, and this program ends

Which processes run side by side and which change places stands in the table of roles; on a host without an ingest all
change places. Up to the very end a failure of the later program ends its processes, and ours are started again: ours
record until then.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from collector import __version__
from collector.config.handed_on import newest_number, remove_configs, write_config
from collector.domain.clock import Clock
from collector.domain.log import Log
from collector.processes.roles import processes_of, runs_beside_successor
from collector.processes.stats_place import BESIDE
from collector.stats_files import clear_stats
from collector.storage.formats import FORMATS
from collector.supervision.control import Answer, Request
from collector.supervision.handover_link import (
    Alive,
    Any,
    Connected,
    Failed,
    Gone,
    Hello,
    Here,
    Sound,
    Stored,
    Yours,
)
from collector.supervision.handover_rules import (
    connected_note,
    first_connection,
    hindrance,
    sound_note,
    stored_note,
    warnings,
)
from collector.supervision.other_program import Facts, Other
from collector.supervision.reload_steps import Steps
from collector.supervision.supervisor import LOOK_SECS, Reports, Supervisor

CONNECT_SECS: Final = 300.0
"""How long the later program's ingests may take to connect."""

LONGEST_TRIAL_SECS: Final = 400.0
"""How much longer than `supervisor.handover_min_secs` it may take until it brings every stream."""

_LOOKS_APART_SECS: Final = 2 * LOOK_SECS


class HandingOver:
    """Sees one handover through. `look` is called about once a second and never waits."""

    def __init__(
        self, facts: Facts, clock: Clock, log: Log, start: Callable[[Sequence[str], Facts], Other] = Other
    ) -> None:
        self._facts = facts
        self.follow: Callable[[bool], None] = _nobody
        """Is told whether the later program's processes work in the place of those of this one that have left."""
        self._clock = clock
        self._log = log
        self._start = start
        self._other: Other | None = None
        self._phase = ""
        self._deadline = self._heard_at = self._looked_at = 0.0
        self._waits_for = ""
        self._told_to_stop = self._has_raised = False
        self.is_done = False
        """Whether all processes of this program have left, and the later one records alone."""
        self.notes: list[str] = []
        """What has happened so far, for people."""

    @property
    def is_under_way(self) -> bool:
        """Whether there is a later program."""
        return self._other is not None

    @property
    def pid(self) -> int:
        """The later program's process id; 0 if there is none."""
        return 0 if self._other is None else self._other.pid

    def begin(self, request_id: str, request: Request, supervisor: Supervisor, reports: Reports) -> Answer | None:
        """Start the program that the request names; returns the answer if that is refused."""
        answer = Answer(state="refused", config_number=self._facts.current.number)
        if problem := hindrance(request, is_demo=not self._facts.is_reloadable):
            return _with_problems(answer, problem)
        config = self._facts.current.config
        try:
            number = newest_number(config.data_dir) + 1
            write_config(config.data_dir, number, config)
            clear_stats(config.data_dir / BESIDE)  # of an earlier handover
            self._facts.current.number = number
            self._other = self._start(request.program, self._facts)
        except OSError as error:
            return _with_problems(answer, f"the program cannot be started: {error}")
        self._other.link.send(self._hello(request_id, supervisor, reports))
        supervisor.wakes.add(self._other.link.fileno())
        self._told_to_stop = self._has_raised = False
        self.notes = [
            f"version {request.version} is started beside version {__version__}, as process {self._other.pid}"
        ]
        self._enter("starting", CONNECT_SECS)
        self._log.info("handover_begun", pid=self._other.pid, version=request.version)
        return None

    def _hello(self, request_id: str, supervisor: Supervisor, reports: Reports) -> Hello:
        facts = self._facts
        return Hello(
            version=__version__,
            data_dir=str(facts.current.config.data_dir),
            run_id=facts.run_id,
            request_id=request_id,
            config_number=facts.current.number,
            formats=dict(FORMATS),
            lock=list(facts.lock.descriptors),
            first_connections={
                child.role: first_connection(reports.get(child.role))
                for child in supervisor.children
                if runs_beside_successor(child.role)
            },
            stop_after_secs=supervisor.stops_in_secs,
            log_file="" if facts.log_file is None else str(facts.log_file.path),
        )

    def progress(self) -> Answer:
        """How far it is, for whoever asked."""
        still = [self._waits_for] if self._waits_for else []
        number = self._facts.current.number
        return Answer(
            state="under_way", goes_on=True, config_number=number, notes=list(self.notes), still=still, pid=self.pid
        )

    def look(self, supervisor: Supervisor) -> Answer | None:
        """Take the next step; returns the answer if the handover has failed. Otherwise the later program gives it."""
        other = self._other
        if other is None:
            return None
        now = self._clock.monotonic()
        # Longer than between two looks, this program was paused, and the other one perhaps with it.
        self._deadline += max(0.0, now - self._looked_at - _LOOKS_APART_SECS)
        self._looked_at = now
        failure = ""
        for message in other.link.receive():
            self._heard_at = now
            failure = failure or self._take(message, supervisor)
        failure = failure or next(self._failures(other, supervisor, now), "")
        if failure:
            return self._fall_back(other, supervisor, failure)
        if self._phase == "clearing" and all(runs_beside_successor(child.role) for child in supervisor.children):
            supervisor.holds_signals = False
            other.link.send(Yours())
            self.follow(True)
            self._enter("trying", self._facts.current.config.supervisor.handover_min_secs + LONGEST_TRIAL_SECS)
        if self._has_left(supervisor):
            # A stop that found nobody left to stop is for the later program.
            self.is_done = not supervisor.stopping
            supervisor.end(0)
            self._note("this version has left")
        return None

    def _take(self, message: Any, supervisor: Supervisor) -> str:
        """Take a message in; returns why the handover has failed, if it has."""
        config = self._facts.current.config
        match message:
            case Here(version=version, raised=raised):
                self._has_raised = bool(raised)
                self._note(f"version {version} answers", *warnings(raised))
            case Alive(waits_for=waits_for, told_to_stop=told_to_stop):
                self._waits_for, self._told_to_stop = waits_for, told_to_stop
            case Connected():
                self._note(connected_note(config))
                self._clear(supervisor)
            case Stored():
                self._note(stored_note(config), *(["there is no way back now"] * self._has_raised))
            case Sound():
                self._note(sound_note(config))
                self._leave(supervisor)
            case Failed(reason=reason):
                return reason
        return ""

    def _clear(self, supervisor: Supervisor) -> None:
        config, number = self._facts.current.config, self._facts.current.number
        leaving = tuple(child.role for child in supervisor.children if not runs_beside_successor(child.role))
        # Between two programs' writers nobody would drain the journals at a stop; they change places within moments.
        supervisor.holds_signals = True
        supervisor.reconfigure(config, number, Steps(leave=leaving))
        self._enter("clearing", 2 * config.supervisor.stop_timeout_secs)

    def _leave(self, supervisor: Supervisor) -> None:
        config, number = self._facts.current.config, self._facts.current.number
        self._enter("leaving", 2 * config.supervisor.stop_timeout_secs)
        if not supervisor.stopping:
            supervisor.reconfigure(config, number, Steps(retire=tuple(child.role for child in supervisor.children)))

    def _failures(self, other: Other, supervisor: Supervisor, now: float) -> Iterator[str]:
        """Why the handover has failed, if it has."""
        code, silent_secs = other.exit_code(), now - self._heard_at
        if code is not None:
            yield f"it ended with exit code {code}; the log says why"
        if other.link.is_closed:
            yield "it speaks no more; the log says why"
        if self._told_to_stop and not (supervisor.stopping or supervisor.holds_signals):
            yield "somebody told it to stop"
        if silent_secs > self._facts.current.config.supervisor.hang_timeout_secs:
            yield f"it has said nothing for {silent_secs:.0f} seconds"
        if now >= self._deadline and not self._has_left(supervisor):
            yield f"it took too long: {self._waits_for or self._phase}"
        if self._phase == "starting" and supervisor.stopping:
            yield "the recorder is stopping"

    def _has_left(self, supervisor: Supervisor) -> bool:
        """Whether all processes of this program have left."""
        return self._phase == "leaving" and not supervisor.children

    def _fall_back(self, other: Other, supervisor: Supervisor, reason: str) -> Answer:
        self._log.error("handover_failed", pid=other.pid, phase=self._phase, reason=reason)
        supervisor.wakes.discard(other.link.fileno())
        other.end()
        self._other, self._phase = None, ""
        supervisor.holds_signals = False
        self.follow(False)
        config, number = self._facts.current.config, self._facts.current.number
        if not supervisor.stopping:
            present = {child.role for child in supervisor.children if child.state not in {"done", "draining"}}
            absent = tuple(name for name in processes_of(config) if name not in present)
            if absent:
                supervisor.reconfigure(config, number, Steps(start=absent))
        remove_configs(config.data_dir, number)
        goes_on = "" if supervisor.stopping else f"; version {__version__} records on"
        problem = f"the new version failed: {reason}{goes_on}"
        return _with_problems(Answer(state="refused", config_number=number, notes=self.notes), problem)

    def abandon(self) -> None:
        """End the later program, unless it is at work for this one's ingests: this program ends."""
        if self._other is not None and not self.shares_the_work:
            self._other.end()
            self._other = None

    def conclude(self, *, stop: bool = False) -> int | None:
        """Leave everything to the later program, when all of this one's processes have ended.

        With `stop` it is to stop in order; returns its exit code then, None if it does not end in time.
        """
        if self._other is None:
            return None
        self._other.link.send(Gone(stop=stop, notes=self.notes))
        return self._other.wait(self._facts.current.config.supervisor.stop_timeout_secs) if stop else None

    @property
    def shares_the_work(self) -> bool:
        """Whether the later program's processes work in the place of this one's, so that a stop is up to both."""
        return self._phase in {"trying", "leaving"}

    def _enter(self, phase: str, limit_secs: float) -> None:
        now = self._clock.monotonic()
        self._phase, self._heard_at, self._looked_at, self._deadline = phase, now, now, now + limit_secs

    def _note(self, *notes: str) -> None:
        self.notes += notes
        for note in notes:
            self._log.info("handover", phase=self._phase, text=note)


def _nobody(_is_followed: bool) -> None:
    """Nobody is told."""


def _with_problems(answer: Answer, *problems: str) -> Answer:
    return Answer(state="refused", config_number=answer.config_number, notes=answer.notes, problems=list(problems))
