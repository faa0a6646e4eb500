"""What every child process does around its own work: signals, log, role lock, reports, and exit when its parent is gone.

Exit codes: 0 after a stop that was asked for; the code of a StopError; 1 for any other error, after which the supervisor
starts the process again; 7 if the parent vanished and the work could not be finished in time.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import connection, parent_process
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event, Semaphore
from typing import Final, NamedTuple

from msgspec.structs import replace

from collector import logs, scrub
from collector.channel.bell import Bell
from collector.channel.channel import Notice
from collector.channel.local import QueueReceiver, QueueSender
from collector.config import Config
from collector.domain.disk_waits import announce_disk_waits_to, disk_wait
from collector.domain.errors import AnotherInstanceError, StopError
from collector.domain.log import Log
from collector.processes.context import Context, SystemClock
from collector.processes.garbage import look_seldom
from collector.processes.heartbeat import Heartbeat
from collector.processes.priority import step_back
from collector.processes.roles import role_lock, role_of
from collector.processes.stats_place import StatsPlace
from collector.reports import Report
from collector.storage.locks import RoleLock

ORPHAN_GRACE_SECS: Final = 5.0
"""How long a child may go on finishing its work after its parent vanished; what is left waits on disk."""

ORPHAN_EXIT_CODE: Final = 7

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Signals that ask the whole process tree to end."""

LEVEL_SIGNALS: Final = (signal.SIGUSR1, signal.SIGUSR2)
"""Signals that ask the supervisor to log more, or as configured; the children follow the supervisor, not the signal."""

IGNORED_SIGNALS: Final = (*LEVEL_SIGNALS, signal.SIGTSTP)
"""Signals to the whole process group that mean the supervisor alone: children go on recording at Ctrl-Z."""

BEAT_SECS: Final = 1.0
"""How often a child tells the supervisor what its reports do not show."""

_LOCK_POLL_SECS: Final = 0.05
_ORPHAN_POLL_SECS: Final = 0.5
_FLUSH_SECS: Final = 1.0


class ChildLinks(NamedTuple):
    """The Queues, the Event and the Semaphore that one incarnation of a child shares with its parent alone."""

    up: "Queue[Notice]"
    down: "Queue[Notice]"
    stop: Event
    renewal: Semaphore
    """Released once, before `stop` is set, if a successor goes on at once."""


class Assignment(NamedTuple):
    """Which child a process is to be."""

    role: str
    run_id: str
    incarnation: int
    after_crash: bool = False
    """Whether the previous incarnation ended by a fault of its own."""
    log_file: logs.LogFile | None = None
    """Where it logs to; None for standard output."""
    config_number: int = 0
    """Which of the run's configurations it is started with; see `config/handed_on.py`."""
    ignores_hangup: bool = False
    """Whether SIGHUP, which may go to the whole process group, asks for no stop."""
    first_connection: int = 1
    """As in `Context`; above 1 another process may hold the role's lock, which is taken once it is free."""
    succeeds: bool = False
    """Whether its supervisor may not be yet the one that holds the data directory."""
    raises_formats: bool = False
    """As in `Context`."""


Work = Callable[[Context], None]


def run_role(assignment: Assignment, config: Config, links: ChildLinks) -> None:
    """Be the process of that role: `main(context)` of the role's module."""
    module = role_of(assignment.role).module

    def work(context: Context) -> None:
        import_module(module).main(context)

    run_child(assignment, config, links, work)


class StopFlag:
    """True once this child has to finish its work and exit.

    It turns true when the parent sets the stop Event, when the parent vanishes, or on a signal if the role stops on one.
    """

    def __init__(self, stop: Event, renewal: Semaphore, *, heed_signals: bool) -> None:
        self._stop = stop
        self._renewal = renewal
        self._is_renewed = False
        self._heed_signals = heed_signals
        self._raised = False
        self._hurried = False
        self._is_orphaned = False
        self.bell = Bell()
        """Rung by whatever may have made the flag true; signals are to ring it, too."""

    def on_signal(self, _number: int, _frame: object) -> None:
        """Note the signal; the loop acts on it."""
        # A signal that arrives before the stop Event was sent to the whole process group, not to this process.
        self._hurried = self._raised
        self._raised = self._raised or self._heed_signals

    def __call__(self) -> bool:
        """Whether to finish and exit; once true, it stays true."""
        if not self._raised:
            self._raised = self._is_orphaned or self._stop.is_set()
        return self._raised

    def orphan(self) -> None:
        """The parent has vanished."""
        self._is_orphaned = True
        self.bell.ring()

    def renewed(self) -> bool:
        """Whether to exit at once and leave everything as it is, because a successor goes on with it."""
        if not self._is_renewed and self():
            self._is_renewed = self._renewal.acquire(block=False)
        return self._is_renewed

    def hurried(self) -> bool:
        """Whether to exit at once and leave work unfinished: a signal came after this child had learned of the stop."""
        return (self() and self._hurried) or self.renewed()


@dataclass(frozen=True)
class _Life:
    """One incarnation of a child."""

    assignment: Assignment
    config: Config
    links: ChildLinks
    flag: StopFlag
    heartbeat: Heartbeat
    log: Log


def run_child(assignment: Assignment, config: Config, links: ChildLinks, work: Work) -> None:
    """Do `work` as the child of `assignment`; ends the process with its exit code."""
    role = role_of(assignment.role)
    step_back(role.nice)
    look_seldom()
    flag = StopFlag(links.stop, links.renewal, heed_signals=role.stops_on_signal)
    for number in STOP_SIGNALS:
        signal.signal(number, flag.on_signal)
    for number in (*IGNORED_SIGNALS, *([signal.SIGHUP] if assignment.ignores_hangup else [])):
        signal.signal(number, signal.SIG_IGN)
    signal.set_wakeup_fd(flag.bell.ringing_end, warn_on_full_buffer=False)
    # The parent started this process with these signals blocked, so that none could kill it before its handlers stood.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS + IGNORED_SIGNALS)
    heartbeat = Heartbeat(QueueSender(links.up, config.channel.capacity), assignment.role)
    announce_disk_waits_to(heartbeat.note_wait)
    scrub.begin(*config.secrets)
    log = logs.setup(assignment.role, assignment.run_id, config.log.format, config.log.level, file=assignment.log_file)
    threading.Thread(target=_watch_parent, args=(flag, heartbeat, log), name="parent", daemon=True).start()
    code = _run_guarded(_Life(assignment, config, links, flag, heartbeat, log), work)
    logs.flush(_FLUSH_SECS)
    # As the interpreter ends it sets Python's handlers back to the default, but keeps ignored signals ignored: else a
    # request to hurry would kill a process whose work is done, which would count as a crash.
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    sys.exit(code)


def _run_guarded(life: _Life, work: Work) -> int:
    lock = role_lock(life.config.data_dir, life.assignment.role)
    try:
        if life.assignment.first_connection == 1:
            _acquire(lock, life.config.supervisor.stop_timeout_secs)
        work(_context(life, lock))
    except StopError as error:
        life.log.error("process_refused", reason=str(error))  # noqa: TRY400 -- the reason is the message; a trace adds nothing
        return error.exit_code
    except Exception:
        life.log.exception("process_failed")
        return 1
    return 0


def _acquire(lock: RoleLock, timeout_secs: float) -> None:
    clock = SystemClock()
    deadline = clock.monotonic() + timeout_secs
    while not lock.try_acquire():
        if clock.monotonic() > deadline:
            raise AnotherInstanceError(f"process {lock.holder()} still holds {lock.path}")
        clock.sleep(_LOCK_POLL_SECS)


def _context(life: _Life, lock: RoleLock) -> Context:
    assignment, config, flag = life.assignment, life.config, life.flag
    run = config.data_dir / "run"
    place = StatsPlace(config.data_dir, assignment.role, succeeds=assignment.succeeds)
    clock = SystemClock()
    asked = logs.LevelFile(run, config.log.level), logs.FormatFile(run, config.log.format)
    for file in asked:
        file.follow()

    def publish(report: Report) -> None:
        whole = replace(
            report, role=assignment.role, pid=os.getpid(), incarnation=assignment.incarnation,
            state="draining" if flag() else "running", updated_us=clock.now_us(),
            log_lines_dropped=logs.dropped(), events=logs.recent(),
            config_number=report.config_number or assignment.config_number,
        )  # fmt: skip
        with disk_wait():
            for file in asked:
                file.follow()
            with suppress(OSError):  # tried again with the next report; the lock itself is still held
                lock.keep_or_take()
            place.file().write(whole)
        life.heartbeat.note_report()

    capacity = config.channel.capacity
    return Context(
        role=assignment.role,
        config=config,
        sender=QueueSender(life.links.up, capacity),
        receiver=QueueReceiver(life.links.down, capacity, flag.bell),
        stopping=flag,
        report=publish,
        log=life.log,
        clock=clock,
        hurried=flag.hurried,
        renewed=flag.renewed,
        after_crash=assignment.after_crash,
        run_id=assignment.run_id,
        config_number=assignment.config_number,
        first_connection=assignment.first_connection,
        raises_formats=assignment.raises_formats,
    )


def _watch_parent(flag: StopFlag, heartbeat: Heartbeat, log: Log) -> None:
    parent = parent_process()
    clock = SystemClock()
    while parent is not None and not connection.wait([parent.sentinel], BEAT_SECS):
        heartbeat.beat()
    flag.orphan()
    log.warning("parent_vanished", grace_secs=ORPHAN_GRACE_SECS)
    for _ in range(round(ORPHAN_GRACE_SECS / _ORPHAN_POLL_SECS)):
        # After SIGSTOP and SIGCONT one long sleep would already be over; several short ones leave time to finish.
        clock.sleep(_ORPHAN_POLL_SECS)
    os._exit(ORPHAN_EXIT_CODE)
