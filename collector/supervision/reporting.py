"""Makes the snapshot about once a second and shows it: over HTTP and as run/health.json."""

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from collector import logs
from collector.config import Config, HttpConfig
from collector.domain.clock import Every
from collector.domain.log import Log
from collector.http.address import local_url
from collector.http.server import StatusServer
from collector.monitoring import status_json
from collector.monitoring.coverage_file import CoverageFile
from collector.monitoring.handed_counts import write_counts
from collector.monitoring.ping import Pinger
from collector.monitoring.routes import WITHOUT_TOKEN, is_well, pages
from collector.monitoring.status import SUPERVISOR, Status
from collector.monitoring.totals import Totals
from collector.monitoring.usage import UsageMeter
from collector.monitoring.view import ChildState, QueueDepth, Snapshot, SupervisorFacts
from collector.processes.context import SystemClock
from collector.processes.feed_symbols import FeedSymbols
from collector.processes.roles import feed_of, report_of, runs_beside_successor
from collector.processes.stats_place import BESIDE, STATS
from collector.reports import SupervisorReport
from collector.stats_files import StatsFile, last_signs, read_reports
from collector.supervision.display import Display, Page
from collector.supervision.scribe import Scribe
from collector.supervision.supervisor import Reports, Supervisor
from collector.supervision.verbosity import Verbosity

HEALTH_SECS: Final = 5.0
HTTP_RETRY_SECS: Final = 5.0
CLOSE_SECS: Final = 2.0
"""How long to wait at the end for a disk that has not yet written the last files."""


class Reporting:
    """Makes snapshots of what is known and shows them."""

    def __init__(self, config: Config, run_id: str, log: Log, display: Display, counts: Totals | None = None) -> None:
        """`counts`: those of an earlier program, from which this one's go on."""
        self._data_dir = config.data_dir
        self._status = Status(run_id, config)
        self._status.resume(counts or {})
        self._reads_beside = False
        self._symbols = _symbols_of(config)
        self._scribe = Scribe(log)
        self._health = StatsFile(config.data_dir / "run" / "health.json")
        self._coverage = CoverageFile(config.data_dir / "run" / "coverage.json", self._status.coverage)
        if why := self._coverage.load():
            log.warning("coverage_unreadable", error=why)
        self._display = display
        self._meter = UsageMeter()
        self._log = log
        self._view: Snapshot | None = None
        self._viewed = self._started = time.monotonic()
        self._verbosity = Verbosity(config.data_dir / "run", config.log, log)
        self._verbosity.install()
        self._reasons: Mapping[str, str] = {}
        self._pinger = Pinger(config.http.ping_url.value, lambda: is_well(self._view, self._age_secs()), log)
        self._pinger.start()
        self._begin_serving(config.http)
        self._health_writes = Every(HEALTH_SECS, time.monotonic)

    def _begin_serving(self, http: HttpConfig) -> None:
        self._http = http
        served = pages(self._newest, self._age_secs)
        self._server = StatusServer(http.host, http.port, served, self._log, http.token.value, WITHOUT_TOKEN)
        self._serving: bool | None = None
        self._http_tries = Every(HTTP_RETRY_SECS, time.monotonic)

    @property
    def _url(self) -> str:
        return f"{local_url(self._http.host, self._http.port)}/"

    def reconfigure(self, config: Config) -> None:
        """Show the recorder as this configuration has it from now on; all that was counted stays."""
        self._status.reconfigure(config, time.monotonic() - self._started)
        self._symbols = _symbols_of(config)
        self._verbosity.reconfigure(config.log)
        self._pinger.reconfigure(config.http.ping_url.value)
        where = (config.http.host, config.http.port, config.http.token)
        if where != (self._http.host, self._http.port, self._http.token):
            self._server.close()
            self._begin_serving(config.http)

    def read_reports(self) -> tuple[Reports, Mapping[str, int]]:
        """The children's newest reports, and when each was last written."""
        return reports_in(self._data_dir / STATS, self._data_dir / BESIDE if self._reads_beside else None)

    def read_beside(self, reads: bool) -> None:
        """Whether processes of a later program work in the place of this one's now, but for those that run side by side."""
        self._reads_beside = reads

    def look(self, supervisor: Supervisor, reports: Reports) -> None:
        """Make a snapshot and show it."""
        self._verbosity.apply()
        self._view = self._status.look(reports, self._known(supervisor))
        self._viewed = time.monotonic()
        self._coverage.save_if_due(partial(self._scribe.write, "coverage"))
        self._tell_health(self._view)
        self._write_health(self._view)
        self._keep_serving()
        self._display.show(partial(status_json.status, self._view), self._page())

    def close(self, *, handed_on: bool = False) -> None:
        """Stop serving, and write into run/health.json that the recorder has ended, or leave the counts to its successor."""
        if handed_on:
            self._leave_counts()
        elif self._view is not None:
            self._keep_health(status_json.stopped(self._view, SystemClock.now_us()))
        self._coverage.save(partial(self._scribe.write, "coverage"))
        self._pinger.stop()
        self._server.close()
        self._scribe.finish(CLOSE_SECS)

    def _leave_counts(self) -> None:
        try:
            write_counts(self._data_dir, self._status.totals)
        except OSError as error:
            self._log.warning("counts_not_handed_on", error=str(error))

    def _known(self, supervisor: Supervisor) -> SupervisorFacts:
        now = time.monotonic()
        children = [
            ChildState(
                c.role,
                c.pid,
                _shown(c.state),
                c.restarts,
                c.unreported_secs(now),
                c.waits_for_disk,
                feed_of(c.role),
                report_of(c.role),
            )
            for c in supervisor.children
        ]
        pids = {child.name: child.pid for child in children if child.pid is not None}
        return SupervisorFacts(
            now_us=SystemClock.now_us(),
            uptime_secs=now - self._started,
            children=children,
            hops=[QueueDepth(*hop) for hop in supervisor.hops],
            usage=self._meter.newest({**pids, SUPERVISOR: os.getpid()}),
            disk_free_bytes=_free_bytes(self._data_dir),
            own=SupervisorReport(
                pid=os.getpid(),
                events=logs.recent(),
                log_lines_dropped=logs.dropped(),
                pings_sent=self._pinger.sent,
                pings_failed=self._pinger.failed,
            ),
            symbols={feed: symbols.now() for feed, symbols in self._symbols.items()},
        )

    def _newest(self) -> Snapshot:
        assert self._view is not None  # noqa: S101 -- for the type checker: serving begins after the first snapshot
        return self._view

    def _age_secs(self) -> float:
        return time.monotonic() - self._viewed

    def _tell_health(self, view: Snapshot) -> None:
        """Log each reason of ill health when it appears and when it is gone."""
        reasons = {reason["code"]: reason["text"] for reason in view.reasons}
        for code in reasons.keys() - self._reasons.keys():
            self._log.warning("health_reason", code=code, text=reasons[code])
        for code in self._reasons.keys() - reasons.keys():
            self._log.info("health_reason_gone", code=code)
        self._reasons = reasons

    def _keep_serving(self) -> None:
        if self._serving or not self._http_tries.due():
            return
        serving = self._server.try_start()
        if not serving and self._serving is None:
            self._log.warning(
                "http_unavailable", address=f"{self._http.host}:{self._http.port}", error=self._server.error
            )
        elif serving and self._server.listens:
            self._log.info("http_listening", address=f"{self._http.host}:{self._http.port}", url=self._url)
        self._serving = serving

    def _page(self) -> Page:
        """Where a person on this machine finds the page, or why there is none."""
        if self._server.listens:
            return Page(url=self._url)
        if self._serving:
            return Page(problem="No page: http.port is 0 (off).")
        return Page(problem=f"No page at {self._url}: {self._server.error}; tried again every {HTTP_RETRY_SECS:.0f} s.")

    def _write_health(self, view: Snapshot) -> None:
        if self._health_writes.due():
            self._keep_health(status_json.health(view))

    def _keep_health(self, health: Mapping[str, Any]) -> None:
        self._scribe.write("health", partial(_replace, self._health, health))


def reports_in(folder: Path, beside: Path | None = None) -> tuple[Reports, Mapping[str, int]]:
    """The newest reports in a folder, and when each was written; of processes that change places rather those `beside`."""
    reports, signs = read_reports(folder, report_of), last_signs(folder)
    if beside is not None:
        found = read_reports(beside, report_of)
        others = {role: report for role, report in found.items() if not runs_beside_successor(role)}
        newest = last_signs(beside)
        reports, signs = {**reports, **others}, {**signs, **{role: newest[role] for role in others if role in newest}}
    return reports, signs


def _symbols_of(config: Config) -> dict[str, FeedSymbols]:
    """What follows the symbols of each feed that has them from the exchange's list."""
    return {feed.name: FeedSymbols(config.data_dir, feed) for feed in config.feed if feed.wanted.needs_list}


def _replace(file: StatsFile, numbers: Mapping[str, Any]) -> None:
    """Replace the file, or remove it if the disk refuses: no file is better than an outdated one, and HTTP still works."""
    if not file.write(numbers):
        with suppress(OSError):
            file.remove()


def _free_bytes(folder: Path) -> int | None:
    try:
        disk = os.statvfs(folder)
    except OSError:
        return None
    return disk.f_bavail * disk.f_frsize


def _shown(state: str) -> str:
    """The state as /status names it: a child that is done counts as draining."""
    return "draining" if state == "done" else state
