"""Real NATS servers for tests, on loopback: one alone or a cluster, each a process of its own in a folder of its own."""

import asyncio
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

from collector.bus.client import NatsBus
from collector.bus.link import Options
from tests.ports import keep_port, port_of
from tests.seaweed import die_with_parent
from tests.sites import Site

READY_SECS = 60.0
POLL_SECS = 0.02
PROGRAM = Path(sys.executable).parent / "nats-server"

THREE = (Site(), Site(), Site())

T = TypeVar("T")


class NatsServer:
    """`start`, `kill` and `stop` as often as a test likes: what was stored stays, until `delete_store`."""

    def __init__(
        self,
        folder: Path,
        cluster: Sequence[str] = (),
        number: int = 0,
        *,
        site: Site = Site(),  # noqa: B008 -- it never changes
        store: Path | None = None,
        settings: str = "",
        jetstream: str = "",
        max_payload: str = "1MB",
    ) -> None:
        """`cluster`: addresses at which the servers of a cluster speak to each other, of which this one has `number`.

        `store` is where it keeps what it stores, if not in its folder. `settings` and `jetstream` are further lines of the
        configuration, the latter of its block of that name; they and `max_payload` may be replaced before a start.
        """
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._keepers: list[socket.socket] = [keep_port(), keep_port()]
        self.cluster = cluster
        self.number = number
        self.site = site
        self.store = store or folder / "js"
        self.settings = settings
        self.jetstream = jetstream
        self.max_payload = max_payload
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        """Where clients connect."""
        return port_of(self._keepers[0])

    @property
    def url(self) -> str:
        """The same as an URL."""
        return f"nats://{self.site.address}:{self.port}"

    @property
    def pid(self) -> int:
        """Its process id while it runs."""
        assert self.process is not None
        return self.process.pid

    def start(self, *, wait: bool = True) -> Self:
        """Start it; with `wait` return once it is ready, in a cluster once that has a leader."""
        (self.folder / "nats.conf").write_text(self._configuration(), "utf-8")
        with (self.folder / "out").open("ab") as out:
            self.process = subprocess.Popen(
                [*self.site.within, PROGRAM, "-c", self.folder / "nats.conf"],
                stdout=out,
                stderr=out,
                preexec_fn=die_with_parent,  # noqa: PLW1509 -- it only asks the kernel
            )
        if wait:
            self.wait_until_ready()
        return self

    def wait_until_ready(self) -> None:
        """Return once it serves."""
        end = time.monotonic() + READY_SECS
        while self.asked("healthz").get("status") != "ok":
            assert self.process is not None
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < end, self.log()
            time.sleep(POLL_SECS)

    def asked(self, path: str) -> dict[str, Any]:
        """What it says of itself there, as `jsz?streams=1`; nothing if it does not answer."""
        try:
            with urllib.request.urlopen(
                f"http://{self.site.door}:{port_of(self._keepers[1])}/{path}", timeout=5
            ) as answer:
                return dict(json.load(answer))
        except (OSError, ValueError):
            return {}

    def log(self) -> str:
        """What it wrote of itself."""
        return (self.folder / "out").read_text("utf-8")

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, as SIGSTOP."""
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """As a power cut would, but for what the kernel still holds."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """In order."""
        self._end(signal.SIGTERM)

    def delete_store(self) -> None:
        """Remove everything that it stored; it must not run."""
        shutil.rmtree(self.store, ignore_errors=True)

    def remove(self) -> None:
        """End it for good."""
        self.kill()
        for keeper in self._keepers:
            keeper.close()
        self._keepers = []

    def _end(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(number)
            self.process.wait(READY_SECS)
            self.process = None

    def _configuration(self) -> str:
        lines = [
            f"server_name: n{self.number}",
            f'listen: "{self.site.address}:{self.port}"',
            f'http: "{self.site.all_interfaces}:{port_of(self._keepers[1])}"',
            f"max_payload: {self.max_payload}",
            f'jetstream {{ store_dir: "{self.store}"\nmax_memory_store: 64MB\nsync_interval: always\n{self.jetstream} }}',
            self.settings,
        ]
        if self.cluster:
            routes = ", ".join(f'"nats://{address}"' for address in self.cluster)
            own = self.cluster[self.number]
            lines.append(f'cluster {{ name: C\nlisten: "{own}"\nroutes: [{routes}] }}')
        return "\n".join(lines)


class NatsCluster:
    """Several servers that keep copies of each stream: n0, n1 and so on. Also an iterable of them."""

    def __init__(self, folder: Path, sites: Sequence[Site] = THREE, max_payload: str = "1MB") -> None:
        """A server at each of these sites."""
        self._keepers = [keep_port() for _ in sites]
        cluster = [f"{site.address}:{port_of(keeper)}" for site, keeper in zip(sites, self._keepers, strict=True)]
        self.servers = [
            NatsServer(folder / f"n{number}", cluster, number, site=site, max_payload=max_payload)
            for number, site in enumerate(sites)
        ]

    def __iter__(self) -> Iterator[NatsServer]:
        """The servers."""
        return iter(self.servers)

    @property
    def urls(self) -> tuple[str, ...]:
        """Where clients connect."""
        return tuple(server.url for server in self.servers)

    def start(self) -> Self:
        """Start all of them, and return once they serve together."""
        for server in self.servers:
            server.start(wait=False)
        self.wait_until_ready()
        return self

    def wait_until_ready(self) -> None:
        """Return once all of them serve, each with what the others have."""
        for server in self.servers:
            server.wait_until_ready()

    def leader_of(self, stream: str) -> NatsServer:
        """The server that leads a stream."""
        end = time.monotonic() + READY_SECS
        while True:
            assert time.monotonic() < end, f"{stream} has no leader"
            for asked in self.servers:
                for account in asked.asked("jsz?streams=1").get("account_details") or []:
                    for detail in account.get("stream_detail") or []:
                        name = (detail.get("cluster") or {}).get("leader")
                        if detail["name"] == stream and name:
                            return self.servers[int(name.removeprefix("n"))]
            time.sleep(POLL_SECS)

    def kill(self) -> None:
        """Kill all of them."""
        for server in self.servers:
            server.kill()

    def delete_stores(self) -> None:
        """Remove everything that they stored; none of them must run."""
        for server in self.servers:
            server.delete_store()

    def remove(self) -> None:
        """End them for good."""
        for server in self.servers:
            server.remove()
        for keeper in self._keepers:
            keeper.close()


def options_of(*urls: str, **fields: Any) -> Options:
    """How to reach these servers, without copies of streams."""
    return Options(urls, **{"replicas": 1, "stream_max_bytes": 64 << 20, **fields})


def bus_at(*urls: str, **fields: Any) -> NatsBus:
    """A client of these servers."""
    return NatsBus(options_of(*urls, **fields), "test", lambda: 0.5, lambda _is_connected, _text: None)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run an asyncio program under a generous deadline."""

    async def bounded() -> T:
        async with asyncio.timeout(3 * READY_SECS):
            return await work

    return asyncio.run(bounded())


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that other tasks bring about; whoever calls bounds it."""
    while not condition():  # noqa: ASYNC110 -- the condition may be a server's
        await asyncio.sleep(POLL_SECS)
