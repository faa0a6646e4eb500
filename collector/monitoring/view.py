"""What the supervisor knows at one moment, as values: whoever shows it asks nobody else, in whatever thread."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from collector.domain.records import StreamKey
from collector.monitoring.coverage import Strips
from collector.monitoring.events import Event
from collector.monitoring.totals import Totals, ingests_of, totals_of
from collector.monitoring.usage import Usage
from collector.reports import (
    ArchiverReport,
    IngestReport,
    JournalLag,
    LineReport,
    RepairReport,
    Report,
    StreamNumbers,
    SupervisorReport,
    WriterReport,
)


class ChildState(NamedTuple):
    """A process as the supervisor knows it; `state` is starting, running, draining, backoff or failed."""

    name: str
    pid: int | None
    state: str
    restarts: int
    unreported_secs: float | None = None
    """For how long one that runs has told nothing of itself; it should about once a second."""
    waits_for_disk: bool = False
    """What it told last: that it waits for the disk."""
    feed: str = ""
    """The feed it works for, if only for one."""
    report: type[Report] = Report
    """What it reports."""


class QueueDepth(NamedTuple):
    """A Queue from one process to the next."""

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
    """By process; the supervisor's own too."""
    disk_free_bytes: int | None = None
    """Room on the disk of `data_dir`; None if it cannot be told."""
    own: SupervisorReport = SupervisorReport()
    """The supervisor's report of itself."""


class Stage(NamedTuple):
    """One step of the flow: what went through it, at which rate now, and in the steps of the last minutes."""

    name: str
    total: int
    per_sec: float | None
    history: Sequence[float]


class Snapshot(NamedTuple):
    """Everything, over the lives of all processes, since the supervisor's start."""

    run_id: str
    host: str
    started_us: int
    known: SupervisorFacts
    headline: str
    """The state in one line: whether it records, and the most urgent reason."""
    reasons: Sequence[Mapping[str, str]]
    """Why it is not healthy, `code`, `text` and `since` each, the most urgent first; empty when it is healthy."""
    ready: bool
    """Whether anything was stored yet."""
    roles: Totals
    exchanges: Mapping[str, str]
    """Of each configured feed."""
    journals: Sequence[JournalLag]
    store_error: str | None
    configured: Sequence[StreamKey]
    limit_secs: Callable[[StreamKey], float | None]
    """How long a stream may be silent; None for one that nobody configured."""
    silent: frozenset[StreamKey]
    strips: Strips
    disk_full_in_secs: float | None
    next_seal_us: int
    """When the open segment is sealed at the latest, if it has rows by then."""
    is_demo: bool
    """Whether this records the built-in exchange, whose data is made up."""
    stages: Sequence[Stage]
    events: Sequence[Event]

    @property
    def backlog_age_secs(self) -> float:
        """For how long the oldest sealed segment has waited for the archiver; 0 when none does."""
        since_us = self.archiver.backlog_since_us
        return max(0.0, (self.known.now_us - since_us) / 1e6) if since_us else 0.0

    @property
    def writer(self) -> WriterReport:
        """The writer's newest report, with its counts over all lives."""
        return totals_of(self.roles, WriterReport).total

    @property
    def archiver(self) -> ArchiverReport:
        """The archiver's, alike."""
        return totals_of(self.roles, ArchiverReport).total

    @property
    def repair(self) -> RepairReport:
        """Repair's, alike."""
        return totals_of(self.roles, RepairReport).total

    def ingests(self) -> dict[str, IngestReport]:
        """Every ingest's by feed, alike; also before its first report."""
        found = {feed: IngestReport(feed=feed) for feed in self.exchanges}
        found.update((feed, totals.total) for feed, totals in ingests_of(self.roles).items())
        return found

    def live_lines(self, ingest: IngestReport) -> Sequence[LineReport]:
        """The feed's connections; none while the process that reported them is gone, because they went with it."""
        lives = any((child.name, child.pid) == (ingest.role, ingest.pid) for child in self.known.children)
        return ingest.lines if lives else ()

    def streams(self) -> dict[StreamKey, StreamNumbers]:
        """Every stream, the configured ones first, stored or not."""
        streams = {key: StreamNumbers(*key) for key in self.configured}
        stored = totals_of(self.roles, WriterReport).stream_totals()
        streams.update((StreamKey(*stream[:3]), stream) for stream in stored)
        return streams
