"""The table of roles: every process the supervisor runs, one row each.

Supervisor, stop sequence, locks, status and metrics read this table. A new process is a folder beside this file and a
row in `ROLES`.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, NamedTuple

from collector.config import Config
from collector.exchanges.registry import adapter
from collector.folders import matching
from collector.processes.rest_adapters import asked_adapters
from collector.reports import (
    ArchiverReport,
    ClusterReport,
    IngestReport,
    PublishReport,
    RelayReport,
    RepairReport,
    Report,
    TablerReport,
    WriterReport,
)
from collector.storage.locks import RoleLock
from collector.storage.regular_files import regular_files


class Input(NamedTuple):
    """What a process takes over from another one: files on disk, and the notice that announces them."""

    sender: str
    """The role that leaves the files."""
    notice: str
    """The kind of the notice, as in `collector.channel.channel.Notice`."""
    files: str
    """What the files are, for people."""


def _always(_config: Config) -> bool:
    return True


def _asks_over_rest(config: Config) -> bool:
    return bool(asked_adapters(config, adapter))


def _has_tables(config: Config) -> bool:
    return bool(config.table.catalog)


ALONE_AND_STORAGE: Final = frozenset({"all", "storage"})
ALONE_AND_EDGE: Final = frozenset({"all", "edge"})
STORAGE: Final = frozenset({"storage"})
SEVERAL: Final = frozenset({"edge", "storage"})
EVERY_HOST: Final = ALONE_AND_STORAGE | ALONE_AND_EDGE


class Role(NamedTuple):
    """One kind of process, as everything but the process itself has to know it."""

    name: str
    """The process's name; with `per_feed` the name is followed by a colon and the feed, as in `ingest:binance`."""
    module: str
    """The module whose `main(context)` is the process. It is imported in that process alone: imports may be heavy."""
    stage: int
    """Stages stop one after the other, from 0 upwards: each begins to stop when the one before is dead."""
    folder: str
    """The folder of data_dir that this role alone holds and locks; with `per_feed`, its subfolder of the feed's name."""
    report: type[Report] = Report
    """What it reports of itself."""
    inputs: tuple[Input, ...] = ()
    """What it takes over from other processes."""
    source: str = ""
    """What it reads outside the recorder, for people; empty if nothing."""
    target: str = ""
    """What it writes outside the recorder, for people; empty if nothing."""
    per_feed: bool = False
    """Whether there is one for each feed, or one in all."""
    runs_beside: bool = False
    """Whether in a handover its successor begins before it leaves, so that nothing that comes from outside is missed
    meanwhile. A process of any other role changes places with its successor: what it takes over waits on disk or outside."""
    stops_on_signal: bool = False
    """Whether a signal ends it, as befits a process that fetches from outside. Any other leaves only when its own stop
    Event is set, because it first reads what the stages before it left; it is started once more to do so if it is dead
    when its stage is to stop."""
    backlog_may_wait: bool = False
    """Whether a stop that comes too late for it is clean all the same: what it left undone is durable and waits on disk."""
    settings: tuple[str, ...] = ()
    """The keys and sections of the configuration that it reads; of feeds a process `per_feed` reads its own alone."""
    takes_settings_live: bool = False
    """Whether a running process takes up a newer configuration (`config/handed_on.py`). One of any other role leaves at
    once for a successor when a setting that it reads has changed."""
    nice: int = 0
    """How far it stands back for the others where processors are short, in steps of nice(2) below the supervisor."""
    hosts: frozenset[str] = ALONE_AND_STORAGE
    """The roles of hosts (`role` in the configuration) that have this process."""
    is_needed: Callable[[Config], bool] = _always
    """Whether a host of that role has this process under that configuration."""

    def settings_among(self, keys: Iterable[str]) -> list[str]:
        """Those of these keys that it reads, sorted."""
        return sorted(
            key for key in keys if any(key == known or key.startswith(f"{known}.") for known in self.settings)
        )

    def process_names(self, config: Config) -> list[str]:
        """The names of its processes under that configuration."""
        if config.role not in self.hosts or not self.is_needed(config):
            return []
        return [self.process_name(feed.name) for feed in config.feed] if self.per_feed else [self.name]

    def process_name(self, feed: str) -> str:
        """The name of its process that works for that feed."""
        return f"{self.name}:{feed}" if self.per_feed else self.name


_WHAT_FEEDS_BRING: Final = tuple(
    f"feed.{key}" for key in ("name", "exchange", "symbols", "exclude", "data_types", "ws_url", "rest_url")
)
"""What of the feeds matters to whoever works for all of them: which streams each brings, and whether it is repaired."""

ROLES: tuple[Role, ...] = (
    Role(
        name="ingest",
        module="collector.processes.ingest.process",
        stage=0,
        folder="journal",
        report=IngestReport,
        source="exchange (WebSocket)",
        per_feed=True,
        runs_beside=True,
        stops_on_signal=True,
        settings=("feed", "ingest", "journal", "silence", "book", "repair.enabled", "writer.batch_interval_secs"),
        takes_settings_live=True,
        hosts=ALONE_AND_EDGE,
    ),
    Role(
        name="publish",
        module="collector.processes.publish.process",
        stage=1,
        folder="publish",
        report=PublishReport,
        inputs=(Input("ingest", "appended", "journal files"),),
        target="NATS (slices)",
        per_feed=True,
        backlog_may_wait=True,
        settings=("feed.name", "feed.exchange", "edge", "nats", "supervisor.stop_timeout_secs"),
        nice=2,
        hosts=frozenset({"edge"}),
    ),
    Role(
        name="relay",
        module="collector.processes.relay.process",
        stage=0,
        folder="journal",
        report=RelayReport,
        source="edges (NATS)",
        per_feed=True,
        stops_on_signal=True,
        settings=("feed.name", "feed.exchange", "nats", "relay", "journal", "ingest", "writer.batch_interval_secs"),
        hosts=STORAGE,
    ),
    Role(
        name="repair",
        module="collector.processes.repair.process",
        stage=0,
        folder="repair",
        report=RepairReport,
        inputs=(Input("ingest", "asked", "requests for books"), Input("writer", "asked", "repair requests")),
        source="exchange (REST)",
        stops_on_signal=True,
        settings=(*_WHAT_FEEDS_BRING, "ingest", "journal", "repair", "book"),
        nice=3,
        hosts=EVERY_HOST,
        is_needed=_asks_over_rest,
    ),
    Role(
        name="cluster",
        module="collector.processes.cluster.process",
        stage=0,
        folder="cluster",
        report=ClusterReport,
        source="other hosts (NATS)",
        stops_on_signal=True,
        settings=(*_WHAT_FEEDS_BRING, "ingest.symbols_refresh_secs", "nats", "share"),
        nice=3,
        hosts=SEVERAL,
    ),
    Role(
        name="writer",
        module="collector.processes.writer.process",
        stage=1,
        folder="segments",
        report=WriterReport,
        inputs=(
            Input("ingest", "appended", "journal files"),
            Input("relay", "appended", "journal files"),
            Input("repair", "appended", "journal files"),
        ),
        settings=(
            *_WHAT_FEEDS_BRING,
            "ingest",
            "journal",
            "repair",
            "book",
            "writer",
            "silence",
            "segment",
            "archive.keep_raw",
            "archive.compression_level",
            "supervisor.stop_timeout_secs",
        ),
        nice=5,
    ),
    Role(
        name="archiver",
        module="collector.processes.archiver.process",
        stage=2,
        folder="staging",
        report=ArchiverReport,
        inputs=(Input("writer", "sealed", "sealed segments"),),
        target="store (Parquet)",
        backlog_may_wait=True,
        settings=("archive", "journal", "supervisor.stop_timeout_secs"),
        nice=10,
    ),
    Role(
        name="tabler",
        module="collector.processes.tabler.process",
        stage=3,
        folder="tables",
        report=TablerReport,
        inputs=(Input("archiver", "archived", "archived segments"),),
        source="store (manifests)",
        target="catalog (Iceberg)",
        backlog_may_wait=True,
        settings=("archive", "table", "supervisor.stop_timeout_secs"),
        nice=12,
        is_needed=_has_tables,
    ),
)
"""In the order in which they are listed for people. Read it where it is used: a test adds a row."""

NO_FEED: Final = ""


def role_of(process: str) -> Role:
    """The role of the process of that name. Raises KeyError if there is none."""
    role = _find(process)
    if role is None:
        raise KeyError(process)
    return role


def feed_of(process: str) -> str:
    """The feed that the process of that name works for; `NO_FEED` if it works for all."""
    return process.partition(":")[2]


def runs_beside_successor(process: str) -> bool:
    """Whether in a handover the process of that name and its successor run side by side; false for an unknown role."""
    role = _find(process)
    return role is not None and role.runs_beside


def report_of(process: str) -> type[Report]:
    """What the process of that name reports; what every process reports, if it has no known role."""
    role = _find(process)
    return Report if role is None else role.report


def processes_of(config: Config) -> list[str]:
    """The names of all children of a supervisor of that configuration, stage by stage."""
    by_stage = sorted(ROLES, key=lambda role: role.stage)
    return [name for role in by_stage for name in role.process_names(config)]


def in_flow_order(processes: Iterable[str]) -> list[str]:
    """These names stage by stage; those of no known role, as another version may have, come last."""
    ranks = {role.name: (role.stage, rank) for rank, role in enumerate(ROLES)}
    last = (max(ranks.values())[0] + 1, 0)
    return sorted(processes, key=lambda name: (ranks.get(name.partition(":")[0], last), name))


def processes_seen(data_dir: Path) -> list[str]:
    """The name of every process that may still hold a lock in this data directory, whatever was removed from `run/`."""
    found = {path.name.removesuffix(".lock") for path in regular_files(data_dir / "run", "*.lock")}
    for role in ROLES:
        named = _names_by_folder(role, data_dir / role.folder) if role.per_feed else [role.name]
        # Ingest and relay hold the same folder, on other hosts: where a lock names the one, it is not the other.
        held = {(other.folder, feed_of(name)) for name in found if (other := _find(name)) is not None}
        found.update(name for name in named if (role.folder, feed_of(name)) not in held)
    return sorted(name for name in found if _find(name) is not None)


def role_lock(data_dir: Path, process: str) -> RoleLock:
    """The lock that the process of that name holds while it lives. Raises KeyError if there is no such role."""
    return RoleLock(data_dir, process, data_dir / role_of(process).folder / feed_of(process))


def _find(process: str) -> Role | None:
    name, colon, feed = process.partition(":")
    fitting = (role for role in ROLES if role.name == name and role.per_feed == bool(feed) == bool(colon))
    return next(fitting, None)


def _names_by_folder(role: Role, folder: Path) -> list[str]:
    # No feed's name has a `~`: such a folder is that of a journal with a suffix, and belongs to another role.
    return [role.process_name(path.name) for path in matching(folder, "*") if path.is_dir() and "~" not in path.name]
