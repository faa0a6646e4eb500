"""The snapshot: everything the supervisor knows at one moment, as values that any thread may read."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from collector.domain.records import StreamKey
from collector.monitoring.coverage import Strips
from collector.monitoring.events import Event
from collector.monitoring.totals import Totals, by_feed, ingests_of, totals_of
from collector.monitoring.usage import Usage
from collector.reports import (
    ArchiverReport,
    ClusterReport,
    IngestReport,
    JournalLag,
    LineReport,
    PublishReport,
    RelayReport,
    RepairReport,
    Report,
    StreamNumbers,
    SupervisorReport,
    TablerReport,
    WriterReport,
)


class ChildState(NamedTuple):
    """A process as the supervisor knows it; `state` is starting, running, draining, backoff or failed."""

    name: str
    pid: int | None
    state: str
    restarts: int
    unreported_secs: float | None = None
    """Seconds since a running process last reported; it should report about once a second."""
    waits_for_disk: bool = False
    """Whether it waits for the disk, as it reported before the wait."""
    feed: str = ""
    """The feed it works for; empty if it works for all."""
    report: type[Report] = Report
    """The type of its reports."""


class QueueDepth(NamedTuple):
    """The notices on their way from one process to another."""

    sender: str
    receiver: str
    depth: int
    capacity: int


class SupervisorFacts(NamedTuple):
    """What the supervisor itself knows at one moment."""

    now_us: int
    uptime_secs: float
    """Monotonic, since the supervisor's start."""
    children: Sequence[ChildState]
    hops: Sequence[QueueDepth]
    usage: Mapping[str, Usage]
    """By process, the supervisor included."""
    disk_free_bytes: int | None = None
    """Free space on the disk of `data_dir`; None if it cannot be measured."""
    own: SupervisorReport = SupervisorReport()
    """The supervisor's report of itself."""
    symbols: Mapping[str, tuple[str, ...]] = {}
    """What each feed records now whose symbols follow from its exchange's list; the same objects until they change."""


Value = tuple[str, tuple[str, ...], float]
"""A sample of a metric: its name, its labels' values, and the number."""


class Stage(NamedTuple):
    """One step of the flow: its total, its present rate, and the rates of the last minutes."""

    name: str
    total: int
    per_sec: float | None
    history: Sequence[float]
    unit: str = ""
    """What is counted: `bytes`, or what the name says."""


class Snapshot(NamedTuple):
    """Everything known, counted since the supervisor's start across all incarnations of the processes."""

    run_id: str
    host: str
    started_us: int
    known: SupervisorFacts
    headline: str
    """The state in one line: whether it records, and the most urgent reason."""
    reasons: Sequence[Mapping[str, str]]
    """Why it is not healthy, `code`, `text` and `since` each, the most urgent first; empty when it is healthy."""
    ready: bool
    """Whether anything was stored since the start."""
    roles: Totals
    exchanges: Mapping[str, str]
    """The exchange of each configured feed."""
    journals: Sequence[JournalLag]
    store_error: str | None
    configured: Sequence[StreamKey]
    limit_secs: Callable[[StreamKey], float | None]
    """How many seconds a stream may be silent; None for one that is not configured."""
    silent: frozenset[StreamKey]
    strips: Strips
    disk_full_in_secs: float | None
    next_seal_us: int
    """When the open segment is sealed at the latest, if it has rows by then."""
    is_demo: bool
    """Whether this records the built-in exchange, whose data is made up."""
    stages: Sequence[Stage]
    events: Sequence[Event]
    role: str = "all"
    """What this host does: `all`, `edge` or `storage`."""
    stores: bool = True
    """Whether it stores rows."""
    receives: bool = True
    """Whether it receives from exchanges."""

    @property
    def backlog_age_secs(self) -> float:
        """Seconds the oldest sealed segment has waited for the archiver; 0 if none waits."""
        since_us = self.archiver.backlog_since_us
        return max(0.0, (self.known.now_us - since_us) / 1e6) if since_us else 0.0

    @property
    def writer(self) -> WriterReport:
        """The writer's newest report, with counts over all incarnations."""
        return totals_of(self.roles, WriterReport).total

    @property
    def archiver(self) -> ArchiverReport:
        """The archiver's newest report, with counts over all incarnations."""
        return totals_of(self.roles, ArchiverReport).total

    @property
    def repair(self) -> RepairReport:
        """Repair's newest report, with counts over all incarnations."""
        return totals_of(self.roles, RepairReport).total

    @property
    def cluster(self) -> ClusterReport:
        """What is known of other hosts, with counts over all incarnations."""
        return totals_of(self.roles, ClusterReport).total

    @property
    def tabler(self) -> TablerReport:
        """The newest report of what commits the tables, with counts over all incarnations."""
        return totals_of(self.roles, TablerReport).total

    def publishing(self) -> dict[str, PublishReport]:
        """The newest report of every publisher, by feed, with counts over all incarnations."""
        return by_feed(self.roles, PublishReport)

    def relays(self) -> dict[str, RelayReport]:
        """The newest report of every relay, by feed, with counts over all incarnations."""
        return by_feed(self.roles, RelayReport)

    def is_living(self, report: Report) -> bool:
        """Whether the process that reported runs."""
        return any((child.name, child.pid) == (report.role, report.pid) for child in self.known.children)

    def ingests(self) -> dict[str, IngestReport]:
        """The newest report of every ingest, by feed, with counts over all incarnations; empty before its first."""
        found = {feed: IngestReport(feed=feed) for feed in self.exchanges}
        found.update((feed, totals.total) for feed, totals in ingests_of(self.roles).items())
        return found

    def live_lines(self, ingest: IngestReport) -> Sequence[LineReport]:
        """The feed's connections; none if the process that reported them is gone, because they went with it."""
        return ingest.lines if self.is_living(ingest) else ()

    def streams(self) -> dict[StreamKey, StreamNumbers]:
        """Every stream, the configured ones first; also those that never stored a row."""
        streams = {key: StreamNumbers(*key) for key in self.configured}
        stored = totals_of(self.roles, WriterReport).stream_totals()
        streams.update((StreamKey(*stream[:3]), stream) for stream in stored)
        return streams
