"""Where a status comes from: an HTTP port, or the files a recorder of this machine leaves."""

import http
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

from collector.config import Config
from collector.domain.redact import redact_url
from collector.metrics import read_object, read_stats
from collector.supervision import shown
from collector.supervision.status import Status
from collector.supervision.usage import UsageMeter
from collector.supervision.view import ChildState, Knowledge

ANSWER_SECS = 5.0
MAX_ANSWER_BYTES = 64 * 1024 * 1024
FRESH_SECS = 15.0
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (an address to ask, not to bind)
TOKEN_VARIABLE = "COLLECTOR_HTTP__TOKEN"  # noqa: S105 (where it stands, not what it is)

Found = tuple[Mapping[str, Any], str]
"""The status, and what else is to be said about it."""


class NoAnswerError(Exception):
    """Nothing answers; the text says where, why, and what to try."""


def fetch(url: str, token: str) -> Mapping[str, Any]:
    """The status at `url`. Raises NoAnswerError."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise NoAnswerError(f"{redact_url(url)} is no address such as http://127.0.0.1:9464")
    asked = parts._replace(path="/status").geturl() if parts.path in {"", "/"} else url
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(asked, headers={"Authorization": f"Bearer {token}"} if token else {})  # noqa: S310 (http or https, as checked)
    try:
        with direct.open(request, timeout=ANSWER_SECS) as response:
            status = msgspec.json.decode(response.read(MAX_ANSWER_BYTES))
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.UNAUTHORIZED:
            raise NoAnswerError(f"{redact_url(asked)} wants its token: set {TOKEN_VARIABLE}") from error
        raise NoAnswerError(f"{redact_url(asked)} answers with {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise NoAnswerError(f"nothing answers at {redact_url(asked)}: {getattr(error, 'reason', error)}") from error
    except msgspec.DecodeError as error:
        raise NoAnswerError(f"{redact_url(asked)} answers, but it is no recorder") from error
    if not isinstance(status, dict) or "processes" not in status:
        raise NoAnswerError(f"{redact_url(asked)} answers, but it is no recorder")
    return status


class Local:
    """The recorder that `config` describes: asked on its port, else read from the files it leaves in `run/`."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._meter = UsageMeter()
        self._status: tuple[str, Status] | None = None

    def __call__(self) -> Found:
        """Look now. Raises NoAnswerError."""
        config = self._config
        if not config.http.port:
            why = "its http.port is 0 (off)"
        else:
            host = EVERYWHERE.get(config.http.host, config.http.host)
            url = f"http://{f'[{host}]' if ':' in host else host}:{config.http.port}"
            try:
                return fetch(url, config.http.token.get_secret_value()), ""
            except NoAnswerError as error:
                why = str(error)
        status = self._read_files(time.time_ns() // 1_000)
        if status is None:
            raise NoAnswerError(
                f"{why}, and no recorder is running on {config.data_dir}; start it with scripts/run, "
                "or name another with --config or --url"
            )
        return (
            status,
            f"{why}; these are the processes' own numbers since their last restart, from {config.data_dir}/run",
        )

    def _read_files(self, now_us: int) -> Mapping[str, Any] | None:
        """The status as far as the files in `run/` tell it; None where no supervisor keeps them fresh."""
        run = self._config.data_dir / "run"
        health = read_object(run / "health.json")
        if health is None or now_us / 1e6 - datetime.fromisoformat(health["updated_at"]).timestamp() > FRESH_SECS:
            return None
        if self._status is None or self._status[0] != health["run_id"]:
            self._status = (health["run_id"], Status(health["run_id"], self._config))
        reports = read_stats(run / "stats")
        roles = sorted(reports, key=lambda role: (role == "archiver", role == "writer", role))
        children = [ChildState(role, reports[role]["pid"], reports[role]["state"], 0) for role in roles]
        usage = self._meter.read({role: reports[role]["pid"] for role in roles})
        known = Knowledge(now_us, time.monotonic(), children, (), usage)
        status = shown.status(self._status[1].look(reports, known))
        processes = [{**process, "restarts": None} for process in status["processes"]]
        told = {name: health[name] for name in ("uptime_secs", "healthy", "reasons")}
        return {**status, **told, "processes": processes}
