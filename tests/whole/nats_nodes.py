"""The nodes of a NATS cluster as real processes, which a test kills and stops, and whose stores it takes away."""

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

from tests.ports import keep_port, port_of
from tests.whole.host_network import OWN, Site
from tests.whole.running import DEADLINE_SECS, wait_for

SERVER: Final = Path(sys.executable).with_name("nats-server")
SETTINGS: Final = ("max_payload: 2MB", "max_pending: 64MB")
"""Of the server."""
STORE_SETTINGS: Final = ("max_memory_store: 64MB", "sync_interval: always")
"""Of its JetStream."""
ASK_SECS: Final = 2.0
"""A node that is stopped answers nobody."""


class Node:
    """One server. `store` is the folder of its JetStream, which may be a disk of its own."""

    def __init__(self, folder: Path, name: str, site: Site, store: Path | None = None) -> None:
        self.name = name
        self.site = site
        self.store = store or folder / f"{name}-store"
        self._config = folder / f"{name}.conf"
        self._log = folder / f"{name}.log"
        self._keepers = [keep_port() for _ in range(3)]
        self._clients, self._routes, self._http = map(port_of, self._keepers)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """For clients on the hosts."""
        return f"nats://{self.site.address}:{self._clients}"

    @property
    def route(self) -> str:
        """For the other nodes."""
        return f"nats://{self.site.address}:{self._routes}"

    @property
    def pid(self) -> int:
        """Of its newest process."""
        assert self._process is not None
        return self._process.pid

    def configure(self, routes: list[str]) -> None:
        """Write its configuration."""
        everywhere = OWN if self.site.address == OWN else "0.0.0.0"
        jetstream = ", ".join([f'store_dir: "{self.store}"', "max_file_store: 4GB", *STORE_SETTINGS])
        lines = [
            f"server_name: {self.name}",
            f'listen: "{self.site.address}:{self._clients}"',
            f'http: "{everywhere}:{self._http}"',
            *SETTINGS,
            f"jetstream {{ {jetstream} }}",
            f'cluster {{ name: C, listen: "{self.site.address}:{self._routes}", routes: {json.dumps(routes)} }}',
        ]
        self._config.write_text("\n".join(lines) + "\n", "utf-8")

    def start(self) -> Self:
        """Start it, or start it again."""
        with self._log.open("ab") as log:
            command = [*self.site.within, str(SERVER), "-c", str(self._config)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        return self

    def signal(self, number: signal.Signals) -> None:
        """Stop it, or let it go on."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """As `kill -9` does."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(DEADLINE_SECS)

    def lose_store(self) -> None:
        """Delete what it keeps; it has been killed."""
        shutil.rmtree(self.store, ignore_errors=True)

    def ask(self, path: str) -> Any:
        """What its monitoring says; None while nobody answers."""
        url = f"http://{self.site.door}:{self._http}/{path}"
        try:
            with urllib.request.urlopen(url, timeout=ASK_SECS) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return json.loads(error.read())
        except OSError:
            return None

    def is_healthy(self) -> bool:
        """Whether it serves JetStream, with all that the others have."""
        return (self.ask("healthz") or {}).get("status") == "ok"

    def end(self) -> None:
        """Leave nothing running."""
        self.kill()
        for keeper in self._keepers:
            keeper.close()


class Nodes:
    """A cluster of nodes, by name."""

    def __init__(self, folder: Path, sites: Mapping[str, Site], stores: Mapping[str, Path] | None = None) -> None:
        self.by_name = {name: Node(folder, name, site, (stores or {}).get(name)) for name, site in sites.items()}
        for node in self:
            node.configure([other.route for other in self])

    def __iter__(self) -> Any:
        return iter(self.by_name.values())

    def __getitem__(self, name: str) -> Node:
        return self.by_name[name]

    @property
    def urls(self) -> list[str]:
        """For clients."""
        return [node.url for node in self]

    def start(self) -> Self:
        """Start all, and wait until they are one cluster."""
        for node in self:
            node.start()
        self.wait_until_healthy()
        return self

    def wait_until_healthy(self) -> None:
        """Wait until every node serves."""
        for node in self:
            wait_for(node.is_healthy)

    def signal(self, number: signal.Signals) -> None:
        """Signal all."""
        for node in self:
            node.signal(number)

    def kill(self) -> None:
        """Kill all at once."""
        for node in self:
            node.kill()

    def end(self) -> None:
        """Leave nothing running."""
        for node in self:
            node.end()
