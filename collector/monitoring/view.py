"""What the supervisor knows at one moment, as values: whoever shows it asks nobody else, in whatever thread."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from collector.domain.records import StreamKey
from collector.monitoring.coverage import Strips
from collector.monitoring.events import Event
from collector.monitoring.totals import RoleTotals
from collector.monitoring.usage import Usage
from collector.stats_files import StreamNumbers


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
    own: Mapping[str, Any] = {}
    """A report of the supervisor's own, such as children make: its `events`."""


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
    roles: Mapping[str, RoleTotals]
    """By process."""
    exchanges: Mapping[str, str]
    """Of each configured feed."""
    journals: Sequence[Mapping[str, Any]]
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
        since_us = self.role("archiver").report.get("backlog_since_us")
        return max(0.0, (self.known.now_us - since_us) / 1e6) if since_us else 0.0

    def role(self, name: str) -> RoleTotals:
        """The numbers of that process, also before its first report."""
        return self.roles.get(name, RoleTotals())

    def live_lines(self, feed: str) -> Sequence[Mapping[str, Any]]:
        """The feed's connections; none while the process that told of them is gone, because they went with it."""
        name = f"ingest:{feed}"
        report = self.role(name).report
        lives = any(child.name == name and child.pid == report.get("pid") for child in self.known.children)
        return report.get("lines", ()) if lives else ()

    def streams(self) -> dict[StreamKey, StreamNumbers]:
        """Every stream, the configured ones first, stored or not."""
        streams = {key: StreamNumbers(*key) for key in self.configured}
        streams.update((StreamKey(*stream[:3]), stream) for stream in self.role("writer").stream_totals())
        return streams

    def ingests(self) -> dict[str, RoleTotals]:
        """The numbers of every ingest, by feed."""
        found = {feed: RoleTotals() for feed in self.exchanges}
        for name, numbers in self.roles.items():
            stage, _, feed = name.partition(":")
            if stage == "ingest":
                found[feed] = numbers
        return found
