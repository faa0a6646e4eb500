"""What the whole recorder is doing, as one object: /status, /healthz and run/health.json say it. No I/O, no clock.

The supervisor's own knowledge and the children's newest reports go in. Counts are since the supervisor's start: they go
on rising when a child is restarted and begins again at nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from collector.config import Config
from collector.domain.names import iso_time
from collector.domain.records import StreamKey
from collector.domain.redact import redact_urls
from collector.supervision.health import Facts, reasons
from collector.supervision.usage import Usage

Report = Mapping[str, Any]

_COUNTS: Final = frozenset({
    "refused", "messages", "duplicates", "undecodable", "archived", "quarantined", "uploaded_objects",
})  # fmt: skip
_REPORTING_SECS: Final = 5.0
"""A process reports about once a second; one that has not for this long stands still."""
_REFUSING_SECS: Final = 10.0
"""A feed that refused a frame so recently is refusing."""


class ChildState(NamedTuple):
    """A process as the supervisor knows it; `state` is starting, running, draining, backoff or failed."""

    name: str
    pid: int | None
    state: str
    restarts: int


class Hop(NamedTuple):
    """A Queue from one process to the next."""

    sender: str
    receiver: str
    depth: int
    capacity: int


class Knowledge(NamedTuple):
    """What the supervisor itself knows at one moment."""

    now_us: int
    uptime_secs: float
    """Monotonic, since the supervisor's start."""
    children: Sequence[ChildState]
    hops: Sequence[Hop]
    usage: Mapping[int, Usage]


class _Role:
    """What one role reported so far, over all its incarnations."""

    def __init__(self) -> None:
        self.report: Report = {}
        self._incarnation: tuple[Any, Any] | None = None
        self._before: Counter[Any] = Counter()
        self._now: dict[Any, int] = {}

    def take(self, report: Report) -> None:
        incarnation = (report.get("pid"), report.get("incarnation"))
        if incarnation != self._incarnation:
            self._before.update(self._now)
            self._incarnation = incarnation
        self.report, self._now = report, _counts(report)

    def total(self, key: Any) -> int:
        return self._before[key] + self._now.get(key, 0)


def _counts(report: Report) -> dict[Any, int]:
    """The rising numbers of a report, by name; those of a stream by its key and name."""
    counts: dict[Any, int] = {name: number for name, number in report.items() if name in _COUNTS}
    for stream in report.get("streams", ()):
        key = _key(stream)
        counts[key, "messages"], counts[key, "gaps"] = stream["messages"], stream["gaps"]
    return counts


def _key(stream: Mapping[str, Any]) -> StreamKey:
    return StreamKey(stream["exchange"], stream["symbol"], stream["data_type"])


class Status:
    """Keeps what must outlive a child, and makes the object."""

    def __init__(self, run_id: str, config: Config) -> None:
        self._run_id = run_id
        self._host = config.host_name
        self._configured = [
            StreamKey(feed.exchange, symbol, data_type)
            for feed in config.feed
            for symbol in feed.symbols
            for data_type in feed.data_types
        ]
        # A row becomes durable one batch after it came, and is reported a moment later.
        self._silent_after_secs = config.ingest.stale_timeout_secs + config.writer.batch_interval_secs + _REPORTING_SECS
        self._roles: defaultdict[str, _Role] = defaultdict(_Role)
        self._last_times: dict[StreamKey, dict[str, int]] = {key: {} for key in self._configured}
        self._refused: dict[str, tuple[int, float]] = {}

    def look(self, reports: Mapping[str, Report], known: Knowledge) -> dict[str, Any]:
        """Take in the newest report of each role and return the status: the object that DESIGN §8 describes."""
        for role, report in reports.items():
            self._roles[role].take(report)
        self._note_streams()
        processes = [_process(child, known.usage) for child in known.children]
        journals = self._journals(known.now_us)
        archive = self._archive()
        in_quarantine = self._roles["archiver"].report.get("in_quarantine", 0)
        facts = Facts(
            processes, journals, archive["last_error"], in_quarantine, self._refusing(known), self._silent(known),
            self._silent_after_secs,
        )  # fmt: skip
        found = reasons(facts)
        return {
            "run_id": self._run_id,
            "host": self._host,
            "uptime_secs": round(known.uptime_secs, 3),
            "healthy": not found,
            "reasons": found,
            "processes": processes,
            "channels": [
                {"from": hop.sender, "to": hop.receiver, "depth": hop.depth, "capacity": hop.capacity}
                for hop in known.hops
            ],
            "journals": journals,
            "writer": self._writer(),
            "segments": self._segments(),
            "archive": archive,
            "streams": [self._stream(key) for key in self._last_times],
        }

    def _ingests(self) -> dict[str, _Role]:
        return {name.partition(":")[2]: role for name, role in self._roles.items() if name.startswith("ingest:")}

    def _note_streams(self) -> None:
        """A restarted writer does not know when it last stored a row; that is remembered here."""
        for stream in self._roles["writer"].report.get("streams", ()):
            times = self._last_times.setdefault(_key(stream), {})
            times |= {name: stream[name] for name in ("last_received_us", "last_durable_us") if stream[name]}

    def _journals(self, now_us: int) -> list[dict[str, Any]]:
        report = self._roles["writer"].report
        unreported_secs = (now_us - report.get("updated_us", now_us)) / 1e6
        standing_secs = unreported_secs if unreported_secs > _REPORTING_SECS else 0.0
        return [
            {
                "feed": journal["feed"],
                "lag_bytes": journal["lag_bytes"],
                "lag_secs": round(journal["lag_secs"] + standing_secs, 3),
                "files": journal["files"],
            }
            for journal in report.get("journals", ())
        ]

    def _writer(self) -> dict[str, Any]:
        writer = self._roles["writer"]
        refused = sum(role.total("refused") for role in self._ingests().values())
        return {
            "batch_size": writer.report.get("batch_size", 0),
            "batch_limit": writer.report.get("batch_limit", 0),
            "commit_secs": writer.report.get("commit_secs"),
            "messages": writer.total("messages"),
            "duplicates": writer.total("duplicates"),
            "undecodable": writer.total("undecodable"),
            # Ingest knows first; the writer also learns what an ingest refused before this supervisor began.
            "refused": max(refused, writer.total("refused")),
        }

    def _segments(self) -> dict[str, int]:
        on_disk = self._roles["writer"].report.get("segments", {})
        archiver = self._roles["archiver"]
        return {
            "open": on_disk.get("open", 0),
            "sealed": on_disk.get("sealed", 0),
            "archived": archiver.total("archived"),
            "quarantined": archiver.total("quarantined"),
        }

    def _archive(self) -> dict[str, Any]:
        archiver = self._roles["archiver"]
        error = archiver.report.get("last_error")
        return {
            "backlog_segments": archiver.report.get("backlog_segments", 0),
            "backlog_bytes": archiver.report.get("backlog_bytes", 0),
            "uploaded_objects": archiver.total("uploaded_objects"),
            "last_error": redact_urls(error) if error else None,
            "eta_secs": archiver.report.get("eta_secs"),
        }

    def _stream(self, key: StreamKey) -> dict[str, Any]:
        writer, times = self._roles["writer"], self._last_times[key]
        return {
            **key._asdict(),
            "messages": writer.total((key, "messages")),
            "gaps": writer.total((key, "gaps")),
            "last_received_at": _iso(times.get("last_received_us")),
            "last_durable_at": _iso(times.get("last_durable_us")),
        }

    def _silent(self, known: Knowledge) -> list[StreamKey]:
        if known.uptime_secs <= self._silent_after_secs:
            return []
        oldest_us = known.now_us - int(self._silent_after_secs * 1e6)
        return [key for key in self._configured if self._last_times[key].get("last_durable_us", 0) < oldest_us]

    def _refusing(self, known: Knowledge) -> list[str]:
        for feed, role in self._ingests().items():
            refused = role.total("refused")
            if refused > self._refused.get(feed, (0, 0.0))[0]:
                self._refused[feed] = (refused, known.uptime_secs)
        return [feed for feed, (_, at_secs) in self._refused.items() if known.uptime_secs - at_secs < _REFUSING_SECS]


def health(status: Mapping[str, Any], now_us: int) -> dict[str, Any]:
    """What run/health.json holds: whether the recorder is healthy, why not, and since when nobody has said so again."""
    said = {name: status[name] for name in ("run_id", "host", "uptime_secs", "healthy", "reasons")}
    return {**said, "updated_at": iso_time(now_us)}


def _process(child: ChildState, usage: Mapping[int, Usage]) -> dict[str, Any]:
    used = usage.get(child.pid) if child.pid is not None else None
    return {
        **child._asdict(),
        "rss_bytes": used.rss_bytes if used else None,
        "cpu_percent": used.cpu_percent if used else None,
    }


def _iso(time_us: int | None) -> str | None:
    return iso_time(time_us) if time_us else None
