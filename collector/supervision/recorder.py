"""Puts the recorder together: locks, log, children, status, and the supervisor that runs them."""

import random
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from structlog.typing import FilteringBoundLogger

from collector import __version__, logs
from collector.config import Config
from collector.domain.errors import AnotherInstanceError, CannotStartError
from collector.domain.retry import delays
from collector.http import StatusServer
from collector.metrics import StatsFile, clear_stats, last_signs, read_stats
from collector.processes.context import SystemClock
from collector.processes.loop import Assignment
from collector.processes.roles import ARCHIVER, WRITER, run_role
from collector.storage.locks import RoleLock
from collector.supervision.incarnation import LocalIncarnation, spawn_context
from collector.supervision.status import ChildState, Hop, Knowledge, Status, health
from collector.supervision.supervisor import Reports, Signals, Supervisor
from collector.supervision.usage import UsageMeter

HEALTH_SECS: Final = 5.0
HTTP_RETRY_SECS: Final = 5.0

_LOCK_POLL_SECS: Final = 0.1
_FLUSH_SECS: Final = 2.0

OnStatus = Callable[[Mapping[str, Any]], None]


def record(config: Config, *, stop_after_secs: float | None = None, on_status: OnStatus | None = None) -> int:
    """Record until told to stop; returns the exit code. Raises StopError when recording cannot begin."""
    signals = Signals()
    signals.install()
    run_id = secrets.token_hex(4)
    log = logs.setup("supervisor", run_id, config.log.format, config.log.level)
    run_folder = config.data_dir / "run"
    lock = RoleLock(run_folder, "supervisor")
    try:
        if not _take_over(lock, run_folder, config, signals, log):
            return 0
        log.info(
            "started", version=__version__, data_dir=str(config.data_dir), feeds=[feed.name for feed in config.feed]
        )
        code = _supervise(config, run_id, signals, log, stop_after_secs, on_status)
        log.info("stopped", exit_code=code)
        return code
    finally:
        logs.flush(_FLUSH_SECS)
        lock.release()


def _take_over(lock: RoleLock, run_folder: Path, config: Config, signals: Signals, log: FilteringBoundLogger) -> bool:
    """Hold the data directory alone: no other supervisor, and no child that one which was killed left behind.

    False if a signal came while waiting for such children.
    """
    try:
        acquired = lock.try_acquire()
    except OSError as error:
        raise CannotStartError(f"{lock.path}: {error.strerror}") from error
    if not acquired:
        raise AnotherInstanceError(f"process {lock.holder()} is already recording into {config.data_dir}")
    deadline = time.monotonic() + config.supervisor.stop_timeout_secs
    waiting = False
    while held := [role for role in _roles_seen(run_folder) if not RoleLock(run_folder, role).is_free()]:
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
    clear_stats(run_folder / "stats")
    return True


def _roles_seen(run_folder: Path) -> list[str]:
    roles = [path.name.removesuffix(".lock") for path in run_folder.glob("*.lock")]
    return sorted(role for role in roles if role in {WRITER, ARCHIVER} or role.startswith("ingest:"))


def _supervise(
    config: Config,
    run_id: str,
    signals: Signals,
    log: FilteringBoundLogger,
    stop_after_secs: float | None,
    on_status: OnStatus | None,
) -> int:
    context = spawn_context(config.data_dir)

    def spawn(role: str, number: int) -> LocalIncarnation:
        assignment = Assignment(role, run_id, number, stops_on_signal=role.startswith("ingest:"))
        return LocalIncarnation(run_role, assignment, config, context)

    def new_delays() -> Iterator[float]:
        limits = config.supervisor
        return delays(limits.restart_base_delay_secs, limits.restart_max_delay_secs, random.random)

    window = Window(config, run_id, log, on_status)
    try:
        return Supervisor(
            config, spawn, new_delays, window.read_reports, window.look, signals, SystemClock(), log,
            stop_after_secs=stop_after_secs,
        ).run()  # fmt: skip
    finally:
        window.close()


class Window:
    """What the outside sees: the status, made about once a second, over HTTP and as run/health.json."""

    def __init__(self, config: Config, run_id: str, log: FilteringBoundLogger, on_status: OnStatus | None) -> None:
        self._run_folder = config.data_dir / "run"
        self._status = Status(run_id, config)
        self._health = StatsFile(self._run_folder / "health.json")
        self._latest: Mapping[str, Any] = {}
        self._on_status = on_status
        self._meter = UsageMeter()
        self._log = log
        self._address = f"{config.http.host}:{config.http.port}"
        self._server = StatusServer(config.http.host, config.http.port, lambda: self._latest, log)
        self._serving: bool | None = None
        self._started = time.monotonic()
        self._next_http = self._next_health = self._started

    def read_reports(self) -> tuple[Reports, Mapping[str, int]]:
        """The children's newest numbers, and when they last gave a sign of life."""
        stats = self._run_folder / "stats"
        return read_stats(stats), last_signs(stats)

    def look(self, supervisor: Supervisor, reports: Reports) -> None:
        """Take in what is known now and show it."""
        children = [ChildState(c.role, c.pid, _shown(c.state), c.restarts) for c in supervisor.children]
        pids = [child.pid for child in children if child.pid is not None]
        known = Knowledge(
            now_us=time.time_ns() // 1_000,
            uptime_secs=time.monotonic() - self._started,
            children=children,
            hops=[Hop(*hop) for hop in supervisor.hops],
            usage=self._meter.read(pids),
        )
        self._latest = self._status.look(reports, known)
        if self._on_status is not None:
            self._on_status(self._latest)
        self._keep_serving()
        self._write_health(known.now_us)

    def close(self) -> None:
        """Stop serving."""
        self._server.close()

    def _keep_serving(self) -> None:
        if self._serving or time.monotonic() < self._next_http:
            return
        self._next_http = time.monotonic() + HTTP_RETRY_SECS
        serving = self._server.try_start()
        if not serving and self._serving is None:
            self._log.warning("http_unavailable", address=self._address, error=self._server.error)
        elif serving:
            self._log.info("http_listening", address=self._address)
        self._serving = serving

    def _write_health(self, now_us: int) -> None:
        if time.monotonic() < self._next_health:
            return
        self._next_health = time.monotonic() + HEALTH_SECS
        # On a full disk the file keeps its last word, with its time; HTTP still says what is so.
        self._health.write(health(self._latest, now_us))


def _shown(state: str) -> str:
    """The states outsiders know; a child that is done has drained."""
    return "draining" if state == "done" else state
