"""Reads a status: from an HTTP port, or from the files that a recorder on this machine writes."""

import http
import http.client
import queue
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import msgspec

from collector.config import Config
from collector.domain.redact import redact_url
from collector.http.address import local_url
from collector.monitoring import status_json
from collector.monitoring.status import SUPERVISOR, Status
from collector.monitoring.usage import UsageMeter
from collector.monitoring.view import ChildState, SupervisorFacts
from collector.processes.roles import feed_of, in_flow_order
from collector.processes.stats_place import newest_reports
from collector.reports import Report, SupervisorReport
from collector.stats_files import read_object
from collector.storage.locks import supervisor_lock

ANSWER_SECS = 5.0
TOTAL_SECS = 10.0
MAX_ANSWER_BYTES = 64 * 1024 * 1024
FRESH_SECS = 15.0
LATIN_1 = 0xFF
TOKEN_VARIABLE = "COLLECTOR_HTTP__TOKEN"  # noqa: S105 (where it stands, not what it is)

Found = tuple[Mapping[str, Any], str]
"""A status, and a remark about where it comes from (often empty)."""


class NoAnswerError(Exception):
    """No status could be had; the text says where it was asked for, why there is none, and what to try."""


def fetch(url: str, token: str) -> Mapping[str, Any]:
    """Fetch the status at `url` within TOTAL_SECS. Raises NoAnswerError."""
    parts = _parts(url)
    status_url = parts._replace(path="/status").geturl() if parts.path in {"", "/"} else url
    if not _fits_a_header(token):
        raise NoAnswerError("the token (http.token) has characters that no HTTP header carries")
    request = urllib.request.Request(status_url, headers={"Authorization": f"Bearer {token}"} if token else {})  # noqa: S310 (http or https, as checked)
    try:
        status = msgspec.json.decode(_answer(request))
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.UNAUTHORIZED:
            raise NoAnswerError(f"{redact_url(status_url)} wants its token: set {TOKEN_VARIABLE}") from error
        raise NoAnswerError(f"{redact_url(status_url)} answers with {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise NoAnswerError(
            f"nothing answers at {redact_url(status_url)}: {getattr(error, 'reason', error)}"
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NoAnswerError(f"{redact_url(status_url)} answers, but it is not a recorder") from error
    if not isinstance(status, dict) or "processes" not in status or not isinstance(status.get("healthy"), bool):
        raise NoAnswerError(f"{redact_url(status_url)} answers, but it is not a recorder")
    return status


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        parts = SplitResult("", "", "", "", "")
    fits = url.isascii() and url.isprintable() and " " not in url
    if parts.scheme not in {"http", "https"} or not parts.hostname or not fits:
        raise NoAnswerError(f"{redact_url(url)} is not an address such as http://127.0.0.1:9464")
    return parts


def _fits_a_header(token: str) -> bool:
    """Whether http.client takes it; its error for one that it does not take would quote the token."""
    return token.isprintable() and all(ord(char) <= LATIN_1 for char in token)


def _answer(request: urllib.request.Request) -> bytes:
    """Fetch in a thread, because a socket's timeout starts anew with every byte. Raises what the request raises."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    answered: queue.SimpleQueue[bytes | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            with direct.open(request, timeout=ANSWER_SECS) as response:
                answered.put(response.read(MAX_ANSWER_BYTES))
        except (OSError, http.client.HTTPException) as error:
            answered.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answered.get(timeout=TOTAL_SECS)
    except queue.Empty:
        raise TimeoutError(f"no whole answer within {TOTAL_SECS:.0f} s") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


class Health(msgspec.Struct):
    """`run/health.json`: the supervisor's verdict."""

    run_id: str
    uptime_secs: float
    healthy: bool
    reasons: list[dict[str, str]]
    updated_at: datetime
    headline: str = ""

    def as_status(self, now_us: int) -> dict[str, Any]:
        """The verdict as part of a status; one older than FRESH_SECS counts as unhealthy."""
        age_secs = now_us / 1e6 - self.updated_at.timestamp()
        stale = {
            "code": "child_failing",
            "text": f"the supervisor is running, but it cannot write its files: they are {age_secs:.0f} s old",
        }
        if age_secs > FRESH_SECS:
            verdict = {"healthy": False, "headline": "No fresh status", "reasons": [stale, *self.reasons]}
        else:
            verdict = {"healthy": self.healthy, "headline": self.headline, "reasons": self.reasons}
        return {"uptime_secs": self.uptime_secs, **verdict}


def _read_health(path: Path) -> Health | None:
    try:
        return msgspec.convert(read_object(path), Health)
    except msgspec.ValidationError:
        return None


def _child(role: str, report: Report, now_us: int) -> ChildState:
    unreported_secs = max(0.0, (now_us - report.updated_us) / 1e6)
    return ChildState(role, report.pid, report.state, 0, unreported_secs, feed=feed_of(role), report=type(report))


class LocalStatus:
    """The status of the recorder that `config` describes: from its port, else from the files in `run/`."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._meter = UsageMeter()
        self._status: tuple[str, Status] | None = None

    def __call__(self) -> Found:
        """Read the status now. Raises NoAnswerError."""
        answer, why = self._ask()
        data_dir = self._config.data_dir
        lock = supervisor_lock(data_dir)
        try:
            running = not lock.is_free()
        except OSError as error:
            if answer is None:
                raise NoAnswerError(f"{why}, and {data_dir} cannot be looked into: {error.strerror}") from error
            return answer, f"whether this is the recorder of {data_dir} cannot be verified: {error.strerror}"
        if not running:
            other = "another recorder answers on that port: ask it with --url" if answer else why
            raise NoAnswerError(
                f"no recorder is running on {data_dir} ({other}); start it with 'collector run', "
                "or name another with --config or --url"
            )
        health = _read_health(data_dir / "run" / "health.json")
        if answer is not None and (health is None or health.run_id == answer.get("run_id")):
            return answer, ""
        if health is None:
            raise NoAnswerError(
                f"{why}, and process {lock.holder()} records into {data_dir}, but run/health.json cannot be read: "
                "it has only begun, or it cannot write its files"
            )
        why = "the port belongs to another recorder" if answer else why
        return (
            self._read_files(health, lock.holder(), time.time_ns() // 1_000),
            f"{why}; these are the processes' own numbers since their last restart, from {data_dir}/run",
        )

    def _ask(self) -> tuple[Mapping[str, Any] | None, str]:
        """What the port answers, or None and why there is no answer."""
        config = self._config.http
        if not config.port:
            return None, "its http.port is 0 (off)"
        try:
            return fetch(local_url(config.host, config.port), config.token.value), ""
        except NoAnswerError as error:
            return None, str(error)

    def _read_files(self, health: Health, holder: str, now_us: int) -> Mapping[str, Any]:
        """The status as far as the files in `run/` hold it."""
        if self._status is None or self._status[0] != health.run_id:
            self._status = (health.run_id, Status(health.run_id, self._config))
        reports = newest_reports(self._config.data_dir)
        children = [_child(role, reports[role], now_us) for role in in_flow_order(reports)]
        supervisor = SupervisorReport(pid=int(holder) if holder.isdecimal() else 0)
        pids = {name: report.pid for name, report in {SUPERVISOR: supervisor, **reports}.items() if report.pid}
        usage = self._meter.read(pids)
        known = SupervisorFacts(now_us, time.monotonic(), children, (), usage, own=supervisor)
        status = status_json.status(self._status[1].look(reports, known))
        processes = [{**process, "restarts": None} for process in status["processes"]]
        return {**status, **health.as_status(now_us), "processes": processes}
