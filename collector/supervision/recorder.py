"""Puts the recorder together: locks, log, children, status, and the supervisor that runs them."""

import multiprocessing
import os
import random
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from collector import __version__, logs, scrub
from collector.backoff import delays
from collector.config import Config
from collector.domain.errors import CannotStartError, ConfigError
from collector.domain.log import Log
from collector.processes.child_main import Assignment, run_role
from collector.processes.context import SystemClock
from collector.processes.roles import processes_of
from collector.storage.locks import RoleLock, supervisor_lock
from collector.storage.unarchived import find_unarchived
from collector.storage.version_check import refuse_newer_data
from collector.supervision import semaphores
from collector.supervision.child_process import SpawnedProcess
from collector.supervision.display import Display, NoDisplay
from collector.supervision.reload_plan import Current, Source
from collector.supervision.reloading import Reloading
from collector.supervision.reporting import Reporting
from collector.supervision.service import Service
from collector.supervision.signals import Signals
from collector.supervision.supervisor import EXIT_LATE, Reports, Supervisor
from collector.supervision.takeover import keep_lock, take_over
from collector.terminal.attached import can_hang_up

_FLUSH_SECS: Final = 2.0
_MAX_NAMED: Final = 20
"""Segments and files of each kind that one log line names; a line holds at most 4 kB."""

_PROCESSES: Final = multiprocessing.get_context("spawn")
"""Children start afresh: a fork would copy locks that threads of this process may hold."""

_NO_DISPLAY: Final = NoDisplay()


@dataclass(frozen=True)
class _Run:
    """What the parts of one run of the recorder share."""

    current: Current
    source: Source | None
    run_id: str
    lock: RoleLock
    signals: Signals
    log: Log
    display: Display
    log_file: logs.LogFile | None

    def spawn(self, role: str, number: int, after_crash: bool) -> SpawnedProcess:
        """Start the process of that role, its incarnation of that number."""
        assignment = Assignment(
            role, self.run_id, number, after_crash, self.log_file, self.current.number, self.signals.ignores_hangup
        )
        return SpawnedProcess(run_role, assignment, self.current.config, _PROCESSES)

    def restart_delays(self) -> Iterator[float]:
        """Seconds to wait before each restart of a child that dies again and again."""
        limits = self.current.config.supervisor
        return delays(limits.restart_base_delay_secs, limits.restart_max_delay_secs, random.random)


def record(
    config: Config,
    *,
    stop_after_secs: float | None = None,
    display: Display = _NO_DISPLAY,
    log_file: logs.LogFile | None = None,
    source: Source | None = None,
) -> int:
    """Record until told to stop; returns the exit code. Raises StopError when recording cannot begin.

    The log goes to `log_file`, or without one to standard output. Newer settings are read from `source` when asked for.
    """
    signals = Signals(hangup_reloads=not can_hang_up())
    signals.install()
    run_id = secrets.token_hex(4)
    scrub.begin(*config.secrets)
    if log_file is not None:
        _require_writable(log_file)
    log = logs.setup("supervisor", run_id, config.log.format, config.log.level, file=log_file)
    lock = supervisor_lock(config.data_dir)
    try:
        if not take_over(lock, config, signals, display, log):
            return 0
        refuse_newer_data(config.data_dir)
        feeds = [feed.name for feed in config.feed]
        log.info("started", version=__version__, data_dir=str(config.data_dir), feeds=feeds)
        current = Current.begin(config)
        code = _supervise(_Run(current, source, run_id, lock, signals, log, display, log_file), stop_after_secs)
        if current.config.archive.upload_on_stop and not _is_all_archived(config.data_dir, log):
            code = EXIT_LATE
        log.info("stopped", exit_code=code)
        return code
    finally:
        logs.flush(_FLUSH_SECS)
        lock.release()


def _require_writable(log_file: logs.LogFile) -> None:
    """Open the log file once: what is wrong with it now is said at once, later its lines are dropped and counted."""
    writer = logs.LogFileWriter(log_file)
    try:
        writer.open()
    except OSError as error:
        raise ConfigError([f"the log file {log_file.path} cannot be written: {error.strerror}"]) from error
    writer.close()


def _supervise(run: _Run, stop_after_secs: float | None) -> int:
    """Run the children until told to stop; returns the exit code."""
    config = run.current.config
    processes = processes_of(config)
    with _semaphores(run, len(processes)), _reporting(run) as reporting, _reloading(run, reporting) as reloading:
        service = Service.of(os.environ, run.log)

        def look(supervisor: Supervisor, reports: Reports) -> None:
            keep_lock(run.lock, run.log)
            service.tell(ready=supervisor.recording, stopping=supervisor.stopping)
            reloading.look(supervisor, reports)
            reporting.look(supervisor, reports)

        return Supervisor(
            config, run.spawn, run.restart_delays, reporting.read_reports, look, run.signals, SystemClock(),
            run.log, processes=processes, stop_after_secs=stop_after_secs,
        ).run()  # fmt: skip


@contextmanager
def _semaphores(run: _Run, processes: int) -> Iterator[None]:
    """Remove the semaphores that a killed supervisor left, make sure of enough for `processes`, and leave none behind.

    Raises CannotStartError.
    """
    leftovers = semaphores.claim(run.current.config.data_dir)
    if refused := semaphores.sweep(leftovers, semaphores.OPENED_SECS):
        run.log.warning("semaphores_left", count=len(refused), error=str(refused[0]))
    if lack := _lack(processes):
        raise CannotStartError(lack)
    try:
        yield
    finally:
        semaphores.sweep(leftovers)


def _lack(processes: int) -> str:
    """What is lacking for so many processes; empty if nothing is."""
    try:
        semaphores.require(processes, _PROCESSES)
    except OSError as error:
        return semaphores.lack(error)
    return ""


@contextmanager
def _reloading(run: _Run, reporting: Reporting) -> Iterator[Reloading]:
    reloading = Reloading(run.current, run.source, _lack, reporting.reconfigure, run.signals, SystemClock(), run.log)
    try:
        yield reloading
    finally:
        reloading.close()


@contextmanager
def _reporting(run: _Run) -> Iterator[Reporting]:
    reporting = Reporting(run.current.config, run.run_id, run.log, run.display)
    try:
        yield reporting
    finally:
        reporting.close()


def _is_all_archived(data_dir: Path, log: Log) -> bool:
    """Whether every sealed segment is in the archive; logs which are not."""
    left = find_unarchived(data_dir)
    if not any(left):
        return True
    names = {field: found[:_MAX_NAMED] for field, found in left._asdict().items() if field != "segments"}
    log.error("segments_not_uploaded", segments=len(left.segments), ids=left.segments[:_MAX_NAMED], **names)
    return False
