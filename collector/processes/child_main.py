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
from importlib import import_module
from multiprocessing import parent_process
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from typing import Final, NamedTuple

from msgspec.structs import replace

from collector import logs, scrub
from collector.channel.channel import ALIVE, Notice
from collector.channel.local import QueueReceiver, QueueSender
from collector.config import Config
from collector.domain.disk_waits import announce_disk_waits_to, disk_wait
from collector.domain.errors import AnotherInstanceError, StopError
from collector.domain.log import Log
from collector.processes.context import Context, SystemClock
from collector.processes.priority import step_back
from collector.processes.roles import role_lock, role_of
from collector.reports import Report
from collector.stats_files import stats_file
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

_LOCK_POLL_SECS: Final = 0.05
_ORPHAN_POLL_SECS: Final = 0.5
_FLUSH_SECS: Final = 1.0


class ChildLinks(NamedTuple):
    """The Queues and the Event that one incarnation of a child shares with its parent alone."""

    up: "Queue[Notice]"
    down: "Queue[Notice]"
    stop: Event


class Assignment(NamedTuple):
    """Which child a process is to be."""

    role: str
    run_id: str
    incarnation: int
    after_crash: bool = False
    """Whether the previous incarnation ended by a fault of its own."""
    log_file: logs.LogFile | None = None
    """Where it logs to; None for standard output."""


Work = Callable[[Context], None]


def run_role(assignment: Assignment, config: Config, links: ChildLinks) -> None:
    """Be the process of that role: `main(context)` of the role's module."""
    module = role_of(assignment.role).module

    def work(context: Context) -> None:
        import_module(module).main(context)

    run_child(assignment, config, links, work)


class Heartbeat:
    """Tells the supervisor that this child's main loop runs, or that it waits for the disk.

    It goes over the Queue, which no disk can delay.
    """

    def __init__(self, up: "Queue[Notice]", role: str, capacity: int) -> None:
        self._sender = QueueSender(up, capacity)
        self._role = role

    def send(self, is_waiting: bool) -> None:
        """Called before a wait for the disk with True and after it with False."""
        self._sender.offer(Notice(self._role, ALIVE, int(is_waiting), 0))


class StopFlag:
    """True once this child has to finish its work and exit.

    It turns true when the parent sets the stop Event, when the parent vanishes, or on a signal if the role stops on one.
    """

    def __init__(self, stop: Event, *, heed_signals: bool) -> None:
        self._stop = stop
        self._heed_signals = heed_signals
        self._raised = False
        self._hurried = False
        self.orphaned = False

    def on_signal(self, _number: int, _frame: object) -> None:
        """Note the signal; the loop acts on it."""
        # A signal that arrives before the stop Event was sent to the whole process group, not to this process.
        self._hurried = self._raised
        self._raised = self._raised or self._heed_signals

    def __call__(self) -> bool:
        """Whether to finish and exit; once true, it stays true."""
        if not self._raised:
            self._raised = self.orphaned or self._stop.is_set()
        return self._raised

    def hurried(self) -> bool:
        """Whether to exit at once and leave work unfinished: a signal came after this child had learned of the stop."""
        return self() and self._hurried


def run_child(assignment: Assignment, config: Config, links: ChildLinks, work: Work) -> None:
    """Do `work` as the child of `assignment`; ends the process with its exit code."""
    role = role_of(assignment.role)
    step_back(role.nice)
    flag = StopFlag(links.stop, heed_signals=role.stops_on_signal)
    for number in STOP_SIGNALS:
        signal.signal(number, flag.on_signal)
    for number in IGNORED_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    # The parent started this process with these signals blocked, so that none could kill it before its handlers stood.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS + IGNORED_SIGNALS)
    announce_disk_waits_to(Heartbeat(links.up, assignment.role, config.channel.capacity).send)
    scrub.begin(*config.secrets)
    log = logs.setup(assignment.role, assignment.run_id, config.log.format, config.log.level, file=assignment.log_file)
    watch = threading.Thread(target=_watch_parent, args=(flag, log), name="parent", daemon=True)
    watch.start()
    code = _run_guarded(assignment, config, links, work, flag, log)
    logs.flush(_FLUSH_SECS)
    # As the interpreter ends it sets Python's handlers back to the default, but keeps ignored signals ignored: else a
    # request to hurry would kill a process whose work is done, which would count as a crash.
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    sys.exit(code)


def _run_guarded(
    assignment: Assignment, config: Config, links: ChildLinks, work: Work, flag: StopFlag, log: Log
) -> int:
    lock = role_lock(config.data_dir, assignment.role)
    try:
        _acquire(lock, config.supervisor.stop_timeout_secs)
        work(_context(assignment, config, links, flag, lock, log))
    except StopError as error:
        log.error("process_refused", reason=str(error))  # noqa: TRY400 -- the reason is the message; a trace adds nothing
        return error.exit_code
    except Exception:
        log.exception("process_failed")
        return 1
    return 0


def _acquire(lock: RoleLock, timeout_secs: float) -> None:
    clock = SystemClock()
    deadline = clock.monotonic() + timeout_secs
    while not lock.try_acquire():
        if clock.monotonic() > deadline:
            raise AnotherInstanceError(f"process {lock.holder()} still holds {lock.path}")
        clock.sleep(_LOCK_POLL_SECS)


def _context(
    assignment: Assignment, config: Config, links: ChildLinks, flag: StopFlag, lock: RoleLock, log: Log
) -> Context:
    stats = stats_file(config.data_dir / "run" / "stats", assignment.role)
    clock = SystemClock()
    level = logs.LevelFile(config.data_dir / "run", config.log.level)
    level.follow()

    def publish(report: Report) -> None:
        whole = replace(
            report, role=assignment.role, pid=os.getpid(), incarnation=assignment.incarnation,
            state="draining" if flag() else "running", updated_us=clock.now_us(),
            log_lines_dropped=logs.dropped(), events=logs.recent(),
        )  # fmt: skip
        with disk_wait():
            level.follow()
            with suppress(OSError):  # tried again with the next report; the lock itself is still held
                lock.keep()
            stats.write(whole)

    capacity = config.channel.capacity
    return Context(
        role=assignment.role,
        config=config,
        sender=QueueSender(links.up, capacity),
        receiver=QueueReceiver(links.down, capacity),
        stopping=flag,
        report=publish,
        log=log,
        clock=clock,
        hurried=flag.hurried,
        after_crash=assignment.after_crash,
        run_id=assignment.run_id,
    )


def _watch_parent(flag: StopFlag, log: Log) -> None:
    parent = parent_process()
    clock = SystemClock()
    while parent is not None and parent.is_alive():
        clock.sleep(_ORPHAN_POLL_SECS)
    flag.orphaned = True
    log.warning("parent_vanished", grace_secs=ORPHAN_GRACE_SECS)
    for _ in range(round(ORPHAN_GRACE_SECS / _ORPHAN_POLL_SECS)):
        # After SIGSTOP and SIGCONT one long sleep would already be over; several short ones leave time to finish.
        clock.sleep(_ORPHAN_POLL_SECS)
    os._exit(ORPHAN_EXIT_CODE)
