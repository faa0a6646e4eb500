"""A NATS server, and hosts that it connects."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bus.servers import NatsServer
from tests.processes.cluster.hosts import Host

Start = Callable[..., Host]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    server = NatsServer(tmp_path / "nats").start()
    yield server
    server.remove()


@pytest.fixture
def start(tmp_path: Path, server: NatsServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Begin a host of that name."""
    monkeypatch.setattr("collector.processes.cluster.process.REPORT_SECS", 0.05)
    monkeypatch.setattr("collector.processes.cluster.process.HOSTS_SECS", 0.1)
    monkeypatch.setattr("collector.processes.cluster.process.REGAIN_SECS", 0.6)
    monkeypatch.setattr("collector.bus.client.CAP_SECS", 0.2)
    monkeypatch.setattr("collector.processes.cluster.moves.LEAST", 0.4)
    monkeypatch.setattr("collector.processes.cluster.errands.ERRAND_SECS", 0.1)
    monkeypatch.setattr("collector.processes.cluster.bucket.RETRY_SECS", 0.1)
    monkeypatch.setattr("collector.processes.cluster.host_board.DEAD_SECS", 1.0)
    monkeypatch.setattr("collector.processes.cluster.host_board.REPEAT_SECS", 0.2)
    begun: list[Host] = []

    def start(name: str, **options: Any) -> Host:
        begun.append(Host(tmp_path, name, server.url, **options).start())
        return begun[-1]

    yield start
    for host in begun:
        host.stop(says_so=False)
