"""The two sides of a handover, each without processes: a supervisor that does as it is told, and a clock."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest

from collector.config import Config, FeedConfig, SupervisorConfig
from collector.config.model import NatsConfig
from collector.domain.log import Log
from collector.processes import roles
from collector.processes.roles import Role
from collector.reports import IngestReport, LineReport, PublishReport, RelayReport, Report
from collector.supervision.reload_steps import Steps

ROLES = ("ingest:binance", "repair", "writer", "archiver")
MIN_SECS = 60.0


def config(folder: Path, role: Literal["all", "edge", "storage"] = "all") -> Config:
    feed = FeedConfig(symbols=("BTCUSDT",), data_types=("trade",))
    nats = NatsConfig(urls=("nats://127.0.0.1:1",))
    limits = SupervisorConfig(handover_min_secs=MIN_SECS)
    return Config(data_dir=folder, host_name="box", role=role, nats=nats, feed=(feed,), supervisor=limits)


def ingest(pid: int, **fields: Any) -> IngestReport:
    line = LineReport(
        line=0, plan=0, streams=1, connection=fields.pop("connection", 7), state=fields.pop("state", "open")
    )
    return IngestReport(role="ingest:binance", feed="binance", pid=pid, lines=[line], **fields)


def add_host_roles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the table of roles those of several hosts that it lacks."""
    rows = (
        Role("publish", "", 1, "", report=PublishReport, per_feed=True, hosts=frozenset({"edge"})),
        Role("relay", "", 0, "", report=RelayReport, per_feed=True, hosts=frozenset({"storage"})),
    )
    known = {role.name for role in roles.ROLES}
    monkeypatch.setattr(roles, "ROLES", (*(row for row in rows if row.name not in known), *roles.ROLES))


class Side:
    """In the place of the supervisor and the clock of one program."""

    def __init__(self, *roles: str) -> None:
        self.secs = 100.0
        self.recording, self.stopping, self.holds_signals = True, False, False
        self.code: int | None = None
        self.stops_in_secs: float | None = None
        self.steps: list[Steps] = []
        self.wakes: set[int] = set()
        self.events: list[dict[str, Any]] = []
        self.log = Log(lambda level, fields: self.events.append({"level": level, **fields}))
        self.children: list[Any] = []
        self.join(*roles)

    def join(self, *roles: str) -> None:
        for role in roles:
            self.children.append(SimpleNamespace(role=role, pid=len(role), state="running", restarts=0, exit_code=None))

    def part(self, *roles: str) -> None:
        """These have left."""
        self.children = [child for child in self.children if child.role not in roles]

    def reconfigure(self, _config: Config, _number: int, steps: Steps) -> None:
        self.steps.append(steps)

    def end(self, code: int) -> None:
        self.code = code

    def pid(self, role: str) -> int:
        pid: int = next(child.pid for child in self.children if child.role == role)
        return pid

    def monotonic(self) -> float:
        return self.secs

    def now_us(self) -> int:
        return round(self.secs * 1e6)

    def now_ns(self) -> int:
        return self.now_us() * 1_000

    def sleep(self, secs: float) -> None:
        self.secs += secs


Reports = dict[str, Report]
