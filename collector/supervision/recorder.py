"""Puts the recorder together: locks, log, children, status, and the supervisor that runs them."""

import multiprocessing
import os
import random
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from structlog.typing import FilteringBoundLogger

from collector import __version__, logs, scrub
from collector.backoff import delays
from collector.config import Config
from collector.domain.errors import AnotherInstanceError, CannotStartError
from collector.processes.child_main import Assignment, run_role
from collector.processes.context import SystemClock
from collector.processes.roles import processes_of, processes_seen, role_lock
from collector.stats_files import clear_stats
from collector.storage.locks import RoleLock, supervisor_lock
from collector.storage.unarchived import find_unarchived
from collector.storage.version_check import refuse_newer_data
from collector.supervision import semaphores
from collector.supervision.child_process import SpawnedProcess
from collector.supervision.reporting import OnStatus, Reporting
from collector.supervision.service import Service
from collector.supervision.supervisor import EXIT_LATE, Reports, Signals, Supervisor

_LOCK_POLL_SECS: Final = 0.1
_LOOKED_AT_SECS: Final = 0.5
_FLUSH_SECS: Final = 2.0
_NAMED: Final = 20
"""Of each kind, that a line of the log names; a line is at most 4 kB."""


def record(config: Config, *, stop_after_secs: float | None = None, on_status: OnStatus | None = None) -> int:
    """Record until told to stop; returns the exit code. Raises StopError when recording cannot begin."""
    signals = Signals()
    signals.install()
    run_id = secrets.token_hex(4)
    scrub.begin(*config.secrets)
    log = logs.setup("supervisor", run_id, config.log.format, config.log.level)
    lock = supervisor_lock(config.data_dir)
    try:
        if not _take_over(lock, config, signals, log):
            return 0
        refuse_newer_data(config.data_dir)
        log.info(
            "started", version=__version__, data_dir=str(config.data_dir), feeds=[feed.name for feed in config.feed]
        )
        code = _supervise(config, run_id, lock, signals, log, stop_after_secs, on_status)
        if config.archive.upload_on_stop and not _is_all_archived(config.data_dir, log):
            code = EXIT_LATE
        log.info("stopped", exit_code=code)
        return code
    finally:
        logs.flush(_FLUSH_SECS)
        lock.release()


def _is_all_archived(data_dir: Path, log: FilteringBoundLogger) -> bool:
    """Says what is not."""
    left = find_unarchived(data_dir)
    if not any(left):
        return True
    names = {field: found[:_NAMED] for field, found in left._asdict().items() if field != "segments"}
    log.error("segments_not_uploaded", segments=len(left.segments), ids=left.segments[:_NAMED], **names)
    return False


def _take_over(lock: RoleLock, config: Config, signals: Signals, log: FilteringBoundLogger) -> bool:
    """Hold the data directory alone: no other supervisor, and no child that one which was killed left behind.

    False if a signal came while waiting for such children.
    """
    try:
        acquired = _acquired(lock)
    except OSError as error:
        raise CannotStartError(f"{lock.path}: {error.strerror}") from error
    if not acquired:
        raise AnotherInstanceError(f"process {lock.holder()} is already recording into {config.data_dir}")
    deadline = time.monotonic() + config.supervisor.stop_timeout_secs
    waiting = False
    while held := [name for name in processes_seen(config.data_dir) if not role_lock(config.data_dir, name).is_free()]:
        if not waiting:
            log.info("waiting_for_children", roles=held)
        waiting = True
        if time.monotonic() > deadline:
            raise AnotherInstanceError(
                f"children of an earlier supervisor still hold {config.data_dir}: {', '.join(held)}"
            )
        if (name := signals.take()) is not None:
            log.info("stopping", cause=name, deadline_secs=0)
            return False
        time.sleep(_LOCK_POLL_SECS)
    clear_stats(config.data_dir / "run" / "stats")
    return True


def _acquired(lock: RoleLock) -> bool:
    """Whether it could be taken: again for a moment, because who looks whether it is free holds it while looking."""
    deadline = time.monotonic() + _LOOKED_AT_SECS
    while not (acquired := lock.try_acquire()) and time.monotonic() < deadline:
        time.sleep(_LOCK_POLL_SECS)
    return acquired


def _keep(lock: RoleLock, log: FilteringBoundLogger) -> None:
    with suppress(OSError):  # a disk that refuses it now may take it a second later; the role is held all the same
        if lock.keep():
            log.warning("lock_file_removed", path=str(lock.path))


def _supervise(
    config: Config,
    run_id: str,
    lock: RoleLock,
    signals: Signals,
    log: FilteringBoundLogger,
    stop_after_secs: float | None,
    on_status: OnStatus | None,
) -> int:
    leftovers = semaphores.claim(config.data_dir)
    if refused := semaphores.sweep(leftovers, semaphores.OPENED_SECS):
        log.warning("semaphores_left", count=len(refused), error=str(refused[0]))
    # Children start afresh: a fork would copy locks that threads of this process may hold.
    context = multiprocessing.get_context("spawn")
    processes = processes_of(config)
    try:
        semaphores.require(len(processes), context)
    except OSError as error:
        raise CannotStartError(semaphores.lack(error)) from error

    def spawn(role: str, number: int, after_crash: bool) -> SpawnedProcess:
        assignment = Assignment(role, run_id, number, after_crash)
        return SpawnedProcess(run_role, assignment, config, context)

    def new_delays() -> Iterator[float]:
        limits = config.supervisor
        return delays(limits.restart_base_delay_secs, limits.restart_max_delay_secs, random.random)

    window = Reporting(config, run_id, log, on_status)
    service = Service.of(os.environ, log)

    def look(supervisor: Supervisor, reports: Reports) -> None:
        _keep(lock, log)
        service.tell(ready=supervisor.recording, stopping=supervisor.stopping)
        window.look(supervisor, reports)

    try:
        return Supervisor(
            config, spawn, new_delays, window.read_reports, look, signals, SystemClock(), log,
            processes=processes, stop_after_secs=stop_after_secs,
        ).run()  # fmt: skip
    finally:
        window.close()
        semaphores.sweep(leftovers)
