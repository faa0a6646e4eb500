"""Puts the recorder together: locks, log, children, status, and the supervisor that runs them."""

import os
import secrets
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from collector import __version__, logs, scrub
from collector.config import Config
from collector.domain.errors import CannotStartError, ConfigError
from collector.domain.log import Log
from collector.processes.context import SystemClock
from collector.processes.publish.left_behind import lacking_at_most
from collector.processes.roles import processes_of
from collector.processes.stats_place import newest_reports
from collector.reports import PublishReport
from collector.storage.locks import supervisor_lock
from collector.storage.unarchived import find_unarchived
from collector.storage.version_check import refuse_newer_data
from collector.supervision import host_check, semaphores
from collector.supervision.display import Display, NoDisplay
from collector.supervision.faces import Faces
from collector.supervision.handing_over import HandingOver
from collector.supervision.life import Run
from collector.supervision.reload_plan import Current, Source
from collector.supervision.service import Service
from collector.supervision.signals import Signals
from collector.supervision.supervisor import EXIT_LATE, Supervisor
from collector.supervision.takeover import take_over
from collector.terminal.attached import can_hang_up

_FLUSH_SECS: Final = 2.0
_MAX_NAMED: Final = 20
"""Segments and files of each kind that one log line names; a line holds at most 4 kB."""

_NO_DISPLAY: Final = NoDisplay()


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
        if left := host_check.segments_left(config):
            log.warning("segments_left_behind", reason=left)
        run = Run(Current.begin(config), source, run_id, lock, signals, log, display, log_file)
        return supervise(run, processes_of(config), stop_after_secs)
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


def supervise(run: Run, processes: Sequence[str], stop_after_secs: float | None = None) -> int:
    """Run these children, and those that follow, until told to stop or until a later program has taken over.

    Returns the exit code. Raises StopError.
    """
    handing = HandingOver(run.facts, SystemClock(), run.log)
    try:
        with _semaphores(run, len(processes_of(run.current.config))), ExitStack() as stack:
            faces = Faces(run, handing, stack)
            code = Supervisor(
                run.current.config, run.spawn, run.restart_delays, faces.read_reports, faces.look, run.signals,
                SystemClock(), run.log, processes=processes, stop_after_secs=stop_after_secs,
            ).run()  # fmt: skip
    finally:
        handing.abandon()
    return _handed_on(run, handing) if handing.is_under_way else _stopped(run, code)


def _stopped(run: Run, code: int) -> int:
    config = run.current.config
    is_ours = run.succession is None or run.succession.gone is not None
    if is_ours and config.stores and config.archive.upload_on_stop and not _is_all_archived(config.data_dir, run.log):
        code = EXIT_LATE
    if is_ours and config.receives and not config.stores:
        _tell_what_storage_lacks(config, run.log)
    run.log.info("stopped", exit_code=code)
    return code


def _tell_what_storage_lacks(config: Config, log: Log) -> None:
    """It waits safely on disk, and may still be on its way through NATS."""
    reports = [last for last in newest_reports(config.data_dir).values() if isinstance(last, PublishReport)]
    for feed in config.feed:
        last = next((last for last in reports if last.feed == feed.name), None)
        lacking = lacking_at_most(config, feed.name, last)
        if lacking:
            log.info("storage_lacks", feed=feed.name, at_most_bytes=lacking)


def _handed_on(run: Run, handing: HandingOver) -> int:
    """Leave the recorder to the later program; a stop that was asked for meanwhile is up to it, and waited for."""
    if not handing.is_done or run.signals.take() is not None:
        code = handing.conclude(stop=True)
        code = EXIT_LATE if code is None else code
        run.log.info("stopped", exit_code=code)
        return code
    Service.of(os.environ, run.log).hand_on(handing.pid)
    run.lock.sign(handing.pid)
    handing.conclude()
    run.log.info("handed_over", pid=handing.pid)
    if (name := run.signals.take()) is not None:  # it came for the recorder, which this process is no more
        os.kill(handing.pid, signal.Signals[name])
    return 0


@contextmanager
def _semaphores(run: Run, processes: int) -> Iterator[None]:
    """Remove the semaphores that a killed supervisor left, make sure of enough for `processes`, and leave none behind.

    Raises CannotStartError.
    """
    leftovers = semaphores.claim(run.current.config.data_dir)
    # Those of a program that still runs are its own to remove.
    if run.succession is None and (refused := semaphores.sweep(leftovers, semaphores.OPENED_SECS)):
        run.log.warning("semaphores_left", count=len(refused), error=str(refused[0]))
    if lack := run.lack(processes):
        raise CannotStartError(lack)
    try:
        yield
    finally:
        if run.succession is None or run.succession.gone is not None:
            semaphores.sweep(leftovers)


def _is_all_archived(data_dir: Path, log: Log) -> bool:
    """Whether every sealed segment is in the archive; logs which are not."""
    left = find_unarchived(data_dir)
    if not any(left):
        return True
    names = {field: found[:_MAX_NAMED] for field, found in left._asdict().items() if field != "segments"}
    log.error("segments_not_uploaded", segments=len(left.segments), ids=left.segments[:_MAX_NAMED], **names)
    return False
