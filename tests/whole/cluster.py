"""Several hosts as real processes: a NATS cluster, edges that receive, one host that stores; and what came of it."""

import os
import signal
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple, Self
from urllib.parse import urlsplit

from collector.processes.stats_place import newest_reports
from collector.reports import PublishReport, RelayReport, WriterReport
from tests.bus.servers import NatsCluster, NatsServer
from tests.sites import Site
from tests.whole.accounts import Sent, frames_sent, gaps_of, missing_frames, rows_of
from tests.whole.host_network import HostNetwork
from tests.whole.kept_journals import KeptJournals
from tests.whole.running import Exchange, Recorder, wait_for

FEED: Final = "binance"
NODES: Final = ("n0", "n1", "n2")
STORAGE: Final = "storage"
SETTINGS: Final[Mapping[str, Mapping[str, Any]]] = {
    "supervisor": {"restart_base_delay_secs": 0.1, "restart_max_delay_secs": 1, "hang_timeout_secs": 20},
    "journal": {"min_free_bytes": "64MiB", "file_bytes": "1MiB"},
    "segment": {"interval_secs": 5},
    "nats": {"stream_max_bytes": "64MiB"},
    "edge": {"rewind_secs": 1},
    "relay": {"position_interval_secs": 0.3},
    "archive": {"keep_raw": True, "retry_base_delay_secs": 0.1, "retry_max_delay_secs": 1},
    "silence": {"min_secs": 3_600},
    "repair": {"enabled": False},
}
"""Of every host: files, segments and waits are short, and the text of every frame is kept to be compared."""


class Host:
    """A recorder at its site, and of an edge every journal file that it ever had."""

    def __init__(self, folder: Path, name: str, site: Site, exchange_url: str, sections: Mapping[str, Any]) -> None:
        folder.mkdir(parents=True)
        url = urlsplit(exchange_url)
        self.name = name
        self.recorder = Recorder(folder, f"ws://{site.outside}:{url.port}{url.path}", **sections)
        self.recorder.address = site.door
        self.recorder.program = [*site.within, *self.recorder.program]
        self.journals = KeptJournals(self.recorder.data_dir / "journal", folder / "kept")

    def report(self, process: str) -> Any:
        """What that process last reported; None if it has not."""
        return newest_reports(self.recorder.data_dir).get(process)

    @property
    def published(self) -> PublishReport:
        """What its publisher last reported."""
        return self.report(f"publish:{FEED}") or PublishReport()

    @property
    def relayed(self) -> RelayReport:
        """What its relay last reported."""
        return self.report(f"relay:{FEED}") or RelayReport()

    @property
    def stored(self) -> int:
        """How many messages its writer last said are stored."""
        return int((self.report("writer") or WriterReport()).messages)

    def pids(self) -> dict[str, int]:
        """The newest process of each role, the supervisor included, as it logged them."""
        started = {line["child"]: int(line["pid"]) for line in self.recorder.logged("process_started")}
        return {**started, "supervisor": self.recorder.process.pid}

    def signal(self, role: str, number: signal.Signals) -> None:
        """Signal the process of that role, once it runs."""
        os.kill(self.recorder.pid_of(role), number)

    def kill(self) -> None:
        """Kill all its processes at once."""
        os.killpg(self.recorder.process.pid, signal.SIGKILL)
        self.recorder.process.wait(KILL_SECS)

    def start(self) -> None:
        """Start it, or start it again."""
        self.recorder.start(start_new_session=True)


class Outcome(NamedTuple):
    """What was received, stored and told."""

    frames: dict[str, int]
    """Those that each edge appended to its journal; all of them are in the archive, each once."""
    archived: int
    missing: list[Sent]
    """What the exchange sent to anybody and no edge appended; a gap row says so."""
    gaps: list[dict[str, Any]]
    """The ledger's newest row of each gap, but where a book was unknown."""


class Cluster:
    """Three nodes, edges and one storage host, each with a data directory of its own; for a `with` block.

    `sections` are settings of every host, `own` those of one by its name. In a `network` every node and host has a site
    of its own, and the exchange listens everywhere.
    """

    def __init__(
        self,
        folder: Path,
        source: Exchange,
        *,
        edges: Sequence[str] = ("a", "b"),
        feed: Mapping[str, Any] | None = None,
        network: HostNetwork | None = None,
        own: Mapping[str, Mapping[str, Any]] | None = None,
        **sections: Mapping[str, Any],
    ) -> None:
        self.source = source
        self._folder = folder
        self._network = network
        self._feed = dict(feed or {})
        self._own = dict(own or {})
        self._sections = sections
        self._end = ExitStack()
        self.nodes = NatsCluster(folder, [self._site(name) for name in NODES], max_payload="2MB")
        self.storage = self._host(STORAGE, "storage")
        self.edges = {name: self._host(name, "edge") for name in edges}

    def node(self, name: str) -> NatsServer:
        """The NATS node of that name."""
        return self.nodes.servers[NODES.index(name)]

    def start_nodes(self) -> None:
        """Start all nodes again; nobody waits for them."""
        for node in self.nodes:
            node.start(wait=False)

    @property
    def hosts(self) -> list[Host]:
        """All that record."""
        return [self.storage, *self.edges.values()]

    def add_edge(self, name: str, prepare: Callable[[Path], None] = lambda _data_dir: None) -> Host:
        """A further edge, started once its data directory is prepared."""
        self.edges[name] = self._host(name, "edge")
        prepare(self.edges[name].recorder.data_dir)
        self._start(self.edges[name])
        return self.edges[name]

    def __enter__(self) -> Self:
        """Start everything, and wait until every edge's frames are stored."""
        self._end.callback(self.nodes.remove)
        try:
            self.nodes.start()
            for host in self.hosts:
                self._start(host)
            for edge in self.edges:
                wait_for(lambda edge=edge: self.brings(edge))  # type: ignore[misc]
            self.storage.recorder.wait_for_messages(1)
        except BaseException:
            self._end.close()
            raise
        return self

    def __exit__(self, *what: object) -> None:
        """Leave nothing running."""
        self._end.close()

    def sent(self) -> int:
        """How many frames the exchange has sent, to all edges together."""
        return int(self.source.stats()["frames_sent"])

    def brings(self, edge: str) -> bool:
        """Whether anything of that edge has reached the storage host."""
        return any(source.edge == edge for source in self.storage.relayed.sources)

    def goes_on(self, more: int = 200) -> None:
        """Wait until more is stored than now, and every edge's journal has been taken."""
        self.storage.recorder.wait_for_messages(self.storage.recorder.messages() + more)
        self.wait_until_taken()

    def wait_until_taken(self) -> None:
        """Wait until storage has all that stood in the journals of the edges at some moment from now on."""
        for host in self.edges.values():
            began_us = host.published.place_us or 0
            wait_for(lambda host=host, began_us=began_us: self._is_taken(host, began_us))  # type: ignore[misc]

    @staticmethod
    def _is_taken(host: Host, began_us: int) -> bool:
        report = host.published
        return (report.place_us or 0) > began_us and report.lag_secs < LAG_SECS

    def stop(self) -> None:
        """Stop the edges, then storage once it has everything; each cleanly. The exchange ends last."""
        for host in self.edges.values():
            host.recorder.process.send_signal(signal.SIGTERM)
        for host in self.edges.values():
            assert host.recorder.process.wait(STOP_SECS) == 0, host.recorder.log_path.read_text("utf-8")[-4_000:]
        wait_for(self._has_all)
        assert self.storage.recorder.stop() == 0, self.storage.recorder.log_path.read_text("utf-8")[-4_000:]
        self.source.stop()

    def _has_all(self) -> bool:
        sources = self.storage.relayed.sources
        return {source.edge for source in sources if source.pending == 0} >= self.edges.keys()

    def outcome(self, robbed: Collection[str] = ()) -> Outcome:
        """Compare what was sent, what each edge appended and what the archive has; everything has stopped.

        Fails where a frame of an edge is not in the archive, where one is there twice or was never sent, and where one
        that is missing is covered by no gap. `robbed` are edges that lost journal files before anybody else had them.
        """
        archive = self.storage.recorder.data_dir / "archive"
        missing = missing_frames(frames_sent(self.source), archive)
        rows = [row for data_type in DATA_TYPES for row in rows_of(archive, data_type)]
        archived = {row["raw"] for row in rows}
        frames = {}
        for name, host in self.edges.items():
            appended = Counter(host.journals.frames())
            assert appended, f"edge {name} received nothing: the test shows too little"
            if name not in robbed:
                assert lost(appended, archived) == [], f"appended by {name}, and not archived"
            frames[name] = appended.total()
        return Outcome(frames, len(rows), missing, gaps_of(archive))

    def _start(self, host: Host) -> None:
        self._end.callback(host.recorder.end)
        self._end.enter_context(host.journals)
        host.start()

    def _site(self, name: str) -> Site:
        return Site() if self._network is None else self._network.site(name)

    def _host(self, name: str, role: str) -> Host:
        site = self._site(name)
        sections = merged(SETTINGS, self._sections, self._own.get(name, {}))
        sections |= {"role": role, "host_name": name, "feed": self._feed}
        sections["nats"] = {"urls": list(self.nodes.urls), **sections.get("nats", {})}
        if self._network is not None:
            sections["http"] = {"host": site.all_interfaces}
        return Host(self._folder / name, name, site, self.source.ws_url, sections)


DATA_TYPES: Final = ("book_snapshot", "book_delta", "trade", "agg_trade", "book_ticker")
KILL_SECS: Final = 60.0
LAG_SECS: Final = 3.0
STOP_SECS: Final = 130.0


def merged(*sections: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Settings one over the other, key by key."""
    found: dict[str, Any] = {}
    for layer in sections:
        for name, settings in layer.items():
            found[name] = {**found.get(name, {}), **settings}
    return found


def lost(appended: Iterable[str], archived: set[str]) -> list[str]:
    """What is not archived, in order."""
    return [text for text in appended if text not in archived]
